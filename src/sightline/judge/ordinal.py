"""Grades and quantities against the truth, for weighted examples."""

import numpy as np
import numpy.typing as npt

from sightline.judge.resampling import Statistic, Values, Weights, ratio

_Amounts = npt.NDArray[np.float64]


def weighted_kappa(answers: _Amounts, truths: _Amounts) -> Statistic:
    """Return Cohen's kappa with quadratic weights (Cohen, 1968); NaN where all are of one grade."""
    grades = np.unique(np.concatenate([answers, truths]))
    said, held = (np.equal.outer(each, grades).astype(np.float64) for each in (answers, truths))
    costs = np.subtract.outer(grades, grades) ** 2
    differences = (answers - truths) ** 2

    def statistic(weights: Weights) -> Values:
        total = weights.sum(axis=1)
        expected = ((weights @ said) @ costs * (weights @ held)).sum(axis=1)
        return 1 - ratio((weights @ differences) * total, expected)

    return statistic


def bias(answers: _Amounts, truths: _Amounts) -> Statistic:
    """Return the mean of answer minus truth."""
    differences = answers - truths

    def statistic(weights: Weights) -> Values:
        return ratio(weights @ differences, weights.sum(axis=1))

    return statistic


def rank_correlation(answers: _Amounts, truths: _Amounts) -> Statistic:
    """Return Spearman's correlation, of the ranks that the examples have among all."""
    ranks = [ranks_of(each) for each in (answers, truths)]

    def statistic(weights: Weights) -> Values:
        total = weights.sum(axis=1)
        means = [ratio(weights @ each, total) for each in ranks]
        squares = [
            ratio(weights @ each**2, total) - mean**2
            for each, mean in zip(ranks, means, strict=True)
        ]
        shared = ratio(weights @ (ranks[0] * ranks[1]), total) - means[0] * means[1]
        return ratio(shared, np.sqrt(np.clip(squares[0] * squares[1], 0, None)))

    return statistic


def ranks_of(amounts: _Amounts) -> _Amounts:
    """Return ranks; equal amounts share the mean of theirs."""
    _, place, counts = np.unique(amounts, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return np.asarray((ends - (counts - 1) / 2)[place], dtype=np.float64)
