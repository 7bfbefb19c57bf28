"""Many threads enter at once: few commits, and each is told its own outcome."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.entrance import Entrance
from sightline.archive.receiving import Prepared, Stored, prepare
from sightline.catalog.archive_tables import INSTANCE
from sightline.formats.dicom_file import read_header
from sightline.values.arrival import Arrival, Source
from tests.instances import part10_of, slice_of

SOURCE = Source(name="test")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = Archive.at(tmp_path / "archive")
    yield opened
    opened.close()


def prepared(archive: Archive, number: int, **attributes: object) -> Prepared:
    content = part10_of(slice_of(number, **attributes))
    return prepare(archive, read_header(content), content)


def count(archive: Archive) -> int:
    with archive.database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(INSTANCE)).scalar_one()


def enter_at_once(
    archive: Archive, instances: list[Prepared], *, broken: tuple[int, ...] = ()
) -> list[Arrival | Exception]:
    """Enter instances from as many threads while another writer holds the catalog."""
    entrance = Entrance(archive)
    ready = threading.Barrier(len(instances) + 1)

    def enter(number: int) -> Arrival | Exception:
        ready.wait()
        source = Source(name="test", association=-1) if number in broken else SOURCE
        try:
            return entrance.enter(instances[number], source)
        except (OSError, sa.exc.DatabaseError) as error:
            return error

    with ThreadPoolExecutor(len(instances)) as threads:
        with archive.database.write():
            running = [threads.submit(enter, number) for number in range(len(instances))]
            ready.wait()
        return [each.result() for each in running]


def test_those_who_wait_share_a_commit(archive: Archive) -> None:
    commits: list[sa.Connection] = []
    instances = [prepared(archive, number) for number in range(24)]
    sa.event.listen(archive.database.engine, "commit", commits.append)
    arrivals = enter_at_once(archive, instances)
    assert [each.outcome for each in arrivals if isinstance(each, Arrival)] == ["new"] * 24
    assert count(archive) == 24
    # The writer that held the catalog, the first to come, and all that queued behind it.
    assert 2 <= len(commits) <= 12


def test_one_that_fails_keeps_back_no_other(archive: Archive) -> None:
    instances = [prepared(archive, number) for number in range(8)]
    outcomes = enter_at_once(archive, instances, broken=(3, 5))
    failed = [number for number, each in enumerate(outcomes) if isinstance(each, Exception)]
    assert failed == [3, 5]
    assert count(archive) == 6


def test_the_same_instance_at_once_is_entered_once(archive: Archive) -> None:
    one = prepared(archive, 1)
    outcomes = [
        each.outcome for each in enter_at_once(archive, [one] * 6) if isinstance(each, Arrival)
    ]
    assert sorted(outcomes) == ["duplicate"] * 5 + ["new"]


def test_a_catalog_that_fails_is_told_to_everybody(archive: Archive) -> None:
    instances = [prepared(archive, number) for number in range(4)]
    with archive.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE instance RENAME TO gone"))
    outcomes = enter_at_once(archive, instances)
    assert all(isinstance(each, OSError) for each in outcomes)
    assert isinstance(instances[0].stored, Stored)
