"""A real `sightline up` in a process of its own, that tests may kill."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.counterparties import free_port


@dataclasses.dataclass
class Sightline:
    """One data directory, and the server that may be running on it."""

    data_dir: Path
    web_port: int
    dimse_port: int
    pacs: str = ""
    quiet_period_s: float = 1.0
    receivers: int = 1
    process: subprocess.Popen[bytes] | None = None

    @property
    def destination(self) -> str:
        return f"SIGHTLINE@127.0.0.1:{self.dimse_port}"

    @property
    def environment(self) -> dict[str, str]:
        return dict(os.environ) | {
            "SIGHTLINE_DATA_DIR": str(self.data_dir),
            "SIGHTLINE_WEB_PORT": str(self.web_port),
            "SIGHTLINE_DIMSE_PORT": str(self.dimse_port),
            "SIGHTLINE_PACS": self.pacs,
            "SIGHTLINE_QUIET_PERIOD_S": str(self.quiet_period_s),
            "SIGHTLINE_RECEIVERS": str(self.receivers),
            "SIGHTLINE_THREADS": "2",
            "COLUMNS": "200",
        }

    def start(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "server.log").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sightline", "up"],
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.wait_until_up()

    def wait_until_up(self, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        url = f"http://127.0.0.1:{self.web_port}/api/health"
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        pytest.fail(f"not up after {timeout_s} s: {self.log()[-2000:]}")

    def kill(self, *, with_worker: bool = True) -> None:
        """Kill the server, and its worker at the same moment or leave that to find out."""
        assert self.process is not None
        if with_worker:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=40)

    def log(self) -> str:
        return (self.data_dir / "server.log").read_text(errors="replace")

    def run(self, *arguments: str, timeout_s: float = 300) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sightline", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout


RECIPE = """\
name: tiny
title: A model that a test can train
accepts: {modality: CT, min_slices: 4}
task: {classes: [ground_glass, consolidation]}
inputs: {window: [-1000, 300], patch: [32, 32, 32]}
network: {base_channels: 4, max_channels: 8, levels: 2}
training: {steps: 4, batch: 1, validate_every: 4, checkpoint_every: 1}
gate: {at_least: 0.0, min_subjects: 1}
triage:
  - {class_name: consolidation, min_volume_ml: 0, priority: 1, words: "consolidation {volume_ml} ml"}
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a data directory whose hub holds a collection and a live model; copy it, never use it."""
    folder = tmp_path_factory.mktemp("trained")
    made = Sightline(folder / "data", web_port=free_port(), dimse_port=free_port())
    recipe = folder / "tiny.yaml"
    recipe.write_text(RECIPE)
    made.start()
    try:
        phantoms = folder / "phantoms"
        made.run("phantoms", "chest", str(phantoms), "--patients", "5", "--size", "tiny")
        made.run("send", made.destination, str(phantoms / "dicom"))
        made.run("wait", "--studies", "5")
        made.run("annotate", "--table", str(phantoms / "masks.csv"))
        made.run("wait", "--studies", "5")
        classes = ("--classes", "ground_glass,consolidation")
        made.run("collections", "make", "tiny", *classes)
        made.run("train", str(recipe), "--on", "tiny@1")
        made.run("evaluate", "tiny@1")
        made.run("models", "release", "tiny@1", "--by", "a test", "--reason", "to be tried")
    finally:
        made.stop()
    return made.data_dir


@pytest.fixture
def sightline_with_model(trained: Path, tmp_path: Path) -> Iterator[Sightline]:
    """Give a data directory of its own that holds a live model."""
    shutil.copytree(trained, tmp_path / "data")
    made = Sightline(tmp_path / "data", web_port=free_port(), dimse_port=free_port())
    yield made
    made.stop()


@pytest.fixture
def sightline(tmp_path: Path) -> Iterator[Sightline]:
    """Give a data directory with free ports; whatever was started is stopped."""
    made = Sightline(tmp_path / "data", web_port=free_port(), dimse_port=free_port())
    yield made
    made.stop()
