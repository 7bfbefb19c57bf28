"""Reading studies back, and what is recorded of each on its way."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.quarantine import hold_at_door, released_reasons
from sightline.archive.search import IS_SHOWN, FoundStudy, Window, search_studies
from sightline.archive.search_keys import Keys
from sightline.catalog.archive_tables import (
    INSTANCE,
    PATIENT,
    SERIES,
    STUDY,
)
from sightline.errors import NotDicom, UnknownName
from sightline.formats.acquisition import HEAD_BYTES, read_acquisition
from sightline.values.acquisition import Acquisition
from sightline.values.arrival import Holding
from sightline.values.identity import (
    Digest,
    InstanceUid,
    LineageId,
    Patient,
    SeriesUid,
    StudyUid,
)
from sightline.values.study import IdentifiedInstance, IdentifiedStudy


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SeriesFacts:
    """What routing asks of one series."""

    uid: SeriesUid
    modality: str
    description: str
    body_part: str
    instances: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ListedStudy:
    """One study and how far it is.

    Attributes:
        complete_because: what its last completeness rested on; empty before the first.
        door: how the door to the hub answered; empty before it did.
    """

    study: FoundStudy
    is_complete: bool
    complete_because: str
    door: str


def list_studies(archive: Archive) -> list[ListedStudy]:
    """List every study, newest first."""
    with archive.database.read() as connection:
        rows = {row.uid: row for row in connection.execute(sa.select(STUDY))}
    return [
        ListedStudy(
            study=each,
            is_complete=rows[each.uid].completed_revision == rows[each.uid].revision,
            complete_because=rows[each.uid].complete_because,
            door=rows[each.uid].door,
        )
        for each in search_studies(archive, Keys(), Window()).found
        if each.uid in rows  # one that arrived meanwhile is listed the next time
    ]


def studies_to_start(archive: Archive) -> list[tuple[StudyUid, int]]:
    """List complete studies whose jobs were not started for this revision."""
    with archive.database.read() as connection:
        rows = connection.execute(
            sa.select(STUDY.c.uid, STUDY.c.completed_revision)
            .where(STUDY.c.started_revision < STUDY.c.completed_revision)
            .order_by(STUDY.c.completed_at)
        ).all()
    return [(StudyUid(uid), revision) for uid, revision in rows]


def first_received_at(archive: Archive, study_uid: StudyUid) -> float:
    """Return when a study came first, in seconds since the epoch; 0 where it is not here."""
    query = sa.select(STUDY.c.first_received_at).where(STUDY.c.uid == study_uid)
    with archive.database.read() as connection:
        return float(connection.execute(query).scalar() or 0.0)


def mark_started(archive: Archive, study_uid: StudyUid, revision: int) -> None:
    """Record that the jobs of a revision were handed to the durable queue."""
    with archive.database.write() as connection:
        connection.execute(
            STUDY.update()
            .where(STUDY.c.uid == study_uid, STUDY.c.started_revision < revision)
            .values(started_revision=revision)
        )


def record_door(
    archive: Archive, study: IdentifiedStudy, *, state: str, held: Sequence[Holding]
) -> None:
    """Record how the door answered for this revision of a study, and what it holds back."""
    with archive.database.write() as connection:
        connection.execute(
            STUDY.update()
            .where(STUDY.c.uid == study.uid)
            .values(door=state, door_revision=study.revision)
        )
        hold_at_door(connection, study.uid, held)


def study(archive: Archive, study_uid: StudyUid) -> IdentifiedStudy:
    """Return a study with its patient and instances, without those that a PACS rejected.

    Raises:
        UnknownName: There is no such study.
    """
    with archive.database.read() as connection:
        head = connection.execute(
            sa.select(STUDY.c.revision, STUDY.c.study_date, PATIENT)
            .join(PATIENT, STUDY.c.patient == PATIENT.c.id)
            .where(STUDY.c.uid == study_uid)
        ).first()
        rows = connection.execute(
            sa.select(INSTANCE)
            .where(INSTANCE.c.study_uid == study_uid, IS_SHOWN)
            .order_by(INSTANCE.c.series_uid, INSTANCE.c.number, INSTANCE.c.uid)
        ).all()
        released = released_reasons(connection, study_uid)
    if head is None:
        raise UnknownName(
            f"the archive has no study {study_uid}", hint="List studies with `sightline studies`."
        )
    patient = Patient(
        patient_id=head.patient_id,
        issuer=head.issuer,
        name=head.name,
        birth_date=head.birth_date,
        sex=head.sex,
    )
    return IdentifiedStudy(
        uid=study_uid,
        patient=patient,
        revision=head.revision,
        instances=tuple(_instance(archive, row, released) for row in rows),
        date=head.study_date,
    )


def study_of_series(archive: Archive, series_uid: SeriesUid) -> StudyUid:
    """Return the study a series belongs to.

    Raises:
        UnknownName: There is no such series.
    """
    with archive.database.read() as connection:
        uid = connection.execute(
            sa.select(SERIES.c.study_uid).where(SERIES.c.uid == series_uid)
        ).scalar()
    if uid is None:
        raise UnknownName(
            f"the archive has no series {series_uid}",
            hint="Send or import the images first; `sightline studies` lists what is there.",
        )
    return StudyUid(uid)


def series_of_study(archive: Archive, study_uid: StudyUid) -> list[SeriesFacts]:
    """List the series that came from outside, with what routing asks of each."""
    with archive.database.read() as connection:
        rows = connection.execute(
            sa.select(SERIES, sa.func.count(INSTANCE.c.uid).label("instances"))
            .join(INSTANCE, INSTANCE.c.series_uid == SERIES.c.uid)
            .where(
                SERIES.c.study_uid == study_uid,
                INSTANCE.c.study_uid == study_uid,
                INSTANCE.c.lineage_id.is_(None),
                IS_SHOWN,
            )
            .group_by(SERIES.c.uid)
            .order_by(SERIES.c.number, SERIES.c.uid)
        ).all()
    return [
        SeriesFacts(
            uid=SeriesUid(row.uid),
            modality=row.modality,
            description=row.description,
            body_part=row.body_part,
            instances=row.instances,
        )
        for row in rows
    ]


def acquisition_of(archive: Archive, series_uid: SeriesUid) -> Acquisition:
    """Read how a series was acquired, from the instance in the middle of it.

    Raises:
        UnknownName: There is no such series, or its instance is gone.
        DamagedObject: The instance cannot be put together.
        NotDicom: It is no DICOM file any more.
    """
    with archive.database.read() as connection:
        digests = connection.scalars(
            sa.select(INSTANCE.c.digest)
            .join(SERIES, SERIES.c.uid == INSTANCE.c.series_uid)
            .where(
                INSTANCE.c.series_uid == series_uid,
                # Another study may use the same UID.
                INSTANCE.c.study_uid == SERIES.c.study_uid,
                INSTANCE.c.lineage_id.is_(None),
                IS_SHOWN,
            )
            .order_by(INSTANCE.c.number, INSTANCE.c.uid)
        ).all()
    if not digests:
        raise UnknownName(
            f"the archive has no series {series_uid}",
            hint="Send or import the images first; `sightline studies` lists what is there.",
        )
    middle = Digest(digests[len(digests) // 2])
    try:
        return read_acquisition(archive.objects.head(middle, HEAD_BYTES))
    except NotDicom:
        # A deflated one says nothing before its end.
        return read_acquisition(archive.objects.get(middle))


def lineage_of_instance(archive: Archive, instance_uid: InstanceUid) -> LineageId | None:
    """Return the lineage id of a published object; None where it is none of ours."""
    with archive.database.read() as connection:
        found = connection.execute(
            sa.select(INSTANCE.c.lineage_id).where(INSTANCE.c.uid == instance_uid)
        ).scalar()
    return LineageId(found) if found else None


def _instance(
    archive: Archive, row: sa.Row[tuple[object, ...]], released: Mapping[str, frozenset[str]]
) -> IdentifiedInstance:
    digest = Digest(row.digest)
    return IdentifiedInstance(
        uid=InstanceUid(row.uid),
        series_uid=SeriesUid(row.series_uid),
        sop_class_uid=row.sop_class_uid,
        digest=digest,
        read=functools.partial(archive.objects.get, digest),
        lineage_id=LineageId(row.lineage_id) if row.lineage_id else None,
        released=released.get(row.digest, frozenset()),
    )
