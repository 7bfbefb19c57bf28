"""Predictions, the results published from them, and the outbox: one transaction for all three."""

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from sightline import clock
from sightline.archive.alerts import raise_alert
from sightline.archive.archive import Archive
from sightline.archive.belonging import check_publishable
from sightline.archive.outbox import MessageTo, put_out, put_out_messages
from sightline.archive.pixels import Stored
from sightline.archive.prediction_rows import prediction_of
from sightline.archive.receiving import insert_instance
from sightline.catalog.archive_tables import INSTANCE, OUTBOX, PATIENT, PREDICTION, SERIES, STUDY
from sightline.catalog.database import insert_new
from sightline.errors import StudyChanged, UnknownName
from sightline.formats.dicom_file import read_header
from sightline.values.arrival import OutgoingResult, Source
from sightline.values.identity import Digest, InstanceUid, LineageId, SeriesUid, StudyUid
from sightline.values.prediction import Prediction


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PublishedObject:
    """One of our objects in the archive.

    Attributes:
        kind: DICOM modality: SEG, SR or OT.
        deliveries: `state destination` of each outbox row.
    """

    instance_uid: InstanceUid
    study_uid: StudyUid
    kind: str
    source: str
    lineage_id: LineageId
    deliveries: tuple[str, ...]


def start_prediction(archive: Archive, wanted: Prediction) -> Prediction:
    """Enter a prediction, or return the one that is already there for series and model.

    One that failed is tried again.
    """
    row = dataclasses.asdict(wanted) | {"priority": 0, "words": "", "finding": None}
    same = (
        PREDICTION.c.series_uid == wanted.series_uid,
        PREDICTION.c.series_digest == wanted.series_digest,
        PREDICTION.c.model_id == wanted.model_id,
    )
    with archive.database.write() as connection:
        insert_new(connection, PREDICTION, row)
        connection.execute(
            PREDICTION.update()
            .where(*same, PREDICTION.c.state == "failed")
            .values(state="started", problem="", finished_at=None)
        )
        found = connection.execute(sa.select(PREDICTION).where(*same)).one()
    return prediction_of(found)


def publish(
    archive: Archive,
    prediction: Prediction,
    results: list[OutgoingResult],
    *,
    destinations: Sequence[str],
    messages: Sequence[MessageTo] = (),
) -> None:
    """Keep a prediction's objects, its finding and what is to be sent of it, or nothing at all.

    A repeat changes nothing: the objects' UIDs follow from the lineage id. That images, objects
    and study are of one patient is checked within the transaction.

    Args:
        archive: the store the objects are born in.
        prediction: with its finding.
        results: the objects.
        destinations: where the objects are sent.
        messages: who else is told.

    Raises:
        StudyChanged: They are not, or the prediction went with its study: nothing was kept.
        OSError: The objects could not be made durable.
    """
    stored = [
        (read_header(result.content), _store(archive, result.content), result.lineage_id)
        for result in results
    ]
    with archive.database.write() as connection:
        if _state(connection, prediction) == "published":
            return
        named = [(header.study_uid, header.patient) for header, _, _ in stored]
        check_publishable(connection, prediction, named)
        source = _source(connection, prediction)
        for header, kept, lineage_id in stored:
            arrival = insert_instance(
                connection, header, kept, source=source, lineage_id=lineage_id
            )
            if arrival.outcome == "conflict":
                raise StudyChanged(
                    f"{lineage_id} is here already with other content",
                    hint="`sightline verify` tells what is damaged.",
                )
            put_out(connection, header.instance_uid, destinations)
        put_out_messages(connection, prediction, messages)
        _finish(connection, prediction)
        raise_alert(connection, prediction)


def check_standing(
    archive: Archive, prediction: Prediction, results: Sequence[OutgoingResult]
) -> None:
    """Check beforehand what `publish` checks; what was published already passes.

    Raises:
        StudyChanged: Nothing would be published.
    """
    headers = [read_header(result.content) for result in results]
    named = [(header.study_uid, header.patient) for header in headers]
    with archive.database.read() as connection:
        if _state(connection, prediction) != "published":
            check_publishable(connection, prediction, named)


def fail_predictions(
    archive: Archive, *, series_uid: SeriesUid, model_id: LineageId, problem: str
) -> None:
    """Record why a model said nothing of a series; the worklist shows it."""
    with archive.database.write() as connection:
        connection.execute(
            PREDICTION.update()
            .where(
                PREDICTION.c.series_uid == series_uid,
                PREDICTION.c.model_id == model_id,
                PREDICTION.c.state == "started",
            )
            .values(state="failed", problem=problem, finished_at=clock.timestamp())
        )


