"""Two models on the same examples: the difference with its interval, and how likely by accident."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sightline.errors import Refused
from sightline.judge.metrics import (
    Metric,
    figure_of,
    metrics_of,
    numbers_by_class,
    statistic_of,
)
from sightline.judge.resampling import Values, Weights, figure_by_subjects, ratio
from sightline.values.evaluation import ALL_CLASSES, Comparison, ScoredExample

_SWAPS = 1000
_ROUNDING = 1e-12
_PART_VALUES = 4_000_000
_SEED = 20_240_502


def compare(
    task: str,
    own: Sequence[ScoredExample],
    others: Sequence[ScoredExample],
    *,
    classes: Sequence[str],
    other: str,
) -> tuple[Comparison, ...]:
    """Compare a model with another, metric by metric over all classes, and the first by class.

    Args:
        task: kind of the task.
        own: what the model reached.
        others: what the other one reached, on the same examples.
        classes: of the task.
        other: label of the other model.

    Raises:
        Refused: The two were asked for other examples, or answer with other classes.
    """
    paired = {example.series_uid: example for example in others}
    if len(own) != len(paired) or any(each.series_uid not in paired for each in own):
        raise Refused(
            f"{other} was not asked for the same examples",
            hint="Evaluate both on one version of a collection.",
        )
    aligned = [paired[each.series_uid] for each in own]
    if any(_names(a) != _names(b) for a, b in zip(own, aligned, strict=True)):
        raise Refused(
            f"{other} answers with other classes",
            hint="Compare models of one task and the same classes.",
        )
    first, *rest = metrics_of(task)
    wanted = [(first, name) for name in (ALL_CLASSES, *classes)]
    wanted += [(metric, ALL_CLASSES) for metric in rest]
    return tuple(
        _comparison(metric, list(own), aligned, class_name=name, other=other)
        for metric, name in wanted
    )


def _names(example: ScoredExample) -> tuple[str, ...]:
    return tuple(numbers.class_name for numbers in example.numbers)


def _comparison(
    metric: Metric,
    own: list[ScoredExample],
    others: list[ScoredExample],
    *,
    class_name: str,
    other: str,
) -> Comparison:
    ours = statistic_of(metric, own, class_name)
    theirs = statistic_of(metric, others, class_name)

    def difference(weights: Weights) -> Values:
        return ours(weights) - theirs(weights)

    subjects = [example.subject_id for example in own]
    return Comparison(
        other=other,
        metric=metric.name,
        class_name=class_name,
        own=figure_of(metric, own, class_name),
        others=figure_of(metric, others, class_name),
        difference=figure_by_subjects(difference, subjects),
        p=_chance(metric, own, others, class_name=class_name),
    )


def _chance(
    metric: Metric,
    own: list[ScoredExample],
    others: list[ScoredExample],
    *,
    class_name: str,
) -> float:
    """Swap the two models, subject by subject, and see how often as much comes out."""
    names, place = np.unique([example.subject_id for example in own], return_inverse=True)
    random = np.random.Generator(np.random.Philox(key=[_SEED, 0]))
    swaps = random.random((1 + _SWAPS, len(names))) < 0.5  # noqa: PLR2004 - a fair coin
    swaps[0] = False
    if metric.value is None:
        differences = np.array(
            [
                _difference(metric, *_swapped(own, others, swap[place]), class_name=class_name)
                for swap in swaps
            ]
        )
    else:
        ours = _subject_table(metric, own, place, class_name=class_name)
        theirs = _subject_table(metric, others, place, class_name=class_name)
        # In parts, so that many subjects need no more memory than few.
        parts = np.array_split(swaps, 1 + swaps.shape[0] * ours.size // _PART_VALUES)
        differences = np.concatenate([_mean_differences(ours, theirs, part) for part in parts])
    if np.isnan(differences[0]):
        return 1.0
    return float((differences >= differences[0] - _ROUNDING).mean())


def _swapped(
    own: list[ScoredExample], others: list[ScoredExample], swap: npt.NDArray[np.bool_]
) -> tuple[list[ScoredExample], list[ScoredExample]]:
    left, right = zip(
        *((b, a) if each else (a, b) for a, b, each in zip(own, others, swap, strict=True)),
        strict=True,
    )
    return list(left), list(right)


def _difference(
    metric: Metric, one: list[ScoredExample], other: list[ScoredExample], *, class_name: str
) -> float:
    once = np.ones((1, len(one)))
    found = [statistic_of(metric, each, class_name)(once)[0] for each in (one, other)]
    return float(abs(found[0] - found[1]))


def _subject_table(
    metric: Metric,
    examples: list[ScoredExample],
    place: npt.NDArray[np.int64],
    *,
    class_name: str,
) -> npt.NDArray[np.float64]:
    """Return (subjects, classes): the mean of each subject; NaN where it has none."""
    columns = []
    for name, found in numbers_by_class(examples).items():
        if metric.value is not None and class_name in {ALL_CLASSES, name}:
            values = [metric.value(each) for each in found]
            known = np.array([each is not None for each in values], dtype=np.float64)
            filled = np.array([each or 0.0 for each in values])
            columns.append(ratio(np.bincount(place, filled), np.bincount(place, known)))
    return np.stack(columns, axis=1)


def _mean_differences(
    ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], swaps: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return the difference, without its sign, for each way of swapping subjects."""
    means = []
    for one, other in ((ours, theirs), (theirs, ours)):
        table = np.where(swaps[:, :, None], other, one)
        by_class = ratio(np.nan_to_num(table).sum(axis=1), (~np.isnan(table)).sum(axis=1))
        scored = (~np.isnan(by_class)).sum(axis=1)
        means.append(ratio(np.nan_to_num(by_class).sum(axis=1), scored))
    return np.abs(means[0] - means[1])
