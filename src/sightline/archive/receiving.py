"""Taking instances in: durable bytes first, then one transaction of the catalog."""

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.quarantine import CONFLICTS, OTHER_CONTENT, OTHER_PATIENT, hold
from sightline.catalog.archive_tables import (
    INSTANCE,
    PATIENT,
    SERIES,
    STUDY,
)
from sightline.catalog.database import insert_new
from sightline.catalog.statements import Statement
from sightline.errors import DamagedObject, UnknownName
from sightline.formats.dicom_elements import dataset_offset
from sightline.formats.dicom_file import Header, read_header
from sightline.store.objects import ObjectStore
from sightline.values.arrival import Arrival, Holding, Outcome, Source
from sightline.values.identity import Digest, InstanceUid, LineageId, Patient, StudyUid

_log = log.get("archive")

# The look-up is one round trip for what nearly every instance of a study finds.
_FIND = Statement(
    sa.select(INSTANCE.c.digest, INSTANCE.c.transfer_syntax_uid).where(
        INSTANCE.c.uid == sa.bindparam("instance_uid")
    )
)
_INSERT = Statement(INSTANCE.insert())
_CHANGE = Statement(
    STUDY.update()
    .where(STUDY.c.uid == sa.bindparam("study_uid"))
    .values(revision=STUDY.c.revision + 1, last_received_at=sa.bindparam("now"))
)
_LOOK_UP = Statement(
    sa.select(
        sa.select(INSTANCE.c.digest)
        .where(INSTANCE.c.uid == sa.bindparam("instance_uid"))
        .scalar_subquery(),
        sa.select(STUDY.c.patient)
        .where(STUDY.c.uid == sa.bindparam("study_uid"))
        .scalar_subquery(),
        sa.select(PATIENT.c.id)
        .where(
            PATIENT.c.patient_id == sa.bindparam("patient_id"),
            PATIENT.c.issuer == sa.bindparam("issuer"),
        )
        .scalar_subquery(),
        sa.select(sa.func.count())
        .where(SERIES.c.uid == sa.bindparam("series_uid"))
        .scalar_subquery(),
    )
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """Bytes that are durable in the object store."""

    digest: Digest
    size_bytes: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """An instance on its way into the catalog.

    Attributes:
        stored: its durable bytes; None where the archive has the same dataset already.
    """

    header: Header
    content: bytes
    stored: Stored | None


def keep(archive: Archive, content: bytes, source: Source) -> Arrival:
    """Keep one Part 10 file; when this returns, it survives power loss.

    Raises:
        NotDicom: The bytes are no DICOM instance; nothing was kept.
        OSError: The bytes could not be made durable.
    """
    return enter(archive, prepare(archive, read_header(content), content), source)


def prepare(archive: Archive, header: Header, content: bytes) -> Prepared:
    """Make the bytes of one Part 10 file durable; the catalog does not know of them yet.

    Raises:
        OSError: The bytes could not be made durable.
    """
    with archive.database.read() as connection:
        is_repeat = _is_here_already(connection, header, content, objects=archive.objects)
    stored = None
    if not is_repeat:
        stored = Stored(digest=archive.objects.put(content), size_bytes=len(content))
    return Prepared(header=header, content=content, stored=stored)


def enter(archive: Archive, prepared: Prepared, source: Source) -> Arrival:
    """Enter a prepared instance into the catalog; when this returns, it survives power loss.

    Raises:
        OSError: The catalog cannot be written.
    """
    (arrival,) = enter_all(archive, [(prepared, source)])
    return arrival


def enter_all(archive: Archive, group: Sequence[tuple[Prepared, Source]]) -> list[Arrival]:
    """Enter prepared instances in one transaction: all of them, or none.

    Raises:
        OSError: The catalog cannot be written.
    """
    if all(prepared.stored is None for prepared, _ in group):
        return [_repeat(prepared.header) for prepared, _ in group]
    with archive.database.write() as connection:
        arrivals = [
            _enter(connection, archive.objects, prepared=prepared, source=source)
            for prepared, source in group
        ]
    for arrival in arrivals:
        if arrival.outcome == "conflict":
            _log.warning("instance_conflicts", study=arrival.study_uid, instance=arrival.uid)
    return arrivals


def _enter(
    connection: sa.Connection, objects: ObjectStore, *, prepared: Prepared, source: Source
) -> Arrival:
    header, stored = prepared.header, prepared.stored
    # It may have come by another way meanwhile.
    if stored is None or _is_here_already(connection, header, prepared.content, objects=objects):
        return _repeat(header)
    if not objects.path(stored.digest).exists():
        # The same bytes were deleted from quarantine after they had been found to be here.
        objects.put(prepared.content)
    arrival = insert_instance(connection, header, stored, source=source)
    if arrival.outcome == "new":
        change_study(connection, arrival.study_uid)
    return arrival


def _repeat(header: Header) -> Arrival:
    return Arrival(
        uid=InstanceUid(header.instance_uid),
        study_uid=StudyUid(header.study_uid),
        outcome="duplicate",
    )


def _is_here_already(
    connection: sa.Connection, header: Header, content: bytes, *, objects: ObjectStore
) -> bool:
    """Tell whether an instance is here with the same dataset, whatever its file meta says."""
    found = _FIND.rows(connection, {"instance_uid": header.instance_uid})
    if not found or found[0][1] != header.transfer_syntax_uid:
        return False
    try:
        known = objects.get(Digest(found[0][0]))
    except (UnknownName, DamagedObject):
        return False  # what came now mends it
    return known[dataset_offset(known) :] == content[dataset_offset(content) :]


def insert_instance(
    connection: sa.Connection,
    header: Header,
    stored: Stored,
    *,
    source: Source,
    lineage_id: LineageId | None = None,
) -> Arrival:
    """Enter one stored object into the catalog, within the caller's transaction."""
    study_uid, uid = StudyUid(header.study_uid), InstanceUid(header.instance_uid)
    known = _look_up(connection, header)
    outcome: Outcome
    if known.digest == stored.digest:
        outcome = "duplicate"
    elif known.digest is not None:
        outcome = "conflict"
        hold(connection, _conflict(header, stored.digest, OTHER_CONTENT))
    elif known.is_study_of_another_patient:
        outcome = "conflict"
        hold(connection, _conflict(header, stored.digest, OTHER_PATIENT))
    else:
        outcome = "new"
        if known.owner is None:
            _enter_study(connection, header, known.patient)
        if not known.has_series:
            enter_series(connection, header)
        row = instance_row(header, stored, source)
        _INSERT.run(connection, row | {"lineage_id": lineage_id})
    return Arrival(uid=uid, study_uid=study_uid, outcome=outcome)


def _conflict(header: Header, digest: Digest, reason: str) -> Holding:
    return Holding(
        study_uid=StudyUid(header.study_uid),
        series_uid=header.series_uid,
        instance_uid=header.instance_uid,
        digest=digest,
        reason=reason,
        detail=CONFLICTS[reason],
    )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What the catalog holds already of an arriving instance.

    Attributes:
        digest: of the instance under the same UID; None where there is none.
        owner: the patient of its study; None where the study is new.
        patient: the patient its header names; None where that one is new.
    """

    digest: str | None
    owner: int | None
    patient: int | None
    has_series: bool

    @property
    def is_study_of_another_patient(self) -> bool:
        return self.owner is not None and self.owner != self.patient


def _look_up(connection: sa.Connection, header: Header) -> _Known:
    ((digest, owner, patient, series),) = _LOOK_UP.rows(
        connection,
        {
            "instance_uid": header.instance_uid,
            "study_uid": header.study_uid,
            "series_uid": header.series_uid,
            "patient_id": header.patient.patient_id,
            "issuer": header.patient.issuer,
        },
    )
    return _Known(digest=digest, owner=owner, patient=patient, has_series=bool(series))


def _enter_study(connection: sa.Connection, header: Header, patient: int | None) -> None:
    now = clock.timestamp()
    insert_new(
        connection,
        STUDY,
        {
            "uid": header.study_uid,
            "patient": patient or _enter_patient(connection, header.patient),
            "study_date": header.study_date,
            "study_time": header.study_time,
            "accession_number": header.accession_number,
            "description": header.study_description,
            "study_id": header.study_id,
            "referring_physician": header.referring_physician,
            "first_received_at": now,
            "last_received_at": now,
            "revision": 0,
            "completed_revision": 0,
            "complete_because": "",
            "started_revision": 0,
            "door": "",
            "door_revision": 0,
        },
    )


def _enter_patient(connection: sa.Connection, patient: Patient) -> int:
    insert_new(connection, PATIENT, dataclasses.asdict(patient))
    key: int = connection.execute(
        sa.select(PATIENT.c.id).where(
            PATIENT.c.patient_id == patient.patient_id, PATIENT.c.issuer == patient.issuer
        )
    ).scalar_one()
    return key


def change_study(connection: sa.Connection, study_uid: str) -> None:
    """Begin a new revision of a study: once it is complete again, its jobs run again."""
    _CHANGE.run(connection, {"study_uid": study_uid, "now": clock.timestamp()})


def enter_series(connection: sa.Connection, header: Header) -> None:
    """Enter the series of an instance unless it is there."""
    is_new = insert_new(
        connection,
        SERIES,
        {
            "uid": header.series_uid,
            "study_uid": header.study_uid,
            "modality": header.modality,
            "number": header.series_number,
            "description": header.series_description,
            "body_part": header.body_part,
            "manufacturer": header.manufacturer,
            "manufacturer_model": header.manufacturer_model,
        },
    )
    if is_new and header.modality:
        is_there = STUDY.c.modalities.contains(f"|{header.modality}|", autoescape=True)
        connection.execute(
            STUDY.update()
            .where(STUDY.c.uid == header.study_uid, sa.not_(is_there))
            .values(modalities=STUDY.c.modalities + f"{header.modality}|")
        )


def instance_row(header: Header, stored: Stored, source: Source) -> dict[str, object]:
    """Return the row of an instance, without its lineage."""
    return {
        "digest": stored.digest,
        "size_bytes": stored.size_bytes,
        "uid": header.instance_uid,
        "series_uid": header.series_uid,
        "study_uid": header.study_uid,
        "sop_class_uid": header.sop_class_uid,
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "number": header.instance_number,
        "rows": header.rows,
        "columns": header.columns,
        "frames": header.frames,
        "received_at": clock.timestamp(),
        "source": source.name,
        "association": source.association,
    }
