"""Annotations of several readers beside each other: which count, and which a person set aside."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from sightline import clock
from sightline.catalog.hub_tables import ADJUDICATION, ANNOTATION, EDGE, INSTANCE, SERIES
from sightline.errors import Refused, UnknownName
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.values.identity import HubSeriesUid, LineageId, SubjectId
from sightline.values.reading import Reading, ReadingState

# SQLite takes a limited number of parameters a statement.
_BATCH = 500


def counts() -> sa.ColumnElement[bool]:
    """Ask of an annotation that neither it nor one that it was made of was withdrawn."""
    withdrawn = sa.select(INSTANCE.c.uid).where(INSTANCE.c.withdrawn != "")
    source = ANNOTATION.alias("source")
    lost = (
        sa.select(EDGE.c.child)
        .join(source, source.c.id == EDGE.c.parent)
        .where(source.c.instance_uid.in_(withdrawn))
    )
    # An unknown instance is neither in a list nor not in it.
    drawn, made = ANNOTATION.c.instance_uid.is_not(None), ANNOTATION.c.instance_uid.is_(None)
    return sa.or_(
        sa.and_(drawn, ANNOTATION.c.instance_uid.not_in(withdrawn)),
        sa.and_(made, ANNOTATION.c.id.not_in(lost)),
    )


def by_person() -> sa.ColumnElement[bool]:
    """Ask of an annotation that a person drew it and no other was set in its place."""
    superseded = sa.select(ADJUDICATION.c.superseded_id)
    return ANNOTATION.c.instance_uid.is_not(None) & ANNOTATION.c.id.not_in(superseded)


def history(hub: Hub, series_uid: HubSeriesUid) -> list[Reading]:
    """List every annotation of a series, newest first; none is ever overwritten.

    Raises:
        UnknownName: The hub has no such series.
    """
    with hub.database.read() as connection:
        known = connection.execute(sa.select(SERIES.c.uid).where(SERIES.c.uid == series_uid))
        if known.first() is None:
            raise UnknownName(
                f"the hub has no series {series_uid!r}",
                hint="`sightline hub series` lists what is there.",
            )
        rows = connection.execute(_query([series_uid])).all()
    return list(_with_states(rows))


def independent_readings(
    hub: Hub, series_uids: Sequence[str], *, classes: tuple[str, ...] | None = None
) -> dict[HubSeriesUid, list[Reading]]:
    """Return what each reader says of each series on their own, by author.

    Of one reader the newest counts. What settles a difference between others is no voice beside
    them, and neither is a consensus.

    Args:
        hub: the store.
        series_uids: whose annotations.
        classes: marked by them, in this order; None takes any.
    """
    found: dict[HubSeriesUid, list[Reading]] = {}
    with hub.database.read() as connection:
        for first in range(0, len(series_uids), _BATCH):
            batch = series_uids[first : first + _BATCH]
            rows = connection.execute(_query(batch).where(ANNOTATION.c.instance_uid.is_not(None)))
            settling = _settling(connection, batch)
            for series_uid, of_series in itertools.groupby(rows, key=lambda row: row.uid):
                chosen = [row for row in of_series if row.id not in settling]
                readings = [
                    each
                    for each in _with_states(chosen)
                    if each.state in {"current", "superseded"} and classes in {None, each.classes}
                ]
                if readings:
                    ordered = sorted(readings, key=lambda each: (each.author, each.classes))
                    found[HubSeriesUid(series_uid)] = ordered
    return found


def classes_drawn(hub: Hub, series_uids: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the lists of classes that readers marked on some series."""
    found = independent_readings(hub, series_uids)
    return sorted({each.classes for of_series in found.values() for each in of_series})


def adjudicate(
    hub: Hub,
    annotation_id: str,
    superseded: Sequence[str],
    *,
    decided_by: str,
    reason: str,
) -> None:
    """Set a person's later annotation in the place of others, for a reason; all of them stay.

    From then on collections that ask for no author take it. Who calls again with the same changes
    nothing.

    Raises:
        UnknownName: There is no such annotation.
        Refused: It is no later annotation of the same series and classes by a person, or was set
            aside itself; or name or reason lack.
    """
    if not decided_by.strip() or not reason.strip():
        raise Refused("a decision needs a name and a reason", hint="Give --by and --reason.")
    with hub.database.write() as connection:
        chosen = _row(connection, annotation_id)
        others = {each: _row(connection, each) for each in superseded}
        _check(connection, chosen, list(others.values()))
        known = set(
            connection.execute(
                sa.select(ADJUDICATION.c.superseded_id).where(
                    ADJUDICATION.c.annotation_id == annotation_id
                )
            ).scalars()
        )
        at = clock.now().isoformat()
        for each in others.keys() - known:
            connection.execute(
                ADJUDICATION.insert().values(
                    annotation_id=annotation_id,
                    superseded_id=each,
                    decided_by=decided_by,
                    reason=reason,
                    at=at,
                )
            )
        node = node_of(chosen.id, "annotation", name=chosen.id)
        record(connection, node, [LineageId(each) for each in others])


