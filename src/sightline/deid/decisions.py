"""What people decide about quarantine: try again, release, delete. Each is recorded with a reason.

What lies in quarantine is either a conflict, which waits beside the archive, or a part of the
archive that the door holds back from the hub. A person may release what a look at the picture can
settle; what the door cannot read or does not know stays, whoever asks.
"""

import sqlalchemy as sa

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.conflicts import is_conflict, may_fit_now, settle
from sightline.archive.pixels import remove_object
from sightline.archive.quarantine import DECISION, holding, holdings
from sightline.archive.receiving import change_study
from sightline.audit.chain import Event, append
from sightline.catalog.archive_tables import HOLDING
from sightline.deid.quarantine import RELEASABLE
from sightline.errors import BadFile, Refused
from sightline.values.arrival import Holding
from sightline.values.identity import Digest, StudyUid

_log = log.get("deid")


def retry(archive: Archive, study_uid: StudyUid, *, actor: str, reason: str) -> int:
    """Let the door, and the archive, look again at what is held of a study; return how much.

    What still has a reason is held again: nothing is released by this.

    Raises:
        Refused: Nobody's name or no reason is given, or nothing of the study is held.
    """
    _check_told(actor, reason)
    held = holdings(archive, study_uid=study_uid)
    if not held:
        raise Refused(
            f"quarantine holds nothing of study {study_uid}",
            hint="`sightline quarantine list` shows what it holds.",
        )
    tried = 0
    with archive.database.write() as connection:
        for each in held:
            if is_conflict(each) and not may_fit_now(connection, each):
                continue
            if is_conflict(each):
                _enter_again(archive, connection, each)
            else:
                connection.execute(HOLDING.delete().where(HOLDING.c.id == each.id))
            tried += 1
        change_study(connection, study_uid)
        objects = (f"study:{study_uid}", *_objects(held))
        append(connection, _event("retried", objects, actor=actor, reason=reason))
    _log.info("quarantine_retried", study=study_uid, held=len(held), tried=tried)
    return tried


def release(archive: Archive, id_: int, *, actor: str, reason: str) -> Holding:
    """Lift one reason to hold an instance, on a person's word; return what it was.

    A conflicting instance takes the place of the other, or is added to its study. What the door
    held passes it the next time, unless there is another reason.

    Raises:
        UnknownName: There is nothing with that number, or its bytes are gone.
        Refused: No person may lift this reason, it is decided already, or name or reason lack.
        DamagedObject: Its bytes are no longer what came.
    """
    _check_told(actor, reason)
    held = _undecided(archive, id_)
    if not is_conflict(held) and held.reason not in RELEASABLE:
        raise Refused(
            f"{held.reason} cannot be released: {held.detail}",
            hint="No look at it settles this. Mend the cause, then `sightline quarantine retry`.",
        )
    with archive.database.write() as connection:
        if is_conflict(held):
            settle(archive, connection, held)
        else:
            change_study(connection, held.study_uid)
        _decide(connection, held, "released")
        append(connection, _event("released", _objects([held]), actor=actor, reason=reason))
    _log.info("quarantine_released", id=held.id, why_held=held.reason)
    return held


def delete(archive: Archive, id_: int, *, actor: str, reason: str) -> bool:
    """Delete a conflicting instance; tell whether its bytes went, too.

    They stay where something else needs them, or where they came within the hour: the same may
    be on its way once more. `sightline verify --remove-orphans` removes them later.

    Raises:
        UnknownName: There is nothing with that number.
        Refused: It is part of the archive, it is decided already, or name or reason lack.
        OSError: The bytes could not be removed.
    """
    _check_told(actor, reason)
    held = _undecided(archive, id_)
    if not is_conflict(held):
        raise Refused(
            "the instance is part of a study of the archive",
            hint="It stays out of the hub while it is held; the archive keeps what came.",
        )
    with archive.database.write() as connection:
        _decide(connection, held, "deleted")
        append(connection, _event("deleted", _objects([held]), actor=actor, reason=reason))
    # After the decision: a crash between leaves bytes, never a row without them.
    is_gone = remove_object(archive, Digest(held.digest))
    _log.info("quarantine_deleted", id=held.id, bytes_removed=is_gone)
    return is_gone


def _enter_again(archive: Archive, connection: sa.Connection, held: Holding) -> None:
    try:
        settle(archive, connection, held)
    except (BadFile, Refused):
        return  # it stays where it is
    connection.execute(HOLDING.delete().where(HOLDING.c.id == held.id))


def _undecided(archive: Archive, id_: int) -> Holding:
    held = holding(archive, id_)
    if held.state != "held":
        raise Refused(
            f"number {id_} is {held.state} already", hint="A decision is not taken back here."
        )
    return held


def _decide(connection: sa.Connection, held: Holding, state: str) -> None:
    done = connection.execute(
        HOLDING.update()
        .where(HOLDING.c.id == held.id, HOLDING.c.state == "held")
        .values(state=state)
    )
    if not done.rowcount:
        raise Refused(f"number {held.id} was decided just now", hint="Look at it again.")


def _check_told(actor: str, reason: str) -> None:
    if not actor.strip() or not reason.strip():
        raise Refused(
            "a decision needs a name and a reason", hint="Give --by NAME and --reason TEXT."
        )


def _objects(held: list[Holding]) -> tuple[str, ...]:
    return tuple(
        name for each in held for name in (f"instance:{each.instance_uid}", f"object:{each.digest}")
    )


def _event(done: str, objects: tuple[str, ...], *, actor: str, reason: str) -> Event:
    return Event(actor=actor, action=f"{DECISION}{done}", objects=objects, reason=reason)
