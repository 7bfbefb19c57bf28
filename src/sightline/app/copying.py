"""Copies of a catalog that other processes write at the same time."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

from sightline.errors import BadSettings, DamagedObject
from sightline.store.durable import sync_folder


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy one state of an SQLite database, durably; writers go on meanwhile.

    Raises:
        OSError: The copy could not be made durable.
        DamagedObject: The database is damaged.
    """
    unfinished = target.with_name(f".{target.name}.incoming")
    unfinished.unlink(missing_ok=True)
    try:
        with (
            contextlib.closing(sqlite3.connect(source, timeout=30)) as original,
            contextlib.closing(sqlite3.connect(unfinished)) as copy,
        ):
            # In one go: SQLite would begin anew whenever another process writes between.
            original.backup(copy, pages=-1)
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.DatabaseError as error:
        raise OSError(f"{source.name} cannot be copied: {error}") from error
    if found != "ok":
        raise DamagedObject(
            f"the database {source.parent.name}/{source.name} is damaged",
            hint="Restore the last backup; `sightline verify` then tells what is missing.",
        )
    _finish(unfinished, target)


def dump_postgresql(url: str, target: Path) -> None:
    """Dump one state of both schemas with `pg_dump`, durably; writers go on meanwhile.

    Raises:
        BadSettings: `pg_dump` is not installed or refuses.
        OSError: The copy could not be made durable.
    """
    unfinished = target.with_name(f".{target.name}.incoming")
    schemas = ("--schema=archive", "--schema=hub")
    _run("pg_dump", "--format=custom", *schemas, f"--file={unfinished}", f"--dbname={_plain(url)}")
    _finish(unfinished, target)


def load_postgresql(source: Path, url: str) -> None:
    """Load a dump into a database that has no such schemas yet.

    Raises:
        BadSettings: `pg_restore` is not installed or refuses.
    """
    options = ("--exit-on-error", "--single-transaction", "--no-owner")
    _run("pg_restore", *options, f"--dbname={_plain(url)}", str(source))


def _plain(url: str) -> str:
    # Their tools know nothing of SQLAlchemy's drivers.
    return "postgresql://" + url.partition("://")[2]


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise BadSettings(
            f"{program} is not installed",
            hint="Install the client programs of PostgreSQL (Debian: postgresql-client).",
        )
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        [found, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise BadSettings(f"{program} failed: {words[-1]}", hint="Check the URL and the database.")


def _finish(unfinished: Path, target: Path) -> None:
    handle = os.open(unfinished, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    unfinished.replace(target)
    sync_folder(target.parent)
