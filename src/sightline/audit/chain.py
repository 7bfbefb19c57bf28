"""The chain: each entry's digest covers the entry before it, so that no row changes unseen.

An append belongs to the transaction of what it records. Nothing here changes or deletes a row.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator

import sqlalchemy as sa

from sightline import clock
from sightline.catalog.archive_tables import AUDIT
from sightline.catalog.database import Database

NO_DIGEST = "0" * 64
"""What the first entry follows."""

_PAGE = 1000


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What is to be recorded.

    Attributes:
        actor: who, such as `hl7:ADT@NORTH`, `dimse:CT1`, `cli:anna`, `worker`.
        action: what, such as `patient_merged`.
        objects: ids such as `patient:12` or `study:1.2.3`; never a patient's name, number or date.
        reason: why, in a few words; no patient value.
    """

    actor: str
    action: str
    objects: tuple[str, ...]
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One link of the chain.

    Attributes:
        sequence: 1, 2, 3 ... without a gap.
        at: ISO 8601 in UTC.
        digest: SHA-256 over the digest before it and all of this entry.
    """

    sequence: int
    at: str
    event: Event
    digest: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Where the chain is broken, and how it shows."""

    sequence: int
    problem: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The end of a chain; it stands for every entry before it."""

    sequence: int
    digest: str


def append(connection: sa.Connection, event: Event) -> Entry:
    """Add an entry within the caller's transaction: it is recorded if that commits, or not at all.

    Writers take turns, so what follows in the same transaction should be short.
    """
    if connection.dialect.name == "postgresql":
        # Readers go on; another appender waits for our commit. SQLite has one writer anyway.
        connection.execute(sa.text("LOCK TABLE audit_entry IN SHARE ROW EXCLUSIVE MODE"))
    last = _head(connection)
    sequence, at = last.sequence + 1, clock.now().isoformat()
    entry = Entry(
        sequence=sequence,
        at=at,
        event=event,
        digest=_digest(last.digest, sequence=sequence, at=at, event=event),
    )
    connection.execute(AUDIT.insert().values(**_row(entry)))
    return entry


def head(database: Database) -> Head:
    """Return the end of the chain; sequence 0 where there is no entry."""
    with database.read() as connection:
        return _head(connection)


def digest_at(database: Database, sequence: int) -> str:
    """Return the stored digest of an entry; empty where there is no such entry."""
    with database.read() as connection:
        query = sa.select(AUDIT.c.digest).where(AUDIT.c.sequence == sequence)
        return str(connection.execute(query).scalar() or "")


def entries(database: Database, *, newest: int | None = None, actions: str = "*") -> list[Entry]:
    """List entries, oldest first; of a long log the `newest` only.

    Args:
        database: of the archive.
        newest: how many; None for all.
        actions: only those, where `*` stands for anything, such as `quarantine_*`.
    """
    wanted = AUDIT.c.action.like(actions.replace("_", "\\_").replace("*", "%"), escape="\\")
    query = sa.select(AUDIT).where(wanted).order_by(AUDIT.c.sequence.desc()).limit(newest)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [_entry(row) for row in reversed(rows)]


def faults(database: Database) -> Iterator[Fault]:
    """Walk the whole chain and yield each place where it does not hold."""
    expected, before = 1, NO_DIGEST
    for entry in _walk(database):
        if entry.sequence < expected:
            yield Fault(sequence=entry.sequence, problem="this entry is not of the chain")
            continue
        if entry.sequence > expected:
            problem = f"entries {expected} to {entry.sequence - 1} are missing"
            yield Fault(sequence=expected, problem=problem)
        computed = _digest(before, sequence=entry.sequence, at=entry.at, event=entry.event)
        if entry.digest != computed and entry.sequence == expected:
            problem = "this entry, or the one before it, is not what was written"
            yield Fault(sequence=entry.sequence, problem=problem)
        expected, before = entry.sequence + 1, entry.digest


def _walk(database: Database) -> Iterator[Entry]:
    after = -(2**31)  # a row that was smuggled in before the first is met too
    with database.read() as connection:
        while True:
            rows = connection.execute(
                sa.select(AUDIT)
                .where(AUDIT.c.sequence > after)
                .order_by(AUDIT.c.sequence)
                .limit(_PAGE)
            ).all()
            yield from (_entry(row) for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].sequence


def _head(connection: sa.Connection) -> Head:
    row = connection.execute(
        sa.select(AUDIT.c.sequence, AUDIT.c.digest).order_by(AUDIT.c.sequence.desc()).limit(1)
    ).first()
    return (
        Head(sequence=row.sequence, digest=row.digest)
        if row
        else Head(sequence=0, digest=NO_DIGEST)
    )


def _digest(before: str, *, sequence: int, at: str, event: Event) -> str:
    # JSON keeps ("a", "bc") and ("ab", "c") apart.
    fields = [before, sequence, at, event.actor, event.action, list(event.objects), event.reason]
    return hashlib.sha256(json.dumps(fields).encode("ascii")).hexdigest()


def _row(entry: Entry) -> dict[str, object]:
    event = entry.event
    return {
        "sequence": entry.sequence,
        "at": entry.at,
        "actor": event.actor,
        "action": event.action,
        "objects": json.dumps(event.objects),
        "reason": event.reason,
        "digest": entry.digest,
    }


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    event = Event(
        actor=row.actor, action=row.action, objects=_objects(row.objects), reason=row.reason
    )
    return Entry(sequence=row.sequence, at=row.at, event=event, digest=row.digest)


def _objects(text: str) -> tuple[str, ...]:
    try:
        return tuple(json.loads(text))
    except (TypeError, ValueError):
        return (text,)  # somebody wrote it; its digest will not match
