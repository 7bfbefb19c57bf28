"""Intervals by drawing whole subjects again: what one subject brings is never independent.

A statistic takes weights, one an example, for many resamples at once: an example of a subject that
was drawn twice weighs 2. So means, ranks and curves are all resampled by the same few lines.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.values.evaluation import Figure

Weights: TypeAlias = npt.NDArray[np.float64]
"""(resamples, examples)."""

Values: TypeAlias = npt.NDArray[np.float64]
"""(resamples,); NaN where a resample cannot be scored."""

Statistic: TypeAlias = Callable[[Weights], Values]

REPLICATES = 2000
_TAIL = 0.025
_SEED = 20_240_501
# What a chunk of weights holds at most.
_CHUNK_VALUES = 4_000_000
# Of fewer resamples an interval is not told.
_LEAST_SCORED_SHARE = 0.5


def figure_by_subjects(
    statistic: Statistic,
    subjects: Sequence[str],
    *,
    scored: npt.NDArray[np.bool_] | None = None,
    replicates: int = REPLICATES,
) -> Figure:
    """Return a statistic of all examples and its 95 % interval over subjects.

    The same arguments give the same figure. Of fewer than two subjects there is no interval.

    Args:
        statistic: what is wanted.
        subjects: whose each example is.
        scored: which examples could be scored; None for all.
        replicates: how often subjects are drawn.
    """
    count = len(subjects)
    is_scored = np.ones(count, bool) if scored is None else scored
    named = np.asarray(subjects, dtype=str)
    counted = len(set(named[is_scored].tolist()))
    value = float(statistic(np.ones((1, count)))[0]) if counted else float("nan")
    if np.isnan(value):
        return Figure(value=None, low=None, high=None, subjects=counted)
    low, high = _interval(statistic, named, replicates) if counted > 1 else (None, None)
    return Figure(value=value, low=low, high=high, subjects=counted)


def _interval(
    statistic: Statistic, subjects: npt.NDArray[np.str_], replicates: int
) -> tuple[float | None, float | None]:
    values = np.concatenate([statistic(each) for each in _resamples(subjects, replicates)])
    if np.isnan(values).mean() > 1 - _LEAST_SCORED_SHARE:
        return None, None
    tail = _tail(len(np.unique(subjects)))
    low, high = np.nanquantile(values, (tail, 1 - tail))
    return float(low), float(high)


def _tail(subjects: int) -> float:
    """Return what to leave out on each side, less than 2.5 % where subjects are few.

    Plain percentiles of few are too narrow, as a normal interval is beside Student's: this takes
    as much further out (Hesterberg, 2015, doi 10.1080/00031305.2015.1089789, section 4.3).
    """
    freedom = subjects - 1
    z = statistics.NormalDist().inv_cdf(1 - _TAIL)
    # Student's quantile as a series in 1 / freedom (Abramowitz and Stegun, 26.7.5).
    student = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return statistics.NormalDist().cdf(-student * math.sqrt(subjects / freedom))


def _resamples(subjects: npt.NDArray[np.str_], replicates: int) -> Iterator[Weights]:
    """Give weights in chunks, so that many examples need no more memory than few."""
    names, place = np.unique(subjects, return_inverse=True)
    random = np.random.Generator(np.random.Philox(key=[_SEED, 0]))
    chunk = max(1, min(replicates, _CHUNK_VALUES // max(1, len(subjects))))
    for first in range(0, replicates, chunk):
        rows = min(chunk, replicates - first)
        drawn = random.integers(len(names), size=(rows, len(names)))
        flat = (drawn + np.arange(rows)[:, None] * len(names)).ravel()
        counts = np.bincount(flat, minlength=rows * len(names)).reshape(rows, len(names))
        yield counts[:, place].astype(np.float64)


def subject_means(values: npt.NDArray[np.float64], subjects: Sequence[str]) -> Statistic:
    """Return the mean over subjects of each subject's own mean; NaN values are left out."""
    scored = ~np.isnan(values)
    _, place = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    each = np.bincount(place, weights=scored.astype(np.float64))[place]
    share = np.divide(scored, each, out=np.zeros(len(values)), where=each > 0)
    sums = np.nan_to_num(values) * share

    def statistic(weights: Weights) -> Values:
        return ratio(weights @ sums, weights @ share)

    return statistic


def mean_of_statistics(statistics: Sequence[Statistic]) -> Statistic:
    """Return the mean of several, of those that can be scored in a resample."""

    def statistic(weights: Weights) -> Values:
        found = np.stack([each(weights) for each in statistics])
        scored = ~np.isnan(found)
        return ratio(np.nan_to_num(found).sum(axis=0), scored.sum(axis=0))

    return statistic


def ratio(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> Values:
    """Divide; NaN where there is nothing below."""
    blank = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    return np.asarray(np.divide(above, below, out=blank, where=below > 0))
