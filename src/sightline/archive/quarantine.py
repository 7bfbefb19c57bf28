"""Quarantine: what is held, why, and the record of what people decided about it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sightline import clock
from sightline.archive.archive import Archive
from sightline.audit.chain import Entry, entries
from sightline.catalog.archive_tables import HOLDING
from sightline.catalog.database import insert_new
from sightline.errors import UnknownName
from sightline.values.arrival import Holding
from sightline.values.identity import StudyUid

OTHER_CONTENT = "other_content_same_uid"
OTHER_PATIENT = "study_of_another_patient"
REPLACED = "replaced"
DECISION = "quarantine_"
"""How the actions of people in the audit log begin."""

CONFLICTS = {
    OTHER_CONTENT: "This SOP Instance UID is already here with other content.",
    OTHER_PATIENT: "This Study Instance UID is already here for another patient.",
    REPLACED: "A person put other content in the place of this one.",
}
"""Reasons that are no matter of the door: the instance is beside the archive, not in it."""


def hold(connection: sa.Connection, holding: Holding) -> None:
    """Enter something into quarantine; a repeat of what is held or was released changes nothing.

    What was deleted, or conflicts again after it was released, is held again.
    """
    key = {
        "instance_uid": holding.instance_uid,
        "digest": holding.digest,
        "reason": holding.reason,
    }
    now = holding.held_at or clock.timestamp()
    row = key | {
        "study_uid": holding.study_uid,
        "series_uid": holding.series_uid,
        "detail": holding.detail,
        "held_at": now,
        "state": "held",
    }
    if insert_new(connection, HOLDING, row):
        return
    over = ("deleted", "released") if holding.reason in CONFLICTS else ("deleted",)
    connection.execute(
        HOLDING.update()
        .where(*(HOLDING.c[name] == value for name, value in key.items()))
        .where(HOLDING.c.state.in_(over))
        .values(state="held", held_at=now)
    )


def hold_at_door(connection: sa.Connection, study_uid: str, held: Sequence[Holding]) -> None:
    """Enter what the door holds of a study; what it let pass now is held no more."""
    still = {(each.instance_uid, each.digest, each.reason) for each in held}
    before = sa.select(HOLDING).where(
        HOLDING.c.study_uid == study_uid,
        HOLDING.c.state == "held",
        HOLDING.c.reason.not_in(CONFLICTS),
    )
    for row in connection.execute(before).all():
        if (row.instance_uid, row.digest, row.reason) not in still:
            connection.execute(HOLDING.delete().where(HOLDING.c.id == row.id))
    for each in held:
        hold(connection, each)


def holdings(
    archive: Archive, *, study_uid: str = "", reason: str = "", state: str = "held"
) -> list[Holding]:
    """List what is in quarantine, newest first.

    Args:
        archive: where it is.
        study_uid: only of this study.
        reason: only for this reason.
        state: `held`, `released`, `deleted`, or empty for all.
    """
    wanted = {HOLDING.c.study_uid: study_uid, HOLDING.c.reason: reason, HOLDING.c.state: state}
    query = sa.select(HOLDING).where(
        *(column == value for column, value in wanted.items() if value)
    )
    with archive.database.read() as connection:
        rows = connection.execute(query.order_by(HOLDING.c.held_at.desc(), HOLDING.c.id)).all()
    return [_holding(row) for row in rows]


def holding(archive: Archive, id_: int) -> Holding:
    """Return one thing in quarantine, whatever its state.

    Raises:
        UnknownName: There is none with that number.
    """
    with archive.database.read() as connection:
        row = connection.execute(sa.select(HOLDING).where(HOLDING.c.id == id_)).first()
    if row is None:
        raise UnknownName(
            f"quarantine holds nothing with the number {id_}",
            hint="`sightline quarantine list` shows the numbers.",
        )
    return _holding(row)


def released_reasons(connection: sa.Connection, study_uid: str) -> Mapping[str, frozenset[str]]:
    """Return, by digest, the reasons that a person lifted from instances of a study."""
    reasons: dict[str, set[str]] = defaultdict(set)
    for row in connection.execute(
        sa.select(HOLDING.c.digest, HOLDING.c.reason).where(
            HOLDING.c.study_uid == study_uid, HOLDING.c.state == "released"
        )
    ):
        reasons[row.digest].add(row.reason)
    return {digest: frozenset(found) for digest, found in reasons.items()}


def decisions(archive: Archive) -> list[Entry]:
    """List what people decided, newest first."""
    return entries(archive.database, actions=f"{DECISION}*")[::-1]


def _holding(row: sa.Row[Any]) -> Holding:
    return Holding(
        id=row.id,
        study_uid=StudyUid(row.study_uid),
        series_uid=row.series_uid,
        instance_uid=row.instance_uid,
        digest=row.digest,
        reason=row.reason,
        detail=row.detail,
        held_at=row.held_at,
        state=row.state,
    )
