import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sightline.predict.model import Model
from sightline.train.evaluate import answered, evaluate, scored_example, with_surfaces
from sightline.values.answer import Answer
from sightline.values.evaluation import Evaluation, MaskNumbers
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
    assert {each.series_uid for each in found.examples} == {"2.25.6", "2.25.7"}
    assert set(found.by_class("dice")) == {"bright", "brighter"}
    # The first metric alone, which is cheap: a training asks for it again and again.
    assert {each.metric for each in found.figures} == {"dice"}
    assert Evaluation.from_json(found.to_json()) == found


def test_the_same_evaluation_twice_is_the_same(trained: Trained, model: Model) -> None:
    assert evaluate(model, trained.held_out) == evaluate(model, trained.held_out)


def test_scores_of_one_subject_are_one_subject(trained: Trained, model: Model) -> None:
    twice = [dataclasses.replace(each, subject_id="S-1") for each in trained.held_out]
    found = evaluate(model, twice)
    assert found.subjects == found.headline.figure.subjects == 1


def test_surfaces_are_measured_where_both_are(trained: Trained, model: Model) -> None:
    found = answered(model, trained.held_out[0])
    true = found.truth.segmentation
    assert true is not None
    moved = np.roll(np.where(true.mask == 1, 1, 0).astype(np.uint8), 1, axis=2)
    drawn = Answer(segmentation=dataclasses.replace(true, mask=moved))
    off = dataclasses.replace(found, answer=drawn)
    first, second = with_surfaces(model, scored_example(model, off), off).numbers
    assert isinstance(first, MaskNumbers)
    assert isinstance(second, MaskNumbers)
    # A box of six voxels that lies one column of 1 mm further.
    assert first.dice == pytest.approx(5 / 6)
    assert (first.hd95_mm, first.nsd) == (pytest.approx(1.0), 1.0)
    assert (second.dice, second.hd95_mm, second.nsd) == (0.0, None, 0.0)
    assert second.answer_ml == 0
    assert first.truth_ml == pytest.approx(6**3 * 1.5 / 1000)
