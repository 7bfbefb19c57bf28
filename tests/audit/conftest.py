"""An audit log on each database that a site may choose."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.audit.chain import Event, append
from sightline.catalog.database import Database, sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = sqlite_url(tmp_path / "catalog.db")
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    opened = Database.open(url, "archive")
    yield opened
    opened.close()


def event_of(number: int) -> Event:
    return Event(
        actor=f"cli:user{number % 3}",
        action=("patient_merged", "patient_corrected")[number % 2],
        objects=(f"patient:{number}", f"study:1.2.{number}"),
        reason=f"message {number}",
    )


def fill(database: Database, count: int) -> None:
    with database.write() as connection:
        for number in range(count):
            append(connection, event_of(number))
