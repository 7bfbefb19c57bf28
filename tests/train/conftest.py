"""One short training that several tests look at."""

import dataclasses

import pytest

from sightline.feed.example import Example
from sightline.train.run import FittedModel, Splits, fit
from sightline.values.plan import Plan
from tests.learning import RECIPE, examples, planned


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
