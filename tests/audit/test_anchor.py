"""Gate A1: whatever is done to the rows of the log, and to its tail, is found."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import sqlalchemy as sa

from sightline.audit.anchor import HEAD_FILE, KEY_FILE, Anchor
from sightline.audit.chain import Event, Head, append, entries, head
from sightline.catalog.archive_tables import AUDIT
from sightline.catalog.database import Database, sqlite_url
from tests.audit.conftest import event_of, fill

Tamper: TypeAlias = Callable[[sa.Connection, int], None]
COLUMNS = ("at", "actor", "action", "objects", "reason", "digest")


def altered(column: str) -> Tamper:
    def tamper(connection: sa.Connection, sequence: int) -> None:
        value = AUDIT.c[column]
        changed = sa.func.substr(value, 2) if column == "digest" else value + "x"
        connection.execute(
            AUDIT.update().where(AUDIT.c.sequence == sequence).values({column: changed})
        )

    return tamper


def deleted(connection: sa.Connection, sequence: int) -> None:
    connection.execute(AUDIT.delete().where(AUDIT.c.sequence == sequence))


def cut_off(connection: sa.Connection, sequence: int) -> None:
    connection.execute(AUDIT.delete().where(AUDIT.c.sequence >= sequence))


def swapped(connection: sa.Connection, sequence: int) -> None:
    """Let an entry change places with its neighbour."""
    count = connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()
    other = sequence - 1 if sequence == count else sequence + 1
    for before, after in ((sequence, -1), (other, sequence), (-1, other)):
        connection.execute(AUDIT.update().where(AUDIT.c.sequence == before).values(sequence=after))


def closed_up(connection: sa.Connection, sequence: int) -> None:
    """Delete an entry and count the later ones down."""
    deleted(connection, sequence)
    later = connection.execute(
        sa.select(AUDIT.c.sequence).where(AUDIT.c.sequence > sequence).order_by(AUDIT.c.sequence)
    ).scalars()
    for each in list(later)[:3]:
        connection.execute(AUDIT.update().where(AUDIT.c.sequence == each).values(sequence=each - 1))


def rewritten(connection: sa.Connection, sequence: int) -> None:
    """Write the log anew from an entry on, with digests that hold."""
    rows = connection.execute(
        sa.select(AUDIT).where(AUDIT.c.sequence >= sequence).order_by(AUDIT.c.sequence).limit(3)
    ).all()
    cut_off(connection, sequence)
    for row in rows:
        append(
            connection,
            Event(actor="nobody", action=row.action, objects=(), reason=row.reason),
        )


TAMPERS: dict[str, Tamper] = {
    **{f"altered {column}": altered(column) for column in COLUMNS},
    "deleted": deleted,
    "cut off": cut_off,
    "swapped": swapped,
    "closed up": closed_up,
    "rewritten": rewritten,
}


def found_after(catalog: Path, anchor: Anchor, tamper: Tamper, sequence: int) -> bool:
    """Tamper with a copy of a log, and verify that."""
    copy = catalog.with_name("tampered.db")
    shutil.copy(catalog, copy)
    database = Database.open(sqlite_url(copy), "archive")
    with database.write() as connection:
        tamper(connection, sequence)
    found = anchor.verify(database)
    database.close()
    return bool(found.faults)


@pytest.mark.parametrize(
    ("rows", "tampered"), [(1000, 100), pytest.param(10_000, 2500, marks=pytest.mark.gate)]
)
def test_whatever_is_done_to_any_row_is_found(tmp_path: Path, rows: int, tampered: int) -> None:
    catalog = tmp_path / "catalog.db"
    database = Database.open(sqlite_url(catalog), "archive")
    fill(database, rows)
    anchor = Anchor(tmp_path / "audit")
    anchor.advance(database)
    assert anchor.verify(database).faults == ()
    database.close()
    chance = random.Random(2026)  # noqa: S311 - which rows, not secrets
    kinds = list(TAMPERS)
    chosen = [(kind, sequence) for kind in kinds for sequence in (1, 2, rows - 1, rows)]
    for number, sequence in enumerate(chance.sample(range(1, rows + 1), tampered)):
        chosen.append((kinds[number % len(kinds)], sequence))
    missed = [
        each for each in chosen if not found_after(catalog, anchor, TAMPERS[each[0]], each[1])
    ]
    assert missed == []


@pytest.mark.parametrize("kind", TAMPERS)
def test_the_same_on_each_database(database: Database, tmp_path: Path, kind: str) -> None:
    fill(database, 12)
    anchor = Anchor(tmp_path / "audit")
    anchor.advance(database)
    with database.write() as connection:
        TAMPERS[kind](connection, 5)
    assert anchor.verify(database).faults


def test_later_appends_do_not_cover_it_up(database: Database, tmp_path: Path) -> None:
    fill(database, 10)
    anchor = Anchor(tmp_path / "audit")
    anchor.advance(database)
    with database.write() as connection:
        cut_off(connection, 9)
        append(connection, event_of(99))
        append(connection, event_of(100))
        append(connection, event_of(101))
    anchor.advance(database)
    found = anchor.verify(database)
    assert [fault.sequence for fault in found.faults] == [10]
    assert "the anchor names was written anew" in found.faults[0].problem


def test_what_lies_behind_the_anchor_can_be_cut_off_unseen(
    database: Database, tmp_path: Path
) -> None:
    """What it cannot prove: the documentation says so."""
    fill(database, 5)
    anchor = Anchor(tmp_path / "audit")
    anchor.advance(database)
    fill(database, 2)
    noted = head(database)
    with database.write() as connection:
        cut_off(connection, 6)
    assert anchor.verify(database).faults == ()
    assert anchor.verify(database, expected=noted).faults


@pytest.mark.parametrize("damage", ["gone", "forged", "of another key"])
def test_an_anchor_that_is_not_ours(database: Database, tmp_path: Path, damage: str) -> None:
    fill(database, 3)
    anchor = Anchor(tmp_path / "audit")
    anchor.advance(database)
    path = tmp_path / "audit" / HEAD_FILE
    if damage == "gone":
        path.unlink()
    elif damage == "forged":
        path.write_text(path.read_text().replace("\n3\n", "\n2\n"))
    else:
        (tmp_path / "audit" / KEY_FILE).write_text("00" * 32)
    fill(database, 1)
    anchor.advance(database)  # refuses
    faults = anchor.verify(database).faults
    assert [fault.problem for fault in faults] == [
        "the anchor file is missing or its signature is wrong"
    ]


def test_an_emptied_log_is_found(database: Database, tmp_path: Path) -> None:
    fill(database, 3)
    anchor = Anchor(tmp_path / "audit")
    anchor.advance(database)
    with database.write() as connection:
        connection.execute(AUDIT.delete())
    assert anchor.verify(database).faults
    assert anchor.verify(database).head == Head(sequence=0, digest="0" * 64)


def test_nothing_recorded_needs_no_anchor(database: Database, tmp_path: Path) -> None:
    anchor = Anchor(tmp_path / "audit")
    anchor.advance(database)
    assert not (tmp_path / "audit").exists()
    assert anchor.verify(database).faults == ()
    fill(database, 1)
    anchor.advance(database)
    assert (tmp_path / "audit" / KEY_FILE).stat().st_mode & 0o077 == 0
    assert len(entries(database)) == 1
