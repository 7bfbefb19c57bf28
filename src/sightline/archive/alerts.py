"""Alerts: raised with what is published, told of until somebody acknowledges, and recorded."""

from typing import Any

import sqlalchemy as sa

from sightline import clock
from sightline.archive.archive import Archive
from sightline.audit.chain import Event, append
from sightline.catalog.archive_tables import ALERT, PREDICTION
from sightline.catalog.database import insert_new
from sightline.errors import Refused, UnknownName
from sightline.values.alert import Alert
from sightline.values.identity import LineageId, StudyUid
from sightline.values.prediction import Prediction

_S_PER_MIN = 60.0
_LONGEST_NAME, _LONGEST_NOTE = 64, 400
_ALERTS = sa.select(
    ALERT, PREDICTION.c.study_uid, PREDICTION.c.model_version, PREDICTION.c.words
).join(PREDICTION, ALERT.c.lineage_id == PREDICTION.c.lineage_id)


def raise_alert(connection: sa.Connection, prediction: Prediction) -> None:
    """Raise an alert where a finding asks for one; a repeat changes nothing.

    Args:
        connection: in the transaction that publishes the prediction.
        prediction: with its finding.
    """
    finding = prediction.finding
    if finding is None or finding.acknowledge_min is None:
        return
    now = clock.timestamp()
    row = {
        "lineage_id": prediction.lineage_id,
        "raised_at": now,
        "escalates_at": now + finding.acknowledge_min * _S_PER_MIN,
        "is_escalated": False,
        "next_notice_at": now,
        "notices": 0,
        "problem": "",
        "closed": "",
        "closed_by": "",
        "note": "",
    }
    if insert_new(connection, ALERT, row):
        reason = f"to be acknowledged within {finding.acknowledge_min:g} minutes"
        _record(connection, "alert_raised", prediction, actor="worker", reason=reason)


def withdraw_alert(connection: sa.Connection, prediction: Prediction, why: str) -> None:
    """End the alert of a prediction that is withdrawn, within that transaction."""
    ended = connection.execute(
        ALERT.update()
        .where(ALERT.c.lineage_id == prediction.lineage_id, ALERT.c.closed == "")
        .values(closed="withdrawn", closed_at=clock.timestamp(), closed_by="guard", note=why)
    )
    if ended.rowcount:
        _record(connection, "alert_withdrawn", prediction, actor="guard", reason=why)


def open_alerts(archive: Archive) -> list[Alert]:
    """List what nobody acknowledged yet, the longest-waiting first."""
    query = _ALERTS.where(ALERT.c.closed == "").order_by(ALERT.c.id)
    with archive.database.read() as connection:
        return [_alert(row) for row in connection.execute(query)]


def closed_alerts(archive: Archive, *, newest: int = 100) -> list[Alert]:
    """List what ended, the newest first."""
    query = _ALERTS.where(ALERT.c.closed != "").order_by(ALERT.c.closed_at.desc()).limit(newest)
    with archive.database.read() as connection:
        return [_alert(row) for row in connection.execute(query)]


def count_open(archive: Archive) -> int:
    """Count what nobody acknowledged yet."""
    query = sa.select(sa.func.count()).select_from(ALERT).where(ALERT.c.closed == "")
    with archive.database.read() as connection:
        return int(connection.execute(query).scalar_one())


def due_alerts(archive: Archive) -> list[Alert]:
    """List the open alerts that somebody should be told of now."""
    now = clock.timestamp()
    is_late = sa.and_(ALERT.c.is_escalated.is_(sa.false()), ALERT.c.escalates_at <= now)
    query = _ALERTS.where(
        ALERT.c.closed == "", sa.or_(ALERT.c.next_notice_at <= now, is_late)
    ).order_by(ALERT.c.id)
    with archive.database.read() as connection:
        return [_alert(row) for row in connection.execute(query)]


def record_escalation(archive: Archive, alert: Alert) -> None:
    """Record that others are told from now on."""
    with archive.database.write() as connection:
        done = connection.execute(
            ALERT.update()
            .where(ALERT.c.id == alert.id, ALERT.c.is_escalated.is_(sa.false()))
            .values(is_escalated=True, next_notice_at=clock.timestamp())
        )
        if done.rowcount:
            reason = "nobody acknowledged it in time"
            _record(connection, "alert_escalated", alert, actor="worker", reason=reason)


def record_notice(
    archive: Archive, alert: Alert, *, told: str, problem: str, wait_s: float
) -> None:
    """Record that people were told, or that it failed.

    Args:
        archive: the store.
        alert: of what.
        told: who was, in a few words; empty for nobody.
        problem: what failed; empty where nothing did.
        wait_s: until they are told again.
    """
    with archive.database.write() as connection:
        connection.execute(
            ALERT.update()
            .where(ALERT.c.id == alert.id)
            .values(
                next_notice_at=clock.timestamp() + wait_s,
                notices=ALERT.c.notices + (1 if told else 0),
                problem=problem,
            )
        )
        if told:
            _record(connection, "alert_told", alert, actor="worker", reason=told)
        # The same failure again and again says nothing new.
        if problem and problem != alert.problem:
            _record(connection, "alert_not_told", alert, actor="worker", reason=problem)


def acknowledge(archive: Archive, number: int, *, by: str, note: str = "", way: str) -> Alert:
    """Acknowledge an alert; who was first stays.

    Args:
        archive: the store.
        number: of the alert.
        by: who does.
        note: what they say, such as whom they called.
        way: how they came to us: `page` or `cli`.

    Raises:
        UnknownName: There is no such alert.
        Refused: It ended already, or no name was given.
    """
    name, said = by.strip()[:_LONGEST_NAME], note.strip()[:_LONGEST_NOTE]
    if not name:
        raise Refused("whoever acknowledges gives a name", hint="It is kept with the alert.")
    with archive.database.write() as connection:
        done = connection.execute(
            ALERT.update()
            .where(ALERT.c.id == number, ALERT.c.closed == "")
            .values(closed="acknowledged", closed_at=clock.timestamp(), closed_by=name, note=said)
        )
        row = connection.execute(_ALERTS.where(ALERT.c.id == number)).one_or_none()
        if row is None:
            raise UnknownName(
                f"there is no alert {number}", hint="`sightline alerts list` shows them."
            )
        alert = _alert(row)
        if not done.rowcount:
            raise Refused(
                f"alert {number} was {alert.closed} already by {alert.closed_by}",
                hint="Nothing needs to be done.",
            )
        # What somebody writes may name a patient, and stays out of the log.
        _record(
            connection, "alert_acknowledged", alert, actor=f"{way}:{name}", reason="by a person"
        )
    return alert


def _record(
    connection: sa.Connection, action: str, of: Alert | Prediction, *, actor: str, reason: str
) -> None:
    objects = (f"study:{of.study_uid}", of.lineage_id)
    append(connection, Event(actor=actor, action=action, objects=objects, reason=reason))


def _alert(row: sa.Row[Any]) -> Alert:
    return Alert(
        id=row.id,
        lineage_id=LineageId(row.lineage_id),
        study_uid=StudyUid(row.study_uid),
        model=row.model_version,
        words=row.words,
        raised_at=row.raised_at,
        escalates_at=row.escalates_at,
        is_escalated=row.is_escalated,
        next_notice_at=row.next_notice_at,
        notices=row.notices,
        problem=row.problem,
        closed=row.closed,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        note=row.note,
    )
