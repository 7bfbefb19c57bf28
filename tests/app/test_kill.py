"""`sightline up` is killed at random moments; nothing acknowledged is lost, nothing doubled."""

import os
import random
import re
import subprocess
import time
from collections import Counter
from pathlib import Path

import pydicom
import pytest

from sightline.archive.archive import Archive
from sightline.archive.results import published_objects
from sightline.archive.studies import study
from sightline.values.identity import StudyUid
from tests.app.conftest import Sightline
from tests.counterparties import Orthanc

KINDS = ("OT", "SEG", "SR")


def _phantoms(sightline: Sightline, folder: Path, count: int) -> list[Path]:
    sightline.run("phantoms", "chest", str(folder), "--patients", str(count), "--size", "tiny")
    return sorted(path for path in (folder / "dicom").iterdir() if path.is_dir())


def _send(sightline: Sightline, folder: Path) -> set[str]:
    """Send a study by DCMTK and return the SOP Instance UIDs that were acknowledged."""
    port = str(sightline.dimse_port)
    sent = subprocess.run(
        ["storescu", "-v", "-aec", "SIGHTLINE", "+sd", "+r", "127.0.0.1", port, str(folder)],
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
@pytest.mark.parametrize("kills", [20])
def test_twenty_kills_lose_nothing_and_publish_once(
    sightline: Sightline, orthanc: Orthanc, released_model: None, tmp_path: Path, kills: int
) -> None:
    assert released_model is None
    chance = random.Random(20_26)
    sightline.pacs = orthanc.destination
    sightline.quiet_period_s = 0.5
    folders = _phantoms(sightline, tmp_path / "phantoms", 6)
    acknowledged: set[str] = set()

    sightline.start()
    killed = 0
    for folder in folders:
        acknowledged |= _send_while_killing(sightline, folder, chance)
        killed += 1
    while killed < kills:
        time.sleep(chance.uniform(0.0, 3.0))
        sightline.kill()
        sightline.start()
        killed += 1
    for folder in folders:  # a sender repeats what was not acknowledged
        acknowledged |= _send(sightline, folder)
    sightline.run("wait", "--studies", str(len(folders)), "--timeout", "240", timeout_s=300)

    archive = Archive.at(sightline.data_dir / "archive")
    everything = {
        path.stem: str(pydicom.dcmread(path).StudyInstanceUID)
        for folder in folders
        for path in folder.rglob("*.dcm")
    }
    studies = {StudyUid(uid) for uid in everything.values()}
    kept = {each.uid for uid in studies for each in study(archive, uid).instances}
    assert acknowledged <= kept
    published = Counter((each.study_uid, each.kind) for each in published_objects(archive))
    assert published == {(uid, kind): 1 for uid in studies for kind in KINDS}
    assert orthanc.count_instances() == len(published)
    archive.close()


def _send_while_killing(sightline: Sightline, folder: Path, chance: random.Random) -> set[str]:
    child = os.fork()
    if child == 0:
        time.sleep(chance.uniform(0.0, 1.5))
        os._exit(0)
    acknowledged = _send(sightline, folder)
    os.waitpid(child, 0)
    return acknowledged
