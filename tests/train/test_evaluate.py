import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from sightline.predict.model import Model
from sightline.train.evaluate import bootstrap_mean, evaluate
from tests.train.conftest import Trained


@pytest.fixture
def model(trained: Trained, tmp_path: Path) -> Model:
    weights = tmp_path / "weights"
    weights.write_bytes(trained.fitted.weights)
    return Model.load(weights, trained.fitted.manifest)


def test_an_evaluation_names_every_series_and_class(trained: Trained, model: Model) -> None:
    done: list[int] = []
    found = evaluate(model, trained.held_out, on_done=done.append)
    assert done == [1, 2]
    assert found.subjects == 2
    assert {each.series_uid for each in found.series} == {"2.25.6", "2.25.7"}
    assert set(found.dice_by_class) == {"bright", "brighter"}
    content = json.loads(json.dumps(found.to_json()))
    assert content["dice"]["mean"] == found.dice.mean
    assert content["subjects"] == 2
    assert "Research use only" in content["note"]


def test_the_same_evaluation_twice_is_the_same(trained: Trained, model: Model) -> None:
    assert evaluate(model, trained.held_out) == evaluate(model, trained.held_out)


def test_scores_of_one_subject_are_one_subject(trained: Trained, model: Model) -> None:
    twice = [dataclasses.replace(each, subject_id="S-1") for each in trained.held_out]
    assert evaluate(model, twice).subjects == 1


def test_an_interval_agrees_with_the_normal_theory() -> None:
    table = np.random.default_rng(0).normal(0.8, 0.1, (200, 1))
    found = bootstrap_mean(table)
    assert found.mean == pytest.approx(float(table.mean()))
    half = 1.96 * table.std() / np.sqrt(200)
    assert found.low == pytest.approx(float(table.mean()) - half, abs=0.003)
    assert found.high == pytest.approx(float(table.mean()) + half, abs=0.003)


def test_what_could_not_be_scored_is_left_out() -> None:
    nan = float("nan")
    found = bootstrap_mean(np.array([[0.5, nan], [0.7, nan], [nan, nan], [nan, 0.2]]))
    assert found.mean == pytest.approx((0.6 + 0.2) / 2)
    assert found.subjects == 3
    nothing = bootstrap_mean(np.full((3, 2), nan))
    assert (nothing.mean, nothing.subjects) == (None, 0)
