"""How well scores separate: areas under curves and points on them, for weighted examples."""

import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt

from sightline.judge.resampling import Statistic, Values, Weights, ratio

# A rate that was summed from weights may miss its bound by a rounding error.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """Examples by falling score; those of one score count together.

    Attributes:
        order: of the examples.
        starts: where each score begins in that order.
        truths: whether the class holds, in that order.
    """

    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    truths: npt.NDArray[np.float64]

    @classmethod
    def of(cls, scores: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]) -> Self:
        """Sort once, for all resamples."""
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        is_new = np.append(True, falling[1:] != falling[:-1])
        return cls(
            order=order,
            starts=np.flatnonzero(is_new),
            truths=truths[order].astype(np.float64),
        )

    def counts(self, weights: Weights) -> tuple[Weights, Weights]:
        """Return (resamples, scores) of positives and of negatives at each score."""
        sorted_weights = weights[:, self.order]
        positives = np.add.reduceat(sorted_weights * self.truths, self.starts, axis=1)
        negatives = np.add.reduceat(sorted_weights * (1 - self.truths), self.starts, axis=1)
        return positives, negatives


def auroc(scores: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]) -> Statistic:
    """Return the area under the ROC curve: how often a positive outranks a negative."""
    ranking = Ranking.of(scores, truths)

    def statistic(weights: Weights) -> Values:
        positives, negatives = ranking.counts(weights)
        below = negatives.sum(axis=1, keepdims=True) - negatives.cumsum(axis=1)
        won = (positives * (below + negatives / 2)).sum(axis=1)
        return ratio(won, positives.sum(axis=1) * negatives.sum(axis=1))

    return statistic


def auprc(scores: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]) -> Statistic:
    """Return average precision: the area under the precision-recall curve, by steps."""
    ranking = Ranking.of(scores, truths)

    def statistic(weights: Weights) -> Values:
        positives, negatives = ranking.counts(weights)
        found = positives.cumsum(axis=1)
        precision = np.nan_to_num(ratio(found, found + negatives.cumsum(axis=1)))
        return ratio((positives * precision).sum(axis=1), positives.sum(axis=1))

    return statistic


def sensitivity_at(
    scores: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_], *, specificity: float
) -> Statistic:
    """Return the best sensitivity of thresholds that keep at least that specificity."""
    ranking = Ranking.of(scores, truths)

    def statistic(weights: Weights) -> Values:
        positives, negatives = ranking.counts(weights)
        all_negatives = negatives.sum(axis=1, keepdims=True)
        is_kept = negatives.cumsum(axis=1) <= (1 - specificity) * all_negatives + _ROUNDING
        found = (positives.cumsum(axis=1) * is_kept).max(axis=1)
        # Without negatives there is no specificity to keep.
        has_negatives = np.where(all_negatives[:, 0] > 0, positives.sum(axis=1), 0.0)
        return ratio(found, has_negatives)

    return statistic


def roc_points(
    scores: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return false positive rates and sensitivities, from (0, 0) to (1, 1); empty without both."""
    if truths.all() or not truths.any():
        return (), ()
    positives, negatives = Ranking.of(scores, truths).counts(np.ones((1, len(scores))))
    rates = [np.append(0.0, each[0].cumsum() / each[0].sum()) for each in (negatives, positives)]
    return tuple(rates[0].tolist()), tuple(rates[1].tolist())
