"""Taking instances in: durable bytes first, then one transaction of the catalog."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.patients import enter_patient
from sightline.archive.pixels import Stored, enter_pixels, find_lenders, find_pixels, put_once
from sightline.archive.quarantine import CONFLICTS, OTHER_CONTENT, OTHER_PATIENT, hold
from sightline.archive.rejections import NOTE_CLASS, apply_note, show_again
from sightline.catalog.archive_tables import (
    INSTANCE,
    PATIENT,
    REJECTION,
    SERIES,
    STUDY,
)
from sightline.catalog.database import Collision, insert_new
from sightline.catalog.statements import Statement
from sightline.errors import DamagedObject, UnknownName
from sightline.formats.dicom_elements import dataset_offset
from sightline.formats.dicom_file import Header, read_header
from sightline.formats.kos import read_rejection
from sightline.store.objects import ObjectStore
from sightline.values.arrival import Arrival, Holding, Outcome, Source
from sightline.values.identity import Digest, InstanceUid, LineageId, Patient, StudyUid
from sightline.values.rejection import RejectionNote

_log = log.get("archive")
_MOST_COLLISIONS = 5

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
    .values(
        revision=STUDY.c.revision + sa.bindparam("changes"), last_received_at=sa.bindparam("now")
    )
)


def _of_study(column: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    return sa.select(column).where(STUDY.c.uid == sa.bindparam("study_uid")).scalar_subquery()


def _of_patient(column: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    named = sa.and_(
        PATIENT.c.patient_id == sa.bindparam("patient_id"),
        PATIENT.c.issuer == sa.bindparam("issuer"),
    )
    return sa.select(column).where(named).scalar_subquery()


_LOOK_UP = Statement(
    sa.select(
        sa.select(INSTANCE.c.digest)
        .where(INSTANCE.c.uid == sa.bindparam("instance_uid"))
        .scalar_subquery(),
        _of_study(STUDY.c.patient),
        sa.select(PATIENT.c.patient_id)
        .join(STUDY, STUDY.c.sent_patient == PATIENT.c.id)
        .where(STUDY.c.uid == sa.bindparam("study_uid"))
        .scalar_subquery(),
        _of_patient(PATIENT.c.id),
        _of_patient(sa.func.coalesce(PATIENT.c.survivor, PATIENT.c.id)),
        sa.select(sa.func.count())
        .where(REJECTION.c.study_uid == sa.bindparam("study_uid"))
        .scalar_subquery(),
        sa.select(REJECTION.c.code)
        .where(
            REJECTION.c.instance_uid == sa.bindparam("instance_uid"),
            REJECTION.c.study_uid == sa.bindparam("study_uid"),
        )
        .scalar_subquery(),
        sa.select(sa.func.count())
        .where(SERIES.c.uid == sa.bindparam("series_uid"))
        .scalar_subquery(),
    )
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """An instance on its way into the catalog.

    Attributes:
        stored: its durable bytes; None where the archive has the same dataset already.
        note: what it takes back, where it is a rejection note.
    """

    header: Header
    content: bytes
    stored: Stored | None
    note: RejectionNote | None = None


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
    pixels = find_pixels(header, content)
    known = archive.database.find(_FIND, {"instance_uid": header.instance_uid})
    stored = None
    if not _is_repeat(known, header, content, objects=archive.objects):
        lenders = find_lenders(archive.database, pixels)
        stored = put_once(archive.objects, content, pixels=pixels, lenders=lenders)
    note = read_rejection(content) if header.sop_class_uid == NOTE_CLASS else None
    return Prepared(header=header, content=content, stored=stored, note=note)


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
    for _ in range(_MOST_COLLISIONS):
        try:
            arrivals = _enter_group(archive, group)
            break
        except Collision:
            # What was true when the bytes were kept may be true no more.
            group = [
                (prepare(archive, prepared.header, prepared.content), source)
                for prepared, source in group
            ]
    else:
        arrivals = _enter_group(archive, group)
    for arrival in arrivals:
        if arrival.outcome == "conflict":
            _log.warning("instance_conflicts", study=arrival.study_uid, instance=arrival.uid)
    return arrivals


def _enter_group(archive: Archive, group: Sequence[tuple[Prepared, Source]]) -> list[Arrival]:
    with archive.database.write() as connection:
        arrivals = [
            _enter(connection, archive.objects, prepared=prepared, source=source)
            for prepared, source in group
        ]
        new = Counter(each.study_uid for each in arrivals if each.outcome == "new")
        # In order, so that no two writers of PostgreSQL wait for each other.
        for study_uid in sorted(new):
            change_study(connection, study_uid, changes=new[study_uid])
    return arrivals


def _enter(
    connection: sa.Connection, objects: ObjectStore, *, prepared: Prepared, source: Source
) -> Arrival:
    header, stored = prepared.header, prepared.stored
    if stored is None:
        return _repeat(header)
    arrival = insert_instance(
        connection,
        header,
        stored,
        source=source,
        # It may have come by another way meanwhile.
        is_repeat=lambda: _is_repeat(
            _FIND.rows(connection, {"instance_uid": header.instance_uid}),
            header,
            prepared.content,
            objects=objects,
        ),
    )
    if arrival.outcome == "new" and prepared.note is not None:
        apply_note(connection, prepared.note, actor=source.name)
    return arrival


def _repeat(header: Header) -> Arrival:
    return Arrival(
        uid=InstanceUid(header.instance_uid),
        study_uid=StudyUid(header.study_uid),
        outcome="duplicate",
    )


def _is_repeat(
    found: Sequence[tuple[str, str]], header: Header, content: bytes, *, objects: ObjectStore
) -> bool:
    """Tell whether what was found has the same dataset, whatever its file meta says."""
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
    is_repeat: Callable[[], bool] = lambda: False,
) -> Arrival:
    """Enter one stored object into the catalog, within the caller's transaction.

    Args:
        connection: in a transaction that writes.
        header: of the instance.
        stored: its durable bytes.
        source: where it came from.
        lineage_id: of what was made here.
        is_repeat: asked where an instance of the same UID and other bytes is here: tells whether
            only its file meta differs.

    Raises:
        Collision: Another writer came between (PostgreSQL); run the transaction again.
    """
    patient = _patient_of(header, source)
    known = _look_up(connection, header, patient)
    outcome: Outcome
    if known.digest == stored.digest or (known.digest is not None and is_repeat()):
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
            _enter_study(connection, header, patient, known=known)
        row = instance_row(header, stored, source) | {"lineage_id": lineage_id}
        _insert(connection, header, row, known=known)
    if outcome != "duplicate":
        enter_pixels(connection, stored)
    return Arrival(
        uid=InstanceUid(header.instance_uid),
        study_uid=StudyUid(header.study_uid),
        outcome=outcome,
    )


def _insert(
    connection: sa.Connection, header: Header, row: dict[str, object], *, known: "_Known"
) -> None:
    if not known.has_series:
        enter_series(connection, header)
    try:
        _INSERT.run(connection, row | {"rejected": known.rejected or ""})
    except sa.exc.IntegrityError as error:
        raise Collision("the same instance came by another way meanwhile") from error
    if known.has_rejections:
        show_again(connection, StudyUid(header.study_uid))


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
        owner: the patient of its study, after merges; None where the study is new.
        sent_patient: the identity its header names; None where that one is new.
        patient: the same after merges.
        has_rejections: the PACS took something of its study back.
        rejected: why the PACS rejected it before it came; None where it did not.
        is_sent_alike: the header names no issuer, and the patient id that its study came with.
    """

    digest: str | None
    owner: int | None
    sent_patient: int | None
    patient: int | None
    has_rejections: bool
    rejected: str | None
    has_series: bool
    is_sent_alike: bool

    @property
    def is_study_of_another_patient(self) -> bool:
        is_other = self.owner is not None and self.owner != self.patient
        return is_other and not self.is_sent_alike


