"""What follows from the numbers is put together, and is the same every time."""

import numpy as np
import pytest

from sightline.judge.evaluating import evaluation_of
from sightline.values.evaluation import Evaluation, ScoredExample
from tests.judge.examples import marks, masks, scores, separated


def test_of_masks() -> None:
    found = evaluation_of("segment", masks([0.5, 0.7, 0.9]), classes=("lesion",))
    assert found.headline.figure == found.figure("dice")
    assert found.figure("dice").value == pytest.approx(0.7)
    assert found.subjects == 3
    assert found.curves == ()
    assert "Research use only" in found.note
    assert Evaluation.from_json(found.to_json()) == found
    assert found == evaluation_of("segment", masks([0.5, 0.7, 0.9]), classes=("lesion",))


def test_of_masks_whose_model_tells_how_sure_it_is() -> None:
    examples = [
        ScoredExample(
            subject_id=each.subject_id,
            series_uid=each.series_uid,
            numbers=each.numbers,
            confidence=confidence,
        )
        for each, confidence in zip(masks([0.5, 0.7, 0.9]), (0.1, 0.5, 0.8), strict=True)
    ]
    (curve,) = evaluation_of("segment", examples, classes=("lesion",)).curves
    assert curve.kind == "coverage"
    assert curve.y == pytest.approx((0.1, 0.2, 0.3))


def test_of_probabilities() -> None:
    said, truths = separated(0, 100)
    found = evaluation_of("classify", scores(said, truths), classes=("tuberculosis",))
    assert [each.kind for each in found.curves] == ["roc", "coverage"]
    assert sum(each.examples for each in found.reliability[0].bins) == 100
    roc = found.curves[0]
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(found.headline.figure.value)


def test_of_candidates() -> None:
    examples = [
        ScoredExample(subject_id=f"S-{place}", series_uid=f"2.25.{place}", numbers=(numbers,))
        for place, numbers in enumerate(marks((1, [(0.9, 0)]), (1, [(0.5, None)])))
    ]
    found = evaluation_of("detect", examples, classes=("nodule",))
    assert [each.kind for each in found.curves] == ["froc"]
    assert found.headline.figure.value == pytest.approx(0.5)
