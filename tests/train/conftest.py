"""One short training that several tests look at."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.feed.example import Example
from sightline.hub.hub import Hub
from sightline.train.run import FittedModel, Splits, fit
from sightline.values.plan import Plan
from tests.learning import RECIPE, examples, planned
from tests.train.hub import fill


@dataclasses.dataclass(frozen=True)
class Trained:
    """What was trained, and on what."""

    splits: Splits
    held_out: list[Example]
    plan: Plan
    fitted: FittedModel


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    found = examples(folder, 8)
    splits = Splits(training=found[:4], validation=found[4:6])
    plan = planned(found[:4])
    fitted = fit(RECIPE, plan, splits, workdir=folder / "run", threads=2)
    return Trained(splits=splits, held_out=found[6:], plan=plan, fitted=fitted)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder whose `hub` holds a small collection; copy it, never use it."""
    folder = tmp_path_factory.mktemp("filled")
    fill(folder)
    return folder


@pytest.fixture(scope="module")
def folder(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the tests of a module a hub of their own."""
    own = tmp_path_factory.mktemp("own")
    shutil.copytree(filled / "hub", own / "hub")
    return own


@pytest.fixture
def hub(folder: Path) -> Iterator[Hub]:
    opened = Hub.at(folder / "hub")
    yield opened
    opened.close()
