"""Training, repeating and comparing as a user calls them, on a small hub."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import structlog
from typer.testing import CliRunner

from sightline.cli.main import APP
from sightline.errors import BadRecipe, MissingDevice, Refused
from tests.train.hub import LABEL, TINY, fill, with_training

Call: TypeAlias = Callable[..., str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    fill(folder)
    (folder / "tiny.yaml").write_text(TINY.to_yaml())
    return folder


@pytest.fixture
def call(data: Path) -> Iterator[Call]:
    """Give a function that runs `sightline ...` in this process and returns what it printed."""

    def run(*arguments: str) -> str:
        place = ["--data-dir", str(data)]
        done = CliRunner(env={"SIGHTLINE_THREADS": "2"}).invoke(APP, [*place, *arguments])
        if done.exception is not None:
            raise done.exception
        return done.stdout

    yield run
    structlog.reset_defaults()  # the log was told to write to a stream that is gone


def test_a_run_is_trained_reproduced_and_compared(call: Call, data: Path) -> None:
    recipe = str(data / "tiny.yaml")
    said = call("train", recipe, "--on", LABEL)
    run_id = said.split(":")[0]
    assert "6 steps: the recipe" in said
    assert "bit for bit" in call("reproduce", run_id)
    assert call("runs").splitlines()[0].endswith("bit for bit")
    (data / "other.yaml").write_text(with_training(learning_rate=0.2).to_yaml())
    held = call("reproduce", run_id, "--check", "--recipe", str(data / "other.yaml"))
    assert held.splitlines() == ["recipe: training.learning_rate: 0.0 -> 0.2"]
    with pytest.raises(Refused, match=r"cannot be repeated: recipe: training\.learning_rate"):
        call("reproduce", run_id, "--recipe", str(data / "other.yaml"))
    page = data / "compared.html"
    assert "tiny@1" in call("compare", run_id, "--html", str(page))
    assert "tiny@1" in page.read_text()


@pytest.mark.gate
def test_folds_are_trained_and_told(call: Call, data: Path) -> None:
    said = call("train", str(data / "tiny.yaml"), "--on", LABEL, "--folds", "2")
    assert "fold 1/2: tiny-fold-1@1, Dice" in said
    assert "averages 2 networks; cross-validated Dice" in said
    parts = [line.split("\t")[5] for line in call("runs").splitlines()]
    assert {"2 folds"} <= set(parts)
    assert sum(part.startswith(("1/2 of run-", "2/2 of run-")) for part in parts) == 2


def test_what_cannot_be_is_said(call: Call, data: Path) -> None:
    recipe = str(data / "tiny.yaml")
    with pytest.raises(MissingDevice, match="cuda:9 was asked for"):
        call("train", recipe, "--on", LABEL, "--device", "cuda:9")
    (data / "typo.yaml").write_text(TINY.to_yaml().replace("learning_rate:", "learning_rat:"))
    with pytest.raises(BadRecipe, match=r"training\.learning_rat") as refusal:
        call("train", str(data / "typo.yaml"), "--on", LABEL)
    assert "training.learning_rate" in refusal.value.hint
