"""Collections: immutable versions, split by subject, each series taken for a reason."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from sightline import clock
from sightline.catalog.hub_tables import (
    ANNOTATION,
    COLLECTION_MEMBER,
    COLLECTION_VERSION,
    SERIES,
)
from sightline.errors import LockedSplit, Refused, UnknownName
from sightline.hub.admission import VOLUME_FORMAT
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.hub.readings import by_person, counts
from sightline.hub.subjects import subjects_now
from sightline.store.arrays import StoredArray
from sightline.values.collection import (
    CollectionVersion,
    Member,
    Split,
    parse_label,
)
from sightline.values.identity import HubSeriesUid, LineageId, SubjectId
from sightline.values.statement import Statement

_STRICTNESS: tuple[Split, ...] = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Criteria:
    """Which series a version takes; None asks for nothing.

    Attributes:
        classes: the annotation marks exactly these, in this order.
        author: pseudonym of a reader, or `consensus:majority`; None takes the newest that a person
            drew and no other was set in the place of.
        target: the annotation is a statement of this; the last of its author's, of several authors
            the one that came last.
        into: words of the description of another series of the study, into which this one is to be
            made; taken where the study has one such volume.
        manufacturer: the beginning of the manufacturer's name, case ignored.
    """

    modality: str | None = None
    manufacturer: str | None = None
    description: str | None = None
    author: str | None = None
    classes: tuple[str, ...] | None = None
    target: str | None = None
    into: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """Shares of the subjects; the rest is for training."""

    validation: float = 0.1
    test: float = 0.2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StoredMember:
    """A member's arrays, opened.

    Attributes:
        statement: what was said of it, where the version takes statements.
        image: what it is to be made into, where the version takes pairs.
    """

    member: Member
    volume: StoredArray
    mask: StoredArray | None
    statement: Statement | None = None
    image: StoredArray | None = None


def make_version(
    hub: Hub, name: str, criteria: Criteria, *, shares: Shares = Shares()
) -> CollectionVersion:
    """Make the next version of a collection from what the hub holds now.

    A subject keeps the split it has in the version before, so that what was tested on is never
    trained on later. A repeat that finds nothing new returns the newest version.

    Raises:
        Refused: Nothing in the hub meets the criteria.
    """
    before = _newest(hub, name)
    kept = _splits_now(hub, before) if before else {}
    rows = _matching(hub, criteria)
    pairs = _pairs(hub, rows, criteria.into) if criteria.into else {}
    if criteria.into:
        rows = [row for row in rows if row.uid in pairs]
    if not rows:
        raise Refused(
            f"nothing in the hub meets the criteria of {name!r}",
            hint="`sightline hub series` lists what is there; annotations take a moment to pass.",
        )
    splits = _assign({row.subject_id for row in rows}, kept, name=name, shares=shares)
    version = CollectionVersion(
        name=name,
        version=before.version + 1 if before else 1,
        members=tuple(
            _member(
                row, splits[row.subject_id], criteria, image_digest=pairs.get(row.uid, ("",))[0]
            )
            for row in rows
        ),
    )
    if before and before.digest == version.digest:
        return before
    _store(hub, version, beside=[uid for _, uid in pairs.values()])
    return version


def version(hub: Hub, label: str) -> CollectionVersion:
    """Return `NAME@N`, or the newest version of `NAME`.

    Raises:
        UnknownName: There is no such collection or version.
    """
    name, number = parse_label(label)
    with hub.database.read() as connection:
        query = sa.select(COLLECTION_VERSION).where(COLLECTION_VERSION.c.name == name)
        if number is not None:
            query = query.where(COLLECTION_VERSION.c.version == number)
        head = connection.execute(query.order_by(COLLECTION_VERSION.c.version.desc())).first()
        if head is None:
            known = connection.execute(
                sa.select(COLLECTION_VERSION.c.name, COLLECTION_VERSION.c.version)
            ).all()
            raise UnknownName(
                f"there is no collection {label!r}",
                hint=f"Known: {', '.join(f'{n}@{v}' for n, v in known) or 'none'}. "
                "Make one with `sightline collections make`.",
            )
        rows = connection.execute(
            sa.select(COLLECTION_MEMBER).where(COLLECTION_MEMBER.c.version_id == head.lineage_id)
        ).all()
    members = tuple(stored_member(row) for row in rows)
    return CollectionVersion(name=head.name, version=head.version, members=members)


def versions(hub: Hub) -> list[CollectionVersion]:
    """List every version of every collection."""
    with hub.database.read() as connection:
        labels = connection.execute(
            sa.select(COLLECTION_VERSION.c.name, COLLECTION_VERSION.c.version).order_by(
                COLLECTION_VERSION.c.name, COLLECTION_VERSION.c.version
            )
        ).all()
    return [version(hub, f"{name}@{number}") for name, number in labels]


def series_named(hub: Hub, name: str, split: Split | None) -> list[HubSeriesUid]:
    """Return the series of a collection, or of a split of it; or the one of that UID.

    Raises:
        UnknownName: There is neither such a collection nor such a series.
    """
    with hub.database.read() as connection:
        if connection.execute(sa.select(SERIES.c.uid).where(SERIES.c.uid == name)).first():
            return [HubSeriesUid(name)]
    chosen = version(hub, name)
    members = chosen.of_split(split) if split else chosen.in_order()
    return [member.series_uid for member in members]


def lineage_id(chosen: CollectionVersion) -> LineageId:
    """Return the lineage id of a version."""
    name = hashlib.sha256(f"{chosen.label}{chosen.digest}".encode()).hexdigest()[:12]
    return LineageId(f"collection-{name}")


def open_members(hub: Hub, chosen: CollectionVersion, split: Split) -> list[StoredMember]:
    """Open the arrays of a split for learning, in a stable order.

    Raises:
        LockedSplit: The test split was asked for; only `open_test_members` gives it.
        DamagedObject: An array is missing or broken.
    """
    if split == "test":
        raise LockedSplit(
            f"the test split of {chosen.label} is locked",
            hint="Train on `train`, choose on `validation`; evaluation alone reads `test`.",
        )
    return _open(hub, chosen, split)


def open_test_members(hub: Hub, chosen: CollectionVersion) -> list[StoredMember]:
    """Open the locked test split for an evaluation, which is counted.

    Raises:
        DamagedObject: An array is missing or broken.
    """
    note_test_evaluation(hub, chosen)
    return _open(hub, chosen, "test")


def note_test_evaluation(hub: Hub, chosen: CollectionVersion) -> None:
    """Count that something learned of the locked test split."""
    with hub.database.write() as connection:
        connection.execute(
            COLLECTION_VERSION.update()
            .where(COLLECTION_VERSION.c.lineage_id == lineage_id(chosen))
            .values(test_evaluations=COLLECTION_VERSION.c.test_evaluations + 1)
        )


def count_test_evaluations(hub: Hub, chosen: CollectionVersion) -> int:
    """Return how often the locked test split of a version was evaluated on."""
    with hub.database.read() as connection:
        count: int = connection.execute(
            sa.select(COLLECTION_VERSION.c.test_evaluations).where(
                COLLECTION_VERSION.c.lineage_id == lineage_id(chosen)
            )
        ).scalar_one()
    return count


def _open(hub: Hub, chosen: CollectionVersion, split: Split) -> list[StoredMember]:
    members = chosen.of_split(split)
    statements = _statements(hub, [each.annotation_id for each in members if each.annotation_id])
    return [_opened(hub, member, statements) for member in members]


def _opened(hub: Hub, member: Member, statements: Mapping[str, Statement]) -> StoredMember:
    beside = hub.array(member.annotation_digest) if member.annotation_digest else None
    is_image = beside is not None and beside.attributes.get("format") == VOLUME_FORMAT
    return StoredMember(
        member=member,
        volume=hub.array(member.volume_digest),
        mask=None if is_image else beside,
        statement=statements.get(member.annotation_id or ""),
        image=beside if is_image else None,
    )


def _statements(hub: Hub, ids: Sequence[LineageId]) -> dict[str, Statement]:
    found: dict[str, Statement] = {}
    with hub.database.read() as connection:
        # SQLite takes a limited number of parameters a statement.
        for first in range(0, len(ids), 500):
            query = sa.select(ANNOTATION).where(
                ANNOTATION.c.id.in_(ids[first : first + 500]), ANNOTATION.c.target != ""
            )
            for row in connection.execute(query):
                found[row.id] = Statement.from_json(row.statement, author=row.author)
    return found


def _matching(hub: Hub, criteria: Criteria) -> Sequence[sa.Row[tuple[object, ...]]]:
    query = (
        sa.select(
            SERIES,
            ANNOTATION.c.id.label("annotation_id"),
            ANNOTATION.c.mask_digest,
            ANNOTATION.c.classes,
            ANNOTATION.c.author,
            ANNOTATION.c.number,
        )
        .select_from(SERIES)
        .join(
            ANNOTATION,
            (ANNOTATION.c.series_uid == SERIES.c.uid)
            & (ANNOTATION.c.target == (criteria.target or ""))
            & counts()
            & _asked(criteria.author),
            isouter=not (criteria.classes or criteria.author or criteria.target),
        )
        .where(SERIES.c.volume_digest != "")
        .order_by(SERIES.c.uid, ANNOTATION.c.created_at.desc(), ANNOTATION.c.id)
    )
    if criteria.modality:
        query = query.where(SERIES.c.modality == criteria.modality)
    if criteria.manufacturer:
        query = query.where(
            SERIES.c.manufacturer.istartswith(criteria.manufacturer, autoescape=True)
        )
    if criteria.description:
        query = query.where(SERIES.c.description.icontains(criteria.description, autoescape=True))
    with hub.database.read() as connection:
        rows = connection.execute(query).all()
    last: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.uid, row.author)
        last[key] = max(last.get(key, 0), row.number or 0)
    taken: dict[str, sa.Row[tuple[object, ...]]] = {}
    for row in rows:
        is_last = (row.number or 0) == last[row.uid, row.author]
        if is_last and (criteria.classes is None or tuple(row.classes) == criteria.classes):
            taken.setdefault(row.uid, row)
    return list(taken.values())


def _asked(author: str | None) -> sa.ColumnElement[bool]:
    return by_person() if author is None else ANNOTATION.c.author == author


def _splits_now(hub: Hub, before: CollectionVersion) -> dict[str, Split]:
    """Return the split of each subject of a version, by whose the series are after merges.

    Of one person in two splits the stricter holds, so that what was tested on is never trained on.
    """
    now = subjects_now(hub, [member.series_uid for member in before.members])
    splits: dict[str, Split] = {}
    for member in before.members:
        subject = now.get(member.series_uid, member.subject_id)
        known = splits.get(subject, member.split)
        splits[subject] = max(known, member.split, key=_STRICTNESS.index)
    return splits


def _assign(
    subjects: set[str], before: dict[str, Split], *, name: str, shares: Shares
) -> dict[str, Split]:
    splits = dict(before)
    fresh = sorted(
        subjects - splits.keys(), key=lambda s: hashlib.sha256(f"{name}/{s}".encode()).digest()
    )
    tested = round(len(fresh) * shares.test)
    validated = round(len(fresh) * shares.validation)
    for position, subject in enumerate(fresh):
        if position < tested:
            splits[subject] = "test"
        elif position < tested + validated:
            splits[subject] = "validation"
        else:
            splits[subject] = "train"
    return splits


def _pairs(
    hub: Hub, rows: Sequence[sa.Row[tuple[object, ...]]], words: str
) -> dict[str, tuple[str, str]]:
    """Find digest and UID of the one volume beside each series that is described so."""
    query = sa.select(SERIES.c.uid, SERIES.c.study_uid, SERIES.c.volume_digest).where(
        SERIES.c.volume_digest != "", SERIES.c.description.icontains(words, autoescape=True)
    )
    with hub.database.read() as connection:
        found = connection.execute(query).all()
    by_study: dict[str, list[tuple[str, str]]] = {}
    for each in found:
        by_study.setdefault(each.study_uid, []).append((each.volume_digest, each.uid))
    own = {each.uid for each in found}
    return {
        row.uid: beside[0]
        for row in rows
        if row.uid not in own and len(beside := by_study.get(row.study_uid, [])) == 1
    }


def _member(
    row: sa.Row[tuple[object, ...]], split: Split, criteria: Criteria, *, image_digest: str
) -> Member:
    asked = [
        f"{name}={','.join(value) if isinstance(value, tuple) else value}"
        for name, value in dataclasses.asdict(criteria).items()
        if value is not None
    ]
    return Member(
        subject_id=SubjectId(row.subject_id),
        series_uid=HubSeriesUid(row.uid),
        volume_digest=row.volume_digest,
        annotation_id=row.annotation_id,
        annotation_digest=image_digest or row.mask_digest or None,
        split=split,
        reason="; ".join(asked) or "every volume",
    )


def _store(hub: Hub, chosen: CollectionVersion, *, beside: Sequence[str]) -> None:
    id_ = lineage_id(chosen)
    with hub.database.write() as connection:
        connection.execute(
            COLLECTION_VERSION.insert().values(
                lineage_id=id_,
                name=chosen.name,
                version=chosen.version,
                digest=chosen.digest,
                created_at=clock.now().isoformat(),
                test_evaluations=0,
            )
        )
        rows = [dataclasses.asdict(member) | {"version_id": id_} for member in chosen.members]
        connection.execute(COLLECTION_MEMBER.insert(), rows)
        parents = [LineageId(member.series_uid) for member in chosen.members]
        parents += [member.annotation_id for member in chosen.members if member.annotation_id]
        parents += map(LineageId, beside)
        facts = {"digest": chosen.digest, "series": str(len(chosen.members))}
        record(connection, node_of(id_, "collection", name=chosen.label, facts=facts), parents)


def _newest(hub: Hub, name: str) -> CollectionVersion | None:
    try:
        return version(hub, name)
    except UnknownName:
        return None


def stored_member(row: sa.Row[tuple[object, ...]]) -> Member:
    """Return the member that a row of a version holds."""
    return Member(
        subject_id=SubjectId(row.subject_id),
        series_uid=HubSeriesUid(row.series_uid),
        volume_digest=row.volume_digest,
        annotation_id=LineageId(row.annotation_id) if row.annotation_id else None,
        annotation_digest=row.annotation_digest,
        split=row.split,
        reason=row.reason,
        place=row.place,
    )
