"""Killed while it predicts and publishes, with the PACS away for a time, late and repeated images.

Each revision of a study is published once, under its own patient, and the PACS has all of it.
"""

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.results import published_objects
from sightline.catalog.archive_tables import PREDICTION
from tests.app.conftest import Sightline
from tests.counterparties import end, free_port, listens, start_dcmtk, wait_until

pytestmark = pytest.mark.slow
KINDS = ("OT", "SEG", "SR")
STUDIES = 4


@contextmanager
def pacs(port: int, folder: Path) -> Iterator[None]:
    """Let a PACS be there for a time."""
    folder.mkdir(exist_ok=True)
    process = start_dcmtk("storescp", "+B", "+xa", "-od", folder, port)
    try:
        wait_until(lambda: listens(port))
        yield
    finally:
        end(process)


def studies(sightline: Sightline, folder: Path) -> list[tuple[Path, Path]]:
    """Make studies; of each the last slice lies apart, to come late."""
    options = ("--patients", str(STUDIES), "--first", "71", "--size", "tiny")
    sightline.run("phantoms", "chest", str(folder), *options)
    made = []
    for study in sorted(path for path in (folder / "dicom").iterdir() if path.is_dir()):
        late = folder / "late" / study.name
        late.mkdir(parents=True)
        files = sorted(path for path in study.rglob("*") if path.is_file())
        shutil.move(files[-1], late)
        made.append((study, late))
    return made


def kill_soon(sightline: Sightline, chance: random.Random) -> None:
    """Let it work for a moment, which is long enough to predict, and kill it with its worker."""
    time.sleep(chance.uniform(0.3, 4.0))
    sightline.kill(with_worker=True)
    sightline.start()


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.gate)])
def test_each_revision_is_published_once_and_reaches_the_pacs(
    sightline_with_model: Sightline, tmp_path: Path, kills: int
) -> None:
    sightline = sightline_with_model
    chance = random.Random(kills)  # noqa: S311 - moments, not secrets
    port, there = free_port(), tmp_path / "pacs"
    sightline.pacs = f"PACS@127.0.0.1:{port}"
    sightline.quiet_period_s = 0.5
    made = studies(sightline, tmp_path / "phantoms")
    before = published(sightline)

    sightline.start()
    # The PACS is away in the first half, and comes in the second.
    for number in range(kills // 2):
        sightline.run("send", sightline.destination, str(made[number % STUDIES][0]))
        kill_soon(sightline, chance)
    for study, _ in made:
        sightline.run("send", sightline.destination, str(study))
    # Nothing is sent yet, so that `sightline wait` would wait for ever.
    once = Counter(uids(made, KINDS))
    wait_until(lambda: published(sightline) - before == once, seconds=300)
    with pacs(port, there):
        for number in range(kills - kills // 2):
            # A slice that comes late, and what came already, once more.
            study, late = made[number % STUDIES]
            for folder in (late, study):
                sightline.run("send", sightline.destination, str(folder))
            kill_soon(sightline, chance)
        for _, late in made:
            sightline.run("send", sightline.destination, str(late))
        wait_for_all(sightline)

        fresh = published(sightline) - before
        # Two revisions, each with one object of each kind.
        assert fresh == Counter(dict.fromkeys(uids(made, KINDS), 2))
        wait_until(lambda: len(list(there.iterdir())) >= fresh.total(), seconds=120)
    assert_one_prediction_a_revision(sightline)
    assert_patients(there, made, objects=fresh.total())


def uids(made: list[tuple[Path, Path]], kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    found = [header(next(path for path in study.rglob("*") if path.is_file())) for study, _ in made]
    return [(str(each.StudyInstanceUID), kind) for each in found for kind in kinds]


def header(path: Path) -> pydicom.Dataset:
    return pydicom.dcmread(path, stop_before_pixels=True)


def wait_for_all(sightline: Sightline) -> None:
    sightline.run("wait", "--studies", str(5 + STUDIES), "--timeout", "300", timeout_s=320)


def published(sightline: Sightline) -> Counter[tuple[str, str]]:
    archive = Archive.at(sightline.data_dir / "archive")
    found = Counter((str(each.study_uid), each.kind) for each in published_objects(archive))
    archive.close()
    return found


def assert_one_prediction_a_revision(sightline: Sightline) -> None:
    archive = Archive.at(sightline.data_dir / "archive")
    with archive.database.read() as connection:
        rows = connection.execute(
            sa.select(PREDICTION.c.series_uid, PREDICTION.c.series_digest, PREDICTION.c.state)
        ).all()
    archive.close()
    counted = Counter((row.series_uid, row.series_digest) for row in rows)
    assert set(counted.values()) == {1}
    assert {row.state for row in rows} == {"published"}


def assert_patients(there: Path, made: list[tuple[Path, Path]], *, objects: int) -> None:
    """Hold what the PACS has against the images: each under its own patient, none twice."""
    whose = {}
    for study, _ in made:
        image = header(next(path for path in study.rglob("*") if path.is_file()))
        whose[image.StudyInstanceUID] = (image.PatientID, image.PatientName)
    came = [header(path) for path in there.iterdir()]
    assert len({each.SOPInstanceUID for each in came}) == objects
    for each in came:
        assert (each.PatientID, each.PatientName) == whose[each.StudyInstanceUID]
