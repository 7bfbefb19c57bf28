"""The outbox: what was published and is still to be sent, as DICOM objects and as messages.

Rows are made in the transaction that publishes a result. A message is written anew for each
attempt, so that it names its patient as the archive does then; its id stays the same.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sightline import clock
from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import (
    INSTANCE,
    OUTBOX,
    OUTGOING_MESSAGE,
    PATIENT,
    PREDICTION,
    SERIES,
    STUDY,
)
from sightline.catalog.database import insert_new
from sightline.errors import UnknownName
from sightline.values.clinical_result import ClinicalResult, MessageKind, PublishedInstance
from sightline.values.identity import Digest, InstanceUid, LineageId, Patient, SeriesUid
from sightline.values.prediction import Prediction

# What waits, with its place in the row of its patient.
_WAITING = (
    sa.select(
        OUTGOING_MESSAGE,
        sa.func.row_number()
        .over(
            partition_by=(
                OUTGOING_MESSAGE.c.kind,
                OUTGOING_MESSAGE.c.destination,
                STUDY.c.patient,
            ),
            order_by=OUTGOING_MESSAGE.c.id,
        )
        .label("place"),
    )
    .join(PREDICTION, OUTGOING_MESSAGE.c.lineage_id == PREDICTION.c.lineage_id)
    .join(STUDY, PREDICTION.c.study_uid == STUDY.c.uid)
    .where(OUTGOING_MESSAGE.c.state == "waiting")
    .subquery()
)
_WHOSE = (
    sa.select(STUDY, PATIENT, SERIES.c.modality)
    .join(PATIENT, STUDY.c.patient == PATIENT.c.id)
    .join(SERIES, SERIES.c.study_uid == STUDY.c.uid)
    .where(SERIES.c.uid == sa.bindparam("uid"))
)
_OURS = (
    sa.select(INSTANCE, SERIES.c.modality)
    .join(SERIES, INSTANCE.c.series_uid == SERIES.c.uid)
    .where(INSTANCE.c.lineage_id.in_(sa.bindparam("names", expanding=True)))
    .order_by(SERIES.c.number, INSTANCE.c.uid)
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One object on its way to one destination.

    Attributes:
        destination: `AETITLE@host:port`, or the address of a DICOMweb service.
    """

    id: int
    instance_uid: InstanceUid
    digest: Digest
    destination: str
    attempts: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MessageTo:
    """Who is to be told of what is published, and in which language."""

    kind: MessageKind
    destination: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MessageDelivery:
    """One message on its way to one destination.

    Attributes:
        lineage_id: of the prediction that it tells of.
    """

    id: int
    lineage_id: LineageId
    to: MessageTo
    attempts: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SentMessage:
    """What became of one message.

    Attributes:
        problem: of the last attempt; empty where it succeeded or there was none.
    """

    lineage_id: LineageId
    model_version: str
    to: MessageTo
    state: str
    problem: str


def put_out(connection: sa.Connection, instance_uid: str, destinations: Sequence[str]) -> None:
    """Have an object be sent; a repeat changes nothing."""
    for destination in destinations:
        row = {"instance_uid": instance_uid, "destination": destination}
        insert_new(connection, OUTBOX, row | _waiting())


def put_out_messages(
    connection: sa.Connection, prediction: Prediction, messages: Sequence[MessageTo]
) -> None:
    """Have others be told of a prediction; a repeat changes nothing."""
    for to in messages:
        row = {"lineage_id": prediction.lineage_id, **dataclasses.asdict(to)}
        insert_new(connection, OUTGOING_MESSAGE, row | _waiting())


def due_deliveries(archive: Archive, *, limit: int = 100) -> list[Delivery]:
    """List which objects should be sent now, oldest first."""
    with archive.database.read() as connection:
        rows = connection.execute(
            sa.select(OUTBOX, INSTANCE.c.digest)
            .join(INSTANCE, OUTBOX.c.instance_uid == INSTANCE.c.uid)
            .where(OUTBOX.c.state == "waiting", OUTBOX.c.next_attempt_at <= clock.timestamp())
            .order_by(OUTBOX.c.id)
            .limit(limit)
        ).all()
    return [
        Delivery(
            id=row.id,
            instance_uid=InstanceUid(row.instance_uid),
            digest=Digest(row.digest),
            destination=row.destination,
            attempts=row.attempts,
        )
        for row in rows
    ]


