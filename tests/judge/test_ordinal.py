"""Grades and quantities, against scikit-learn and scipy."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from sightline.judge.ordinal import bias, rank_correlation, weighted_kappa

ONCE = np.ones((1, 80))


def grades() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    truths = random.integers(0, 5, 80).astype(float)
    return np.clip(truths + random.integers(-1, 2, 80), 0, 4), truths


def test_kappa_is_that_of_scikit_learn() -> None:
    answers, truths = grades()
    weights = np.random.default_rng(1).integers(0, 3, (1, 80)).astype(float)
    for each in (ONCE, weights):
        expected = cohen_kappa_score(answers, truths, weights="quadratic", sample_weight=each[0])
        assert weighted_kappa(answers, truths)(each)[0] == pytest.approx(expected)


def test_kappa_of_one_grade_is_not_told() -> None:
    assert np.isnan(weighted_kappa(np.ones(3), np.ones(3))(np.ones((1, 3)))[0])


def test_the_correlation_is_that_of_scipy() -> None:
    answers, truths = grades()
    expected = spearmanr(answers, truths).statistic
    assert rank_correlation(answers, truths)(ONCE)[0] == pytest.approx(expected)


def test_bias_keeps_its_sign() -> None:
    assert bias(np.array([1.0, 3.0]), np.array([2.0, 5.0]))(np.ones((1, 2)))[0] == -1.5
