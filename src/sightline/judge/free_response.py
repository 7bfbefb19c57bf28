"""Free-response curves: how many lesions are found at how many false positives an example.

As in Bunch et al. (1978), doi 10.1117/12.955926, and, for the seven rates and their mean (CPM),
Niemeijer et al. (2011), doi 10.1109/TMI.2010.2072789; without interpolation between thresholds.
"""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from sightline.judge.resampling import Statistic, Values, Weights, ratio
from sightline.values.evaluation import CandidateNumbers

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Marks:
    """All candidates by falling score: whose they are, and whether each finds a lesion first."""

    examples: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    finds: npt.NDArray[np.float64]
    is_false: npt.NDArray[np.float64]
    lesions: npt.NDArray[np.float64]

    @classmethod
    def of(cls, found: Sequence[CandidateNumbers]) -> Self:
        rows = [
            (each.score, place, each.lesion)
            for place, numbers in enumerate(found)
            for each in numbers.candidates
        ]
        rows.sort(key=lambda row: -row[0])
        seen: set[tuple[int, int]] = set()
        finds = np.zeros(len(rows))
        for index, (_, place, lesion) in enumerate(rows):
            # A second mark on one lesion is neither found nor false.
            if lesion is not None and (place, lesion) not in seen:
                seen.add((place, lesion))
                finds[index] = 1
        scores = np.array([row[0] for row in rows])
        is_new = np.append(True, scores[1:] != scores[:-1]) if rows else np.zeros(0, bool)
        return cls(
            examples=np.array([row[1] for row in rows], dtype=np.int64),
            starts=np.flatnonzero(is_new),
            finds=finds,
            is_false=np.array([float(row[2] is None) for row in rows]),
            lesions=np.array([float(numbers.lesions) for numbers in found]),
        )

    def curve(self, weights: Weights) -> tuple[Weights, Weights]:
        """Return false positives an example and sensitivity at each threshold, from none on."""
        of_marks = weights[:, self.examples]
        found, false = (
            np.add.reduceat(of_marks * each, self.starts, axis=1).cumsum(axis=1)
            if len(self.starts)
            else np.zeros((len(weights), 0))
            for each in (self.finds, self.is_false)
        )
        none = np.zeros((len(weights), 1))
        lesions, examples = weights @ self.lesions, weights.sum(axis=1)
        return (
            ratio(np.hstack([none, false]), examples[:, None]),
            ratio(np.hstack([none, found]), lesions[:, None]),
        )


def sensitivity_at_rate(found: Sequence[CandidateNumbers], rate: float) -> Statistic:
    """Return the best sensitivity at no more than `rate` false positives an example."""
    marks = _Marks.of(found)

    def statistic(weights: Weights) -> Values:
        return _reached(*marks.curve(weights), rate)

    return statistic


def competition_metric(found: Sequence[CandidateNumbers]) -> Statistic:
    """Return the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives an example."""
    marks = _Marks.of(found)

    def statistic(weights: Weights) -> Values:
        false, sensitivity = marks.curve(weights)
        return np.asarray(
            np.stack([_reached(false, sensitivity, rate) for rate in RATES]).mean(axis=0)
        )

    return statistic


def froc_points(found: Sequence[CandidateNumbers]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return false positives an example and sensitivities, from (0, 0); empty without lesions."""
    if not sum(each.lesions for each in found):
        return (), ()
    false, sensitivity = _Marks.of(found).curve(np.ones((1, len(found))))
    return tuple(false[0].tolist()), tuple(sensitivity[0].tolist())


def _reached(false: Weights, sensitivity: Weights, rate: float) -> Values:
    kept = np.where(false <= rate + _ROUNDING, sensitivity, -np.inf)
    best = kept.max(axis=1)
    return np.where(np.isfinite(best), best, np.nan)
