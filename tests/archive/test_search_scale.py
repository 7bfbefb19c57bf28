"""OHIF's search of studies in a catalog of a hospital's size: right, and answered at once."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from sightline.archive.archive import Archive
from sightline.archive.search import search_studies
from sightline.catalog.database import Database, sqlite_url
from sightline.store.objects import ObjectStore
from sightline.web.search_query import read_query
from tests.catalogs import GeneratedStudy, StudyQuery, fill, queries


@pytest.fixture(params=["sqlite", "postgresql"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    url = sqlite_url(tmp_path / "catalog.db")
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    opened = Archive(Database.open(url, "archive"), ObjectStore.open(tmp_path / "objects"))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("studies", "count", "most_s"),
    # Times mean nothing while other tests run: only the gate holds them.
    [(10_000, 60, 60.0), pytest.param(100_000, 400, 0.05, marks=pytest.mark.gate)],
)
def test_the_page_is_the_one_that_reading_everything_gives(
    archive: Archive, studies: int, count: int, most_s: float
) -> None:
    generated = fill(archive.database, studies=studies)
    newest = sorted(generated, key=lambda each: (each.date, each.time, each.uid), reverse=True)
    seconds = []
    for asked in queries(generated, count):
        query = read_query(parse_qsl(urlsplit(asked.path).query))
        began = time.perf_counter()
        found = search_studies(archive, query.keys, query.window)
        seconds.append(time.perf_counter() - began)
        assert [each.uid for each in found.found] == _page(newest, asked)
        assert all(each.instances == 10 and each.series == 2 for each in found.found)
    assert sorted(seconds)[int(0.95 * count)] < most_s


def _page(newest: list[GeneratedStudy], asked: StudyQuery) -> list[str]:
    return [each.uid for each in newest if asked.matches(each)][:101]
