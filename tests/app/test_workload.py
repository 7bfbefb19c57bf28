"""A busy hospital's day: 1,500 studies of 40 small instances, from C-STORE to the hub, in an hour.

The number is that of the MONAI Deploy working group's guideline, whose sites see 1,500 studies a
day and accept under 1 % of failures; here it is a day in an hour, and none may fail.
"""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import HOLDING, INSTANCE, OUTBOX
from sightline.catalog.archive_tables import STUDY as RECEIVED
from sightline.catalog.hub_tables import STUDY, VOLUME
from sightline.hub.hub import Hub
from sightline.settings import Settings
from tests.app.conftest import Sightline
from tests.counterparties import HOST, UNDELAYED, program
from tests.instances import ROOT, part10_of, slice_of

SLICES = 40
SCANNERS = 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("studies", "most_s"), [(150, 360.0), pytest.param(1500, 3600.0, marks=pytest.mark.gate)]
)
def test_every_study_of_a_busy_day_passes_in_time(
    sightline: Sightline, tmp_path: Path, studies: int, most_s: float
) -> None:
    folders = [_write(tmp_path / "scans" / f"{number:04}", number) for number in range(studies)]
    sightline.receivers = 2
    sightline.start()
    began = time.monotonic()
    with ThreadPoolExecutor(SCANNERS) as scanners:
        shares = [folders[scanner::SCANNERS] for scanner in range(SCANNERS)]
        list(scanners.map(lambda share: _send(sightline, share), shares))
    left_s = most_s - (time.monotonic() - began)
    sightline.run("wait", "--studies", str(studies), "--timeout", f"{left_s:.0f}", timeout_s=most_s)
    settings = Settings.load(data_dir=sightline.data_dir)
    archive, hub = Archive.open(settings), Hub.open(settings)
    with archive.database.read() as connection:
        doors = Counter(connection.execute(sa.select(RECEIVED.c.door)).scalars())
        assert doors == {"released": studies}
        assert _count(connection, INSTANCE) == studies * SLICES
        assert _count(connection, HOLDING) == _count(connection, OUTBOX) == 0
    with hub.database.read() as connection:
        assert _count(connection, STUDY) == _count(connection, VOLUME) == studies
    archive.close()
    hub.close()
    assert "[error" not in sightline.log()


def _write(folder: Path, number: int) -> Path:
    folder.mkdir(parents=True)
    study = f"{ROOT}.77.{number}"
    for slice_number in range(1, SLICES + 1):
        dataset = slice_of(
            slice_number,
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.1",
            SOPInstanceUID=f"{study}.1.{slice_number}",
            FrameOfReferenceUID=f"{study}.9",
            PatientID=f"PHANTOM-{number}",
            AccessionNumber=f"A{number}",
        )
        (folder / f"{slice_number:02}.dcm").write_bytes(part10_of(dataset))
    return folder


def _send(sightline: Sightline, folders: Sequence[Path]) -> None:
    """Send as a scanner does: one association a study."""
    for folder in folders:
        command = [program("storescu"), "-aec", "SIGHTLINE", "+sd", HOST, str(sightline.dimse_port)]
        done = subprocess.run(
            [*command, str(folder)],
            env=os.environ | UNDELAYED,
            check=False,
            capture_output=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr


def _count(connection: sa.Connection, table: sa.Table) -> int:
    found: int = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    return found
