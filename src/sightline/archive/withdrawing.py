"""Taking published results back: those that rest on what is gone, or name who is not the patient.

They stay on disk, are shown and sent to nobody from then on, and leave the hub. What a PACS has
already, it keeps: `sightline results` says to which it was sent.
"""

import sqlalchemy as sa

from sightline import clock, log
from sightline.archive.alerts import withdraw_alert
from sightline.archive.belonging import why_fallen
from sightline.archive.prediction_rows import prediction_of
from sightline.audit.chain import Event, append
from sightline.catalog.archive_tables import (
    INSTANCE,
    OUTBOX,
    OUTGOING_MESSAGE,
    PREDICTION,
    REJECTION,
    STUDY,
)
from sightline.catalog.database import insert_new
from sightline.values.identity import StudyUid
from sightline.values.prediction import Prediction

_log = log.get("archive")
_UNSENT = "it was withdrawn before it was sent"

FOR_SAFETY = "113037"
"""Rejected for Patient Safety Reasons: what is said of a result where no note says it."""


def withdraw_fallen(
    connection: sa.Connection, study_uid: StudyUid, *, code: str = FOR_SAFETY, note_uid: str = ""
) -> bool:
    """Take back the published predictions of a study that hold no more; tell whether any was.

    Args:
        connection: in a transaction that writes.
        study_uid: of the study.
        code: why, as of a rejection note.
        note_uid: the note; empty where there is none.
    """
    # Locked: what is being published now is seen, or sees this.
    locked = sa.select(STUDY.c.uid).where(STUDY.c.uid == study_uid).with_for_update()
    connection.execute(locked)
    rows = connection.execute(
        sa.select(PREDICTION).where(
            PREDICTION.c.study_uid == study_uid, PREDICTION.c.state == "published"
        )
    ).all()
    predictions = [prediction_of(row) for row in rows]
    fallen = [(each, why) for each in predictions if (why := why_fallen(connection, each))]
    for prediction, why in fallen:
        _withdraw(connection, prediction, why)
        for uid in _objects(connection, prediction):
            _reject(connection, uid, prediction, code=code, note_uid=note_uid)
    return bool(fallen)


def _withdraw(connection: sa.Connection, prediction: Prediction, why: str) -> None:
    connection.execute(
        PREDICTION.update()
        .where(PREDICTION.c.lineage_id == prediction.lineage_id)
        .values(
            state="failed",
            problem=f"it was published and is withdrawn: {why}",
            # The same images may be predicted anew, under a lineage and UIDs of their own.
            series_digest=f"withdrawn {prediction.lineage_id}",
            finished_at=clock.timestamp(),
        )
    )
    connection.execute(
        OUTGOING_MESSAGE.update()
        .where(
            OUTGOING_MESSAGE.c.lineage_id == prediction.lineage_id,
            OUTGOING_MESSAGE.c.state == "waiting",
        )
        .values(state="failed", problem=_UNSENT)
    )
    withdraw_alert(connection, prediction, why)
    objects = (f"study:{prediction.study_uid}", prediction.lineage_id)
    append(connection, Event(actor="guard", action="result_withdrawn", objects=objects, reason=why))
    _log.warning("result_withdrawn", prediction=prediction.lineage_id, why=why)


def _objects(connection: sa.Connection, prediction: Prediction) -> list[str]:
    stem = prediction.lineage_id.replace("prediction-", "result-")
    query = sa.select(INSTANCE.c.uid).where(
        INSTANCE.c.study_uid == prediction.study_uid,
        INSTANCE.c.lineage_id.startswith(f"{stem}-", autoescape=True),
    )
    return list(connection.execute(query).scalars())


def _reject(
    connection: sa.Connection, uid: str, prediction: Prediction, *, code: str, note_uid: str
) -> None:
    connection.execute(INSTANCE.update().where(INSTANCE.c.uid == uid).values(rejected=code))
    connection.execute(
        OUTBOX.update()
        .where(OUTBOX.c.instance_uid == uid, OUTBOX.c.state == "waiting")
        .values(state="failed", problem=_UNSENT)
    )
    row = {
        "instance_uid": uid,
        "study_uid": prediction.study_uid,
        "code": code,
        "note_uid": note_uid,
        "rejected_at": clock.timestamp(),
    }
    insert_new(connection, REJECTION, row)
