"""What the hub holds of a subject or a study, for people: studies, their series, their reports."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from sightline.catalog.hub_tables import INSTANCE, SERIES, STUDY
from sightline.engines.limited import Limits
from sightline.errors import BadFile, UnknownName
from sightline.formats.sr_words import REPORT_CLASSES, read_words
from sightline.hub.hub import Hub
from sightline.values.identity import Digest, HubInstanceUid, HubSeriesUid, HubStudyUid, SubjectId


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HubSeries:
    """One series of a study.

    Attributes:
        instances: how many count.
        is_volume: whether it is one volume, which learning can use.
    """

    uid: HubSeriesUid
    modality: str
    description: str
    instances: int
    is_volume: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HubStudy:
    """One study of the hub.

    Attributes:
        date: `YYYYMMDD`, moved as all dates of the subject; empty where unknown.
    """

    uid: HubStudyUid
    subject_id: SubjectId
    date: str
    description: str
    series: tuple[HubSeries, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HubReport:
    """The words of one document of a study.

    Attributes:
        words: one line an item; where the document cannot be read, why.
    """

    uid: HubInstanceUid
    series_uid: HubSeriesUid
    words: str


def find_studies(hub: Hub, name: str = "") -> list[HubStudy]:
    """Return the study of that UID, or all of that subject, or all there are; oldest first.

    Raises:
        UnknownName: The hub has neither.
    """
    chosen = (STUDY.c.uid == name) | (STUDY.c.subject_id == name) if name else sa.true()
    with hub.database.read() as connection:
        rows = connection.execute(
            sa.select(STUDY).where(chosen).order_by(STUDY.c.study_date, STUDY.c.uid)
        ).all()
        series = connection.execute(
            sa.select(SERIES, sa.func.count(INSTANCE.c.uid).label("instances"))
            .join(STUDY, STUDY.c.uid == SERIES.c.study_uid)
            .join(INSTANCE, INSTANCE.c.series_uid == SERIES.c.uid)
            .where(chosen, INSTANCE.c.withdrawn == "")
            .group_by(SERIES.c.uid)
            .order_by(SERIES.c.modality, SERIES.c.description, SERIES.c.uid)
        ).all()
    if name and not rows:
        raise UnknownName(
            f"the hub has no study and no subject {name!r}",
            hint="`sightline hub series` lists what is there.",
        )
    by_study = defaultdict(list)
    for each in series:
        by_study[each.study_uid].append(each)
    return [_study(row, by_study[row.uid]) for row in rows]


def reports_of(hub: Hub, study_uid: HubStudyUid) -> list[HubReport]:
    """Read every document of a study that people wrote; measurements are not among them.

    Raises:
        DamagedObject: One is missing or damaged.
    """
    with hub.database.read() as connection:
        rows = connection.execute(
            sa.select(INSTANCE.c.uid, INSTANCE.c.series_uid, INSTANCE.c.digest)
            .join(SERIES, SERIES.c.uid == INSTANCE.c.series_uid)
            .where(
                SERIES.c.study_uid == study_uid,
                INSTANCE.c.sop_class_uid.in_(REPORT_CLASSES),
                INSTANCE.c.withdrawn == "",
            )
            .order_by(INSTANCE.c.series_uid, INSTANCE.c.uid)
        ).all()
    return [
        HubReport(
            uid=HubInstanceUid(row.uid),
            series_uid=HubSeriesUid(row.series_uid),
            words=words_of(hub.objects.get(Digest(row.digest))),
        )
        for row in rows
    ]


def words_of(content: bytes) -> str:
    """Return the words of a document; where it cannot be read, why."""
    try:
        return Limits.for_bytes(len(content)).call(read_words, content)
    except BadFile as error:
        return f"(it cannot be read: {error.problem})"


def _study(
    row: sa.Row[tuple[object, ...]], series: Sequence[sa.Row[tuple[object, ...]]]
) -> HubStudy:
    return HubStudy(
        uid=HubStudyUid(row.uid),
        subject_id=SubjectId(row.subject_id),
        date=row.study_date,
        description=row.description,
        series=tuple(
            HubSeries(
                uid=HubSeriesUid(each.uid),
                modality=each.modality,
                description=each.description,
                instances=each.instances,
                is_volume=bool(each.volume_digest),
            )
            for each in series
        ),
    )