def _row(connection: sa.Connection, annotation_id: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(ANNOTATION).where(ANNOTATION.c.id == annotation_id)).first()
    if row is None:
        raise UnknownName(
            f"there is no annotation {annotation_id!r}",
            hint="`sightline annotations list SERIES` shows those of a series.",
        )
    return row


def _check(connection: sa.Connection, chosen: sa.Row[Any], others: Sequence[sa.Row[Any]]) -> None:
    if chosen.instance_uid is None:
        raise Refused(
            f"{chosen.id} is a consensus, not a person's",
            hint="Let a person attach what is to hold, or ask collections for --consensus.",
        )
    gone = connection.execute(
        sa.select(ADJUDICATION.c.annotation_id).where(ADJUDICATION.c.superseded_id == chosen.id)
    ).scalar()
    if gone is not None:
        raise Refused(f"{chosen.id} was set aside itself, for {gone}", hint=f"Name {gone}.")
    for each in others:
        if each.id == chosen.id or each.created_at > chosen.created_at:
            raise Refused(
                f"{chosen.id} is not later than {each.id}",
                hint="Only a later annotation settles what earlier ones said.",
            )
        if (each.series_uid, each.classes) != (chosen.series_uid, chosen.classes):
            raise Refused(
                f"{each.id} is of another series or other classes than {chosen.id}",
                hint="`sightline annotations list SERIES` shows those of a series.",
            )


def _query(series_uids: Sequence[str]) -> sa.Select[Any]:
    superseded_by = (
        sa.select(ADJUDICATION.c.annotation_id)
        .where(ADJUDICATION.c.superseded_id == ANNOTATION.c.id)
        .order_by(ADJUDICATION.c.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    reason = (
        sa.select(ADJUDICATION.c.reason)
        .where(ADJUDICATION.c.superseded_id == ANNOTATION.c.id)
        .order_by(ADJUDICATION.c.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        sa.select(
            ANNOTATION,
            SERIES.c.uid,
            SERIES.c.subject_id,
            counts().label("counts"),
            superseded_by.label("superseded_by"),
            reason.label("why"),
        )
        .join(SERIES, SERIES.c.uid == ANNOTATION.c.series_uid)
        .where(ANNOTATION.c.series_uid.in_(series_uids), ANNOTATION.c.target == "")
        .order_by(SERIES.c.uid, ANNOTATION.c.created_at.desc(), ANNOTATION.c.id)
    )


def _settling(connection: sa.Connection, series_uids: Sequence[str]) -> set[str]:
    """Return the annotations by which somebody settled what others said."""
    other = ANNOTATION.alias("other")
    rows = connection.execute(
        sa.select(ADJUDICATION.c.annotation_id)
        .join(ANNOTATION, ANNOTATION.c.id == ADJUDICATION.c.annotation_id)
        .join(other, other.c.id == ADJUDICATION.c.superseded_id)
        .where(ANNOTATION.c.series_uid.in_(series_uids), other.c.author != ANNOTATION.c.author)
    )
    return set(rows.scalars())


def _with_states(rows: Sequence[sa.Row[Any]]) -> Iterator[Reading]:
    """Turn rows, newest first, into readings."""
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    for row in rows:
        key = (row.uid, row.author, tuple(row.classes))
        state: ReadingState = "current"
        if not row.counts:
            state = "withdrawn"
        elif row.superseded_by is not None:
            state = "superseded"
        if state != "withdrawn":
            state = "earlier" if key in seen else state
            seen.add(key)
        yield Reading(
            annotation_id=LineageId(row.id),
            series_uid=HubSeriesUid(row.uid),
            subject_id=SubjectId(row.subject_id),
            author=row.author,
            classes=tuple(row.classes),
            mask_digest=row.mask_digest,
            created_at=row.created_at,
            state=state,
            superseded_by=LineageId(row.superseded_by) if row.superseded_by else None,
            reason=row.why or "",
        )
