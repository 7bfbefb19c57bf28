"""`sightline up` is killed at random moments; nothing acknowledged is lost, nothing doubled."""

import random
import re
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.results import published_objects
from sightline.catalog.archive_tables import INSTANCE
from tests.app.conftest import Sightline
from tests.counterparties import Orthanc, program

KINDS = ("OT", "SEG", "SR")


def _phantoms(sightline: Sightline, folder: Path, count: int) -> list[Path]:
    options = ("--patients", str(count), "--first", "21", "--size", "tiny")
    sightline.run("phantoms", "chest", str(folder), *options)
    return sorted(path for path in (folder / "dicom").iterdir() if path.is_dir())


def _send(sightline: Sightline, folder: Path) -> set[str]:
    """Send a study by DCMTK and return the SOP Instance UIDs that were acknowledged."""
    port = str(sightline.dimse_port)
    sent = subprocess.run(
        [
            program("storescu"),
            "-v",
            "-aec",
            "SIGHTLINE",
            "+sd",
            "+r",
            "127.0.0.1",
            port,
            str(folder),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    order = re.findall(r"Sending file: (\S+)", sent.stdout + sent.stderr)
    answers = re.findall(r"Received Store Response \((\w+)", sent.stdout + sent.stderr)
    acknowledged = [
        path for path, answer in zip(order, answers, strict=False) if answer == "Success"
    ]
    return {
        str(pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        for path in acknowledged
    }


@pytest.mark.slow
@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.gate)])
def test_kills_lose_nothing_and_publish_once(
    sightline_with_model: Sightline, orthanc: Orthanc, tmp_path: Path, kills: int
) -> None:
    sightline = sightline_with_model
    chance = random.Random(2026)  # noqa: S311 - moments, not secrets
    sightline.pacs = orthanc.destination
    sightline.quiet_period_s = 0.5
    folders = _phantoms(sightline, tmp_path / "phantoms", 8)
    before = _published(sightline)
    acknowledged: set[str] = set()

    sightline.start()
    for number in range(kills):
        with ThreadPoolExecutor(1) as sender:
            sending = sender.submit(_send, sightline, folders[number % len(folders)])
            time.sleep(chance.uniform(0.05, 4.0))
            sightline.kill(with_worker=bool(number % 2))
            acknowledged |= sending.result()
        _nothing_lost(sightline, acknowledged)
        sightline.start()
    for folder in folders:  # a sender repeats what was not acknowledged
        acknowledged |= _send(sightline, folder)
    sightline.run("wait", "--studies", str(len(folders)), "--timeout", "300", timeout_s=320)

    _nothing_lost(sightline, acknowledged)
    studies = {_study_uid(folder) for folder in folders}
    fresh = _published(sightline) - before
    assert fresh == Counter((uid, kind) for uid in studies for kind in KINDS)
    assert orthanc.count_instances() == fresh.total()


def _nothing_lost(sightline: Sightline, acknowledged: set[str]) -> None:
    archive = Archive.at(sightline.data_dir / "archive")
    with archive.database.read() as connection:
        rows = connection.execute(sa.select(INSTANCE.c.uid, INSTANCE.c.digest)).all()
    assert acknowledged <= {row.uid for row in rows}
    for row in rows:
        archive.objects.get(row.digest)  # raises where bytes are missing or damaged
    archive.close()


def _published(sightline: Sightline) -> Counter[tuple[str, str]]:
    archive = Archive.at(sightline.data_dir / "archive")
    found = Counter((each.study_uid, each.kind) for each in published_objects(archive))
    archive.close()
    return Counter({(str(uid), kind): count for (uid, kind), count in found.items()})


def _study_uid(folder: Path) -> str:
    first = next(path for path in sorted(folder.rglob("*")) if path.is_file())
    return str(pydicom.dcmread(first, stop_before_pixels=True).StudyInstanceUID)