def due_messages(archive: Archive, kind: MessageKind, *, limit: int = 100) -> list[MessageDelivery]:
    """List which messages of a kind should be sent now: of each patient the oldest that waits.

    The next of a patient is due when that one arrived or was given up, so that none overtakes
    another.
    """
    due = (
        sa.select(_WAITING)
        .where(
            _WAITING.c.kind == kind,
            _WAITING.c.place == 1,
            _WAITING.c.next_attempt_at <= clock.timestamp(),
        )
        .order_by(_WAITING.c.id)
        .limit(limit)
    )
    with archive.database.read() as connection:
        rows = connection.execute(due).all()
    return [
        MessageDelivery(
            id=row.id,
            lineage_id=LineageId(row.lineage_id),
            to=MessageTo(kind=kind, destination=row.destination),
            attempts=row.attempts,
        )
        for row in rows
    ]


def facts_of(
    archive: Archive, prediction: Prediction, objects: Sequence[LineageId]
) -> ClinicalResult:
    """Return what a message says of a prediction.

    Args:
        archive: the store.
        prediction: it is published.
        objects: lineage ids of the DICOM objects that may have been published of it.

    Raises:
        UnknownName: Its study is gone by now.
    """
    with archive.database.read() as connection:
        row = connection.execute(_WHOSE, {"uid": prediction.series_uid}).one_or_none()
        published = connection.execute(_OURS, {"names": list(objects)}).all()
    if row is None:
        raise UnknownName(
            f"the study of {prediction.lineage_id} is not in the archive",
            hint="It was retired or erased; nobody is told of it any more.",
        )
    return ClinicalResult(
        prediction=prediction,
        patient=Patient(
            patient_id=row.patient_id,
            issuer=row.issuer,
            name=row.name,
            birth_date=row.birth_date,
            sex=row.sex,
        ),
        accession_number=row.accession_number,
        study_date=row.study_date,
        study_time=row.study_time,
        modality=row.modality,
        instances=tuple(map(_instance, published)),
    )


def _instance(row: sa.Row[Any]) -> PublishedInstance:
    return PublishedInstance(
        instance_uid=InstanceUid(row.uid),
        series_uid=SeriesUid(row.series_uid),
        sop_class_uid=row.sop_class_uid,
        modality=row.modality,
    )


def sent_messages(archive: Archive) -> list[SentMessage]:
    """List every message, newest first."""
    query = (
        sa.select(OUTGOING_MESSAGE, PREDICTION.c.model_version)
        .join(PREDICTION, OUTGOING_MESSAGE.c.lineage_id == PREDICTION.c.lineage_id)
        .order_by(OUTGOING_MESSAGE.c.id.desc())
    )
    with archive.database.read() as connection:
        rows = connection.execute(query).all()
    return [
        SentMessage(
            lineage_id=LineageId(row.lineage_id),
            model_version=row.model_version,
            to=MessageTo(kind=row.kind, destination=row.destination),
            state=row.state,
            problem=row.problem,
        )
        for row in rows
    ]


def count_waiting(archive: Archive) -> int:
    """Count the objects and messages that wait to be sent."""
    with archive.database.read() as connection:
        return sum(
            connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.state == "waiting")
            ).scalar_one()
            for table in (OUTBOX, OUTGOING_MESSAGE)
        )


def record_delivered(archive: Archive, delivery: Delivery | MessageDelivery) -> None:
    """Record that the destination acknowledged it."""
    table = _table_of(delivery)
    with archive.database.write() as connection:
        connection.execute(
            table.update()
            .where(table.c.id == delivery.id)
            .values(
                state="delivered",
                attempts=delivery.attempts + 1,
                problem="",
                delivered_at=clock.timestamp(),
            )
        )


def record_attempt(
    archive: Archive,
    delivery: Delivery | MessageDelivery,
    *,
    problem: str,
    wait_s: float | None,
) -> None:
    """Record a failed attempt; `wait_s` is the pause before the next, None gives up."""
    table = _table_of(delivery)
    with archive.database.write() as connection:
        connection.execute(
            table.update()
            .where(table.c.id == delivery.id)
            .values(
                state="failed" if wait_s is None else "waiting",
                attempts=delivery.attempts + 1,
                problem=problem,
                next_attempt_at=clock.timestamp() + (wait_s or 0.0),
            )
        )


def _table_of(delivery: Delivery | MessageDelivery) -> sa.Table:
    return OUTBOX if isinstance(delivery, Delivery) else OUTGOING_MESSAGE


def _waiting() -> dict[str, object]:
    now = clock.timestamp()
    return {"state": "waiting", "attempts": 0, "next_attempt_at": now, "problem": ""}
