"""A batch that is killed or whose disk is full: nothing half-released, and the next call finishes."""

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.deid.certificates import CERTIFICATE_FILE
from sightline.deid.certifying import verify_folder
from sightline.deid.folder import deidentify_folder
from sightline.deid.signing import Signer
from sightline.deid.vault import Vault
from sightline.errors import Refused
from tests.instances import part10_of, slice_of

STUDIES, SLICES = 24, 4
FULL_DISK = "write 28\n"  # ENOSPC


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Studies of patients, several of one among them."""
    folder = tmp_path / "in"
    for study in range(STUDIES):
        (folder / str(study)).mkdir(parents=True)
        for number in range(SLICES):
            image = slice_of(number + 1, size=128, PatientID=f"KANARI{study // 2}")
            image.StudyInstanceUID = f"1.2.3.{study}"
            image.SeriesInstanceUID = f"1.2.3.{study}.1"
            image.SOPInstanceUID = f"1.2.3.{study}.1.{number}"
            (folder / str(study) / f"{number}.dcm").write_bytes(part10_of(image))
    return folder


class Batch:
    """`sightline deid` in a process of its own."""

    def __init__(self, data_dir: Path, source: Path, target: Path) -> None:
        self.target = target
        self._command = [sys.executable, "-m", "sightline", "--data-dir", str(data_dir)]
        self._command += ["deid", str(source), str(target), "--processes", "2"]

    @contextlib.contextmanager
    def running(self, **environment: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            self._command,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def finish(self) -> str:
        done = subprocess.run(self._command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def released(self) -> dict[str, bytes]:
        """Return every file that a reader of the target sees; each study is whole."""
        found: dict[str, bytes] = {}
        for folder in self.target.glob("S-*/*"):
            certificate = json.loads((folder / CERTIFICATE_FILE).read_text())
            files = {path.stem: path.read_bytes() for path in folder.rglob("*.dcm")}
            digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
            assert digests == certificate["outputs"]
            assert len(files) == SLICES
            found |= files
        names = {path.name for path in self.target.glob("*")}
        assert all(name.startswith(("S-", ".sightline-")) for name in names)
        return found


@pytest.fixture
def batch(tmp_path: Path, source: Path) -> Batch:
    return Batch(tmp_path / "data", source, tmp_path / "out")


def wait_for_some(batch: Batch, process: subprocess.Popen[str], seconds: float) -> None:
    """Wait until the run has begun to write, and a while more."""
    while process.poll() is None and not any(batch.target.glob(".sightline-unfinished/*")):
        time.sleep(0.01)
    time.sleep(seconds)


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.gate)])
def test_a_killed_batch_releases_nothing_by_half(batch: Batch, kills: int) -> None:
    chance = random.Random(2026)  # noqa: S311 - only moments are drawn
    amid = 0
    for kill in range(kills):
        before = len(batch.released()) if batch.target.exists() else 0
        if before == STUDIES * SLICES:
            batch.target.rename(batch.target.with_name(f"finished-{kill}"))
        with batch.running() as process:
            wait_for_some(batch, process, chance.uniform(0, 0.6))
            # Its processes end by themselves, or are killed with it.
            (os.kill if kill % 2 else os.killpg)(process.pid, signal.SIGKILL)
            process.wait()
            amid += process.returncode == -signal.SIGKILL
        batch.released()
    assert amid > kills / 2
    batch.finish()
    finished = batch.released()
    assert len(finished) == STUDIES * SLICES
    assert not list(batch.target.glob(".sightline-*"))
    batch.target.rename(batch.target.with_name("resumed"))
    batch.finish()
    assert batch.released() == finished


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.gate)])
def test_a_full_disk_stops_the_batch_and_nothing_is_lost(
    batch: Batch, shim: Path, tmp_path: Path, times: int
) -> None:
    chance = random.Random(7)  # noqa: S311 - only moments are drawn
    told = tmp_path / "fault"
    environment = {
        "LD_PRELOAD": str(shim),
        "FAULT_FILE": str(told),
        "FAULT_ROOT": str(batch.target),
    }
    stopped = 0
    for _ in range(times):
        with batch.running(**environment) as process:
            wait_for_some(batch, process, chance.uniform(0, 0.2))
            told.write_text(FULL_DISK)
            _, said = process.communicate(timeout=120)
            told.unlink()
        if process.returncode:
            stopped += 1
            assert "No space left on device" in said
            assert "goes on where it stopped" in said
        released = batch.released()
        assert (len(released) == STUDIES * SLICES) == (process.returncode == 0)
        if not process.returncode:
            batch.target.rename(tmp_path / f"finished-{stopped}")
    assert stopped
    batch.finish()
    assert len(batch.released()) == STUDIES * SLICES


def test_what_is_there_is_not_done_again(batch: Batch, source: Path) -> None:
    batch.finish()
    first = {path: path.stat().st_ino for path in batch.target.rglob("*.dcm")}
    # One study got another slice meanwhile.
    late = slice_of(SLICES + 1, size=128, PatientID="KANARI0")
    late.StudyInstanceUID, late.SeriesInstanceUID = "1.2.3.0", "1.2.3.0.1"
    late.SOPInstanceUID = "1.2.3.0.1.99"
    (source / "late.dcm").write_bytes(part10_of(late))
    assert f"{STUDIES - 1} studies were there before" in batch.finish()
    second = {path: path.stat().st_ino for path in batch.target.rglob("*.dcm")}
    assert len(second) == len(first) + 1
    assert sum(first.get(path) != inode for path, inode in second.items()) == SLICES + 1


def test_a_batch_of_other_files_of_a_study_adds_to_it(
    source: Path, tmp_path: Path, vault: Vault
) -> None:
    target = tmp_path / "out"
    (source / "0" / "0.dcm").rename(tmp_path / "apart.dcm")
    deidentify_folder(source / "0", target, vault)
    deidentify_folder(tmp_path / "apart.dcm", target, vault)
    assert len(list(target.rglob("*.dcm"))) == SLICES
    verified = verify_folder(target, Signer(vault).public_key)
    assert (verified.studies, verified.instances, verified.faults) == (1, SLICES, ())


def test_two_batches_do_not_write_to_one_target(batch: Batch, source: Path, vault: Vault) -> None:
    with batch.running() as process:
        wait_for_some(batch, process, 0)
        with pytest.raises(Refused, match="another run"):
            deidentify_folder(source, batch.target, vault)
