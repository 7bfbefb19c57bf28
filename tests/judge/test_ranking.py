"""Areas under curves are those of scikit-learn, weighted or not."""

import numpy as np
import pytest
from sklearn import metrics

from sightline.judge.ranking import auprc, auroc, roc_points, sensitivity_at
from tests.judge.examples import separated


@pytest.mark.parametrize("seed", range(5))
def test_areas_are_those_of_scikit_learn(seed: int) -> None:
    scores, truths = separated(seed, 150)
    random = np.random.default_rng(seed)
    weights = np.stack([np.ones(150), random.integers(0, 4, 150)]).astype(float)
    for row, each in enumerate(weights):
        expected = metrics.roc_auc_score(truths, scores, sample_weight=each)
        assert auroc(scores, truths)(weights)[row] == pytest.approx(expected, abs=1e-12)
        expected = metrics.average_precision_score(truths, scores, sample_weight=each)
        assert auprc(scores, truths)(weights)[row] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("specificity", [0.5, 0.8, 0.9, 0.95])
def test_sensitivity_is_the_best_that_keeps_the_specificity(specificity: float) -> None:
    scores, truths = separated(7, 200)
    false, true, _ = metrics.roc_curve(truths, scores, drop_intermediate=False)
    expected = true[false <= 1 - specificity + 1e-12].max()
    found = sensitivity_at(scores, truths, specificity=specificity)(np.ones((1, 200)))
    assert found[0] == pytest.approx(expected)


def test_points_are_those_of_scikit_learn() -> None:
    scores, truths = separated(8, 100)
    false, true, _ = metrics.roc_curve(truths, scores, drop_intermediate=False)
    x, y = roc_points(scores, truths)
    assert x == pytest.approx(false)
    assert y == pytest.approx(true)


def test_without_one_of_the_two_nothing_is_scored() -> None:
    scores, once = np.array([0.1, 0.9]), np.ones((1, 2))
    for truths in (np.array([True, True]), np.array([False, False])):
        assert np.isnan(auroc(scores, truths)(once)[0])
        assert roc_points(scores, truths) == ((), ())
    assert np.isnan(auprc(scores, np.array([False, False]))(once)[0])
    assert np.isnan(sensitivity_at(scores, np.array([True, True]), specificity=0.9)(once)[0])
