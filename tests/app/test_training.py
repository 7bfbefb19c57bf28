"""Training from the command line repeats bit for bit, killed half-way or not."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.app.conftest import RECIPE, Sightline

pytestmark = pytest.mark.slow


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "longer.yaml"
    path.write_text(RECIPE.replace("name: tiny", "name: longer").replace("steps: 4", "steps: 40"))
    return path


def test_twice_gives_the_same_bytes(sightline_with_model: Sightline, recipe: Path) -> None:
    first = _weights(sightline_with_model.run("train", str(recipe), "--on", "tiny@1"))
    second = _weights(sightline_with_model.run("train", str(recipe), "--on", "tiny@1"))
    other = sightline_with_model.run("train", str(recipe), "--on", "tiny@1", "--steps", "39")
    assert first == second
    assert first != _weights(other)


def test_killed_half_way_and_resumed_gives_the_same_bytes(
    sightline_with_model: Sightline, recipe: Path
) -> None:
    sightline = sightline_with_model
    whole = _weights(sightline.run("train", str(recipe), "--on", "tiny@1"))
    command = [sys.executable, "-m", "sightline", "train", str(recipe), "--on", "tiny@1"]
    environment = {k: v for k, v in sightline.environment.items() if k != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().decode().split(":")[0]
        checkpoints = sightline.data_dir / "runs" / run_id
        deadline = time.monotonic() + 60
        while not (checkpoints.exists() and any(checkpoints.iterdir())):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL

    resumed = sightline.run("train", "--resume", run_id)

    assert _weights(resumed) == whole
    assert not checkpoints.exists()


def test_fine_tuning_takes_the_earlier_model_and_says_so(
    sightline_with_model: Sightline, recipe: Path
) -> None:
    said = sightline_with_model.run(
        "train", str(recipe), "--on", "tiny@1", "--from", "tiny@1", "--steps", "2"
    )
    assert re.search(
        r"taken from the earlier model: [1-9]\d* layers; adapted: 0; made fresh: 0", said
    )
    traced = sightline_with_model.run("trace", "longer@1")
    assert "model tiny@1" in traced


def _weights(said: str) -> str:
    found = re.search(r"weights ([0-9a-f]{12})", said)
    assert found, said
    return found.group(1)