def predictions_of_study(archive: Archive, study_uid: StudyUid) -> list[Prediction]:
    """List the predictions of one study, oldest first."""
    with archive.database.read() as connection:
        rows = connection.execute(
            sa.select(PREDICTION)
            .where(PREDICTION.c.study_uid == study_uid)
            .order_by(PREDICTION.c.created_at, sa.func.coalesce(PREDICTION.c.finished_at, 0.0))
        ).all()
    return [prediction_of(row) for row in rows]


def prediction(archive: Archive, lineage_id: LineageId) -> Prediction:
    """Return one prediction.

    Raises:
        UnknownName: There is none of that id.
    """
    query = sa.select(PREDICTION).where(PREDICTION.c.lineage_id == lineage_id)
    with archive.database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownName(
            f"the archive has no prediction {lineage_id}",
            hint="`sightline results` lists what models published, `sightline runs` the trainings.",
        )
    return prediction_of(row)


def published_predictions(archive: Archive) -> list[LineageId]:
    """List the predictions that were published, oldest first."""
    query = (
        sa.select(PREDICTION.c.lineage_id)
        .where(PREDICTION.c.state == "published")
        .order_by(PREDICTION.c.created_at, PREDICTION.c.lineage_id)
    )
    with archive.database.read() as connection:
        return [LineageId(name) for name in connection.scalars(query)]


def objects_of(archive: Archive, lineage_ids: Sequence[LineageId]) -> dict[LineageId, Digest]:
    """Return the published objects of these ids, by id."""
    query = sa.select(INSTANCE.c.lineage_id, INSTANCE.c.digest).where(
        INSTANCE.c.lineage_id.in_(lineage_ids)
    )
    with archive.database.read() as connection:
        return {LineageId(name): Digest(digest) for name, digest in connection.execute(query)}


def published_objects(archive: Archive) -> list[PublishedObject]:
    """List every object that we published, newest first."""
    query = (
        sa.select(INSTANCE, SERIES.c.modality)
        .join(SERIES, SERIES.c.uid == INSTANCE.c.series_uid)
        .where(INSTANCE.c.lineage_id.is_not(None))
        .order_by(INSTANCE.c.received_at.desc(), SERIES.c.modality)
    )
    with archive.database.read() as connection:
        rows = connection.execute(query).all()
        sent = connection.execute(
            sa.select(OUTBOX.c.instance_uid, OUTBOX.c.state, OUTBOX.c.destination)
        ).all()
    return [
        PublishedObject(
            instance_uid=InstanceUid(row.uid),
            study_uid=StudyUid(row.study_uid),
            kind=row.modality,
            source=row.source,
            lineage_id=LineageId(row.lineage_id),
            deliveries=tuple(
                f"{state} {destination}" for uid, state, destination in sent if uid == row.uid
            ),
        )
        for row in rows
    ]


def _store(archive: Archive, content: bytes) -> Stored:
    return Stored(digest=archive.objects.put(content), size_bytes=len(content))


def _state(connection: sa.Connection, prediction: Prediction) -> str:
    """Return how far a prediction is.

    Raises:
        StudyChanged: It went with its study.
    """
    state: str | None = connection.execute(
        sa.select(PREDICTION.c.state).where(PREDICTION.c.lineage_id == prediction.lineage_id)
    ).scalar()
    if state is None:
        raise StudyChanged(
            f"{prediction.lineage_id} is gone, and its study with it",
            hint="Send the study again to have it predicted.",
        )
    return state


def _source(connection: sa.Connection, prediction: Prediction) -> Source:
    """Return where objects come from: an id without issuer is of the hospital of their images."""
    issuer = connection.execute(
        sa.select(PATIENT.c.issuer)
        .join(STUDY, STUDY.c.sent_patient == PATIENT.c.id)
        .where(STUDY.c.uid == prediction.study_uid)
    ).scalar()
    return Source(name=f"model:{prediction.model_version}", default_issuer=issuer or "")


def _finish(connection: sa.Connection, prediction: Prediction) -> None:
    finding = prediction.finding
    connection.execute(
        PREDICTION.update()
        .where(PREDICTION.c.lineage_id == prediction.lineage_id, PREDICTION.c.state != "published")
        .values(
            state="published",
            problem="",
            priority=finding.priority if finding else 0,
            words=finding.line if finding else "",
            finding=dataclasses.asdict(finding) if finding else None,
            picture_digest=prediction.picture_digest,
            making=dataclasses.asdict(prediction.making) if prediction.making else None,
            finished_at=clock.timestamp(),
        )
    )
