"""Calibration and abstention, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from sightline.judge.calibration import (
    brier,
    expected_calibration_error,
    loss_at_coverage,
    reliability,
    risk_coverage,
)

ONCE = np.ones((1, 4000))


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw truths that hold as often as their probability says."""
    random = np.random.default_rng(seed)
    scores = random.random(4000)
    return scores, random.random(4000) < scores


def test_the_brier_score_is_that_of_scikit_learn() -> None:
    scores, truths = drawn(0)
    assert brier(scores, truths)(ONCE)[0] == pytest.approx(brier_score_loss(truths, scores))


def test_true_probabilities_are_calibrated_and_exaggerated_ones_are_not() -> None:
    scores, truths = drawn(1)
    assert expected_calibration_error(scores, truths)(ONCE)[0] < 0.02
    exaggerated = np.clip((scores - 0.5) * 2 + 0.5, 0, 1)
    assert expected_calibration_error(exaggerated, truths)(ONCE)[0] > 0.1


def test_the_error_by_hand() -> None:
    scores = np.array([0.1, 0.15, 0.8, 0.9, 1.0])
    truths = np.array([False, True, True, True, True])
    # Bins of 2, 1 and 2: |0.25 - 1|, |0.8 - 1|, |1.9 - 2| examples off, of five.
    expected = (0.75 + 0.2 + 0.1) / 5
    assert expected_calibration_error(scores, truths)(np.ones((1, 5)))[0] == pytest.approx(expected)
    bins = reliability(scores, truths)
    assert [each.examples for each in bins] == [2, 1, 2]
    assert (bins[0].score, bins[0].share) == pytest.approx((0.125, 0.5))


def test_leaving_out_the_unsure_leaves_less_loss() -> None:
    losses = np.array([0.9, 0.1, 0.5, 0.0])
    confidence = np.array([0.1, 0.8, 0.3, 0.9])
    coverage, risk = risk_coverage(losses, confidence)
    assert coverage == (0.25, 0.5, 0.75, 1.0)
    assert risk == pytest.approx((0.0, 0.05, 0.2, 0.375))
    half = loss_at_coverage(losses, confidence, coverage=0.5)
    assert half(np.ones((1, 4)))[0] == pytest.approx(0.05)
    # An example that was drawn twice counts twice.
    assert half(np.array([[0.0, 1, 1, 2]]))[0] == pytest.approx(0.0)
