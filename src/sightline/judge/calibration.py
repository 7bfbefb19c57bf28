"""Whether a probability means what it says, and what is gained by leaving unsure answers out."""

import numpy as np
import numpy.typing as npt

from sightline.judge.resampling import Statistic, Values, Weights, ratio
from sightline.values.evaluation import ReliabilityBin

_BINS = 10


def brier(scores: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]) -> Statistic:
    """Return the mean squared difference between probability and truth."""
    losses = (scores - truths) ** 2

    def statistic(weights: Weights) -> Values:
        return ratio(weights @ losses, weights.sum(axis=1))

    return statistic


def expected_calibration_error(
    scores: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]
) -> Statistic:
    """Return the mean distance between probability and frequency over ten equal bins."""
    members = _members(scores)

    def statistic(weights: Weights) -> Values:
        said, held = weights @ (members * scores[:, None]), weights @ (members * truths[:, None])
        return ratio(np.abs(said - held).sum(axis=1), weights.sum(axis=1))

    return statistic


def reliability(
    scores: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]
) -> tuple[ReliabilityBin, ...]:
    """Return the bins that hold examples, by rising score."""
    return tuple(
        ReliabilityBin(
            score=float(scores[chosen].mean()),
            share=float(truths[chosen].mean()),
            examples=int(chosen.sum()),
        )
        for chosen in _members(scores).astype(bool).T
        if chosen.any()
    )


def risk_coverage(
    losses: npt.NDArray[np.float64], confidence: npt.NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return shares answered, rising, and the mean loss of the surest examples up to there."""
    order = np.argsort(-confidence, kind="stable")
    counts = np.arange(1, len(losses) + 1)
    means = losses[order].cumsum() / counts
    return tuple((counts / len(losses)).tolist()), tuple(means.tolist())


def loss_at_coverage(
    losses: npt.NDArray[np.float64], confidence: npt.NDArray[np.float64], *, coverage: float
) -> Statistic:
    """Return the mean loss of the surest share of the examples."""
    order = np.argsort(-confidence, kind="stable")
    ordered = losses[order]

    def statistic(weights: Weights) -> Values:
        sorted_weights = weights[:, order]
        room = coverage * weights.sum(axis=1, keepdims=True)
        before = sorted_weights.cumsum(axis=1) - sorted_weights
        taken = np.clip(room - before, 0, sorted_weights)
        return ratio(taken @ ordered, taken.sum(axis=1))

    return statistic


def _members(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (examples, bins): 1 where an example lies in a bin."""
    place = np.clip((scores * _BINS).astype(int), 0, _BINS - 1)
    return np.asarray(np.eye(_BINS)[place])