def _patient_of(header: Header, source: Source) -> Patient:
    """Return the patient a header names; one without an issuer is of its sender's hospital."""
    if header.patient.issuer or not source.default_issuer:
        return header.patient
    return dataclasses.replace(header.patient, issuer=source.default_issuer)


def _look_up(connection: sa.Connection, header: Header, patient: Patient) -> _Known:
    ((digest, owner, sent_id, sent_patient, person, rejections, rejected, series),) = _LOOK_UP.rows(
        connection,
        {
            "instance_uid": header.instance_uid,
            "study_uid": header.study_uid,
            "series_uid": header.series_uid,
            "patient_id": patient.patient_id,
            "issuer": patient.issuer,
        },
    )
    return _Known(
        digest=digest,
        owner=owner,
        sent_patient=sent_patient,
        patient=person,
        has_rejections=bool(rejections),
        rejected=rejected,
        has_series=bool(series),
        # As in what was made from its images here: results and the masks of experts.
        is_sent_alike=not patient.issuer and patient.patient_id == sent_id,
    )


def _enter_study(
    connection: sa.Connection, header: Header, patient: Patient, *, known: _Known
) -> None:
    now = clock.timestamp()
    sent_patient = known.sent_patient or enter_patient(connection, patient)
    is_new = insert_new(
        connection,
        STUDY,
        {
            "uid": header.study_uid,
            "patient": known.patient or sent_patient,
            "sent_patient": sent_patient,
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
    if not is_new:
        raise Collision("the same study came by another way meanwhile")


def change_study(connection: sa.Connection, study_uid: str, *, changes: int = 1) -> None:
    """Begin a new revision of a study: once it is complete again, its jobs run again.

    Args:
        connection: in a transaction that writes.
        study_uid: of the study.
        changes: how many at once; each counts as a revision.
    """
    values = {"study_uid": study_uid, "now": clock.timestamp(), "changes": changes}
    _CHANGE.run(connection, values)


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
