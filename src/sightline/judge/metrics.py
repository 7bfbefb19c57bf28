"""Which figures judge which task, and why: one table for evaluation, card and documentation.

The choices follow Metrics Reloaded (Maier-Hein, Reinke et al., Nature Methods 2024, doi
10.1038/s41592-023-02151-z) for images of which one knows no more than the task. The first metric
of a task is the one that strata, gates and comparisons go by.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.errors import UnknownName
from sightline.judge import calibration, free_response, ordinal, ranking
from sightline.judge.resampling import (
    Statistic,
    figure_by_subjects,
    mean_of_statistics,
    subject_means,
)
from sightline.values.evaluation import (
    ALL_CLASSES,
    AmountNumbers,
    CandidateNumbers,
    Figure,
    MaskNumbers,
    MetricFigure,
    Numbers,
    PictureNumbers,
    ProbabilityNumbers,
    ScoredExample,
)

TOLERANCE_MM = 2.0
"""Surfaces no farther apart count as one: about what two readers differ by."""

COVERAGE = 0.8
SPECIFICITY = 0.9

Build: TypeAlias = Callable[[Sequence[Numbers], Sequence[str]], Statistic]
"""Makes a statistic of the numbers of one class and whose they are."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One figure.

    Attributes:
        unit: empty where it is a share or an index.
        why: what it tells, and what it hides.
        is_more_better: whether a greater figure is a better one.
        build: makes its statistic.
        value: of one example; None where it is a figure of many examples together.
        chance: what a model that knows nothing reaches.
    """

    name: str
    title: str
    why: str
    build: Build
    unit: str = ""
    is_more_better: bool = True
    value: Callable[[Numbers], float | None] | None = None
    chance: float = 0.0

    def scored(self, found: Sequence[Numbers]) -> npt.NDArray[np.bool_]:
        """Tell which examples count."""
        if self.value is None:
            return np.ones(len(found), bool)
        return np.array([self.value(each) is not None for each in found], dtype=bool)


def is_more_better(metric: str) -> bool:
    """Tell whether a greater figure of a metric is a better one; true of one that nobody knows."""
    known = {each.name: each.is_more_better for listed in METRICS.values() for each in listed}
    return known.get(metric, True)


def metrics_of(task: str) -> tuple[Metric, ...]:
    """Return the metrics of a kind of task, the gated one first.

    Raises:
        UnknownName: Nobody said how to judge that task.
    """
    if task not in METRICS:
        raise UnknownName(
            f"no metrics are chosen for the task {task!r}",
            hint=f"Known: {', '.join(sorted(METRICS))}. Add a line to sightline.judge.metrics.",
        )
    return METRICS[task]


def metric_of(task: str, name: str) -> Metric:
    """Return one metric of a task.

    Raises:
        UnknownName: The task has no such metric.
    """
    found = next((each for each in metrics_of(task) if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in metrics_of(task))
        raise UnknownName(f"{task} is not judged by {name!r}", hint=f"Known: {known}.")
    return found


def statistic_of(metric: Metric, examples: Sequence[ScoredExample], class_name: str) -> Statistic:
    """Return a metric of one class, or the mean over the classes, as a statistic of examples."""
    subjects = [example.subject_id for example in examples]
    by_class = numbers_by_class(examples)
    if class_name != ALL_CLASSES:
        return metric.build(by_class[class_name], subjects)
    return mean_of_statistics([metric.build(found, subjects) for found in by_class.values()])


def figure_of(
    metric: Metric, examples: Sequence[ScoredExample], class_name: str = ALL_CLASSES
) -> Figure:
    """Return a metric of one class, or the mean over the classes, with its interval."""
    by_class = numbers_by_class(examples)
    chosen = by_class if class_name == ALL_CLASSES else {class_name: by_class[class_name]}
    scored = np.any([metric.scored(found) for found in chosen.values()], axis=0)
    return figure_by_subjects(
        statistic_of(metric, examples, class_name),
        [example.subject_id for example in examples],
        scored=scored,
    )


def figures_of(
    metrics: Sequence[Metric], examples: Sequence[ScoredExample], classes: Sequence[str]
) -> tuple[MetricFigure, ...]:
    """Return metrics, each over all classes and for every class."""
    names = [ALL_CLASSES, *classes]
    return tuple(
        MetricFigure(metric=metric.name, class_name=name, figure=figure_of(metric, examples, name))
        for metric in metrics
        for name in names
    )


def numbers_by_class(examples: Sequence[ScoredExample]) -> dict[str, list[Numbers]]:
    """Return the numbers of each class, in the order of the examples."""
    found: dict[str, list[Numbers]] = {}
    for example in examples:
        for numbers in example.numbers:
            found.setdefault(numbers.class_name, []).append(numbers)
    return found


def _mean(value: Callable[[Numbers], float | None]) -> Build:
    def build(found: Sequence[Numbers], subjects: Sequence[str]) -> Statistic:
        values = [value(each) for each in found]
        known = np.array([np.nan if each is None else each for each in values], dtype=np.float64)
        return subject_means(known, subjects)

    return build


def _per_example(
    name: str,
    title: str,
    why: str,
    *,
    value: Callable[[Numbers], float | None],
    unit: str = "",
    is_more_better: bool = True,
) -> Metric:
    return Metric(
        name=name,
        title=title,
        why=why,
        build=_mean(value),
        unit=unit,
        is_more_better=is_more_better,
        value=value,
    )


def _attribute(name: str) -> Callable[[Numbers], float | None]:
    def value(numbers: Numbers) -> float | None:
        found: float | None = getattr(numbers, name)
        return found

    return value


def _volume_error(numbers: Numbers) -> float | None:
    return abs(numbers.answer_ml - numbers.truth_ml) if isinstance(numbers, MaskNumbers) else None


def _amount_error(numbers: Numbers) -> float | None:
    return abs(numbers.answer - numbers.truth) if isinstance(numbers, AmountNumbers) else None


def _scores(
    make: Callable[[npt.NDArray[np.float64], npt.NDArray[np.bool_]], Statistic],
) -> Build:
    def build(found: Sequence[Numbers], subjects: Sequence[str]) -> Statistic:  # noqa: ARG001 - a Build
        return make(*scores_and_truths(found))

    return build


def scores_and_truths(
    found: Sequence[Numbers],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the probabilities of one class, and whether it holds."""
    known = [each for each in found if isinstance(each, ProbabilityNumbers)]
    scores = np.array([each.score for each in known], dtype=np.float64)
    return scores, np.array([each.truth for each in known], dtype=bool)


def _answered(scores: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]) -> Statistic:
    return calibration.loss_at_coverage(
        (scores - truths) ** 2, np.abs(scores - 0.5), coverage=COVERAGE
    )


def _marks(make: Callable[[Sequence[CandidateNumbers]], Statistic]) -> Build:
    def build(found: Sequence[Numbers], subjects: Sequence[str]) -> Statistic:  # noqa: ARG001 - a Build
        return make([each for each in found if isinstance(each, CandidateNumbers)])

    return build


def _amounts(
    make: Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], Statistic],
) -> Build:
    def build(found: Sequence[Numbers], subjects: Sequence[str]) -> Statistic:  # noqa: ARG001 - a Build
        known = [each for each in found if isinstance(each, AmountNumbers)]
        answers = np.array([each.answer for each in known], dtype=np.float64)
        return make(answers, np.array([each.truth for each in known], dtype=np.float64))

    return build


def _mean_error(numbers: Numbers) -> float | None:
    return numbers.mean_error if isinstance(numbers, PictureNumbers) else None


_AMOUNT_ERROR = _per_example(
    "mean_absolute_error",
    "mean absolute error",
    "in the unit of what is measured, so that a reader can weigh it",
    value=_amount_error,
    is_more_better=False,
)

METRICS: dict[str, tuple[Metric, ...]] = {
    "segment": (
        _per_example(
            "dice",
            "Dice",
            "overlap; falls fast for small structures, says nothing of where the surfaces part",
            value=_attribute("dice"),
        ),
        _per_example(
            "nsd",
            "surface Dice",
            f"share of both surfaces within {TOLERANCE_MM:g} mm of the other; the rest is what a "
            "reader would have to redraw",
            value=_attribute("nsd"),
        ),
        _per_example(
            "hd95_mm",
            "HD95",
            "95th percentile of the distance of the surfaces; left out where one is empty",
            value=_attribute("hd95_mm"),
            unit="mm",
            is_more_better=False,
        ),
        _per_example(
            "volume_error_ml",
            "volume error",
            "mean absolute difference: what is reported and followed over time",
            value=_volume_error,
            unit="ml",
            is_more_better=False,
        ),
    ),
    "classify": (
        Metric(
            name="auroc",
            title="AUROC",
            why="how well positives outrank negatives; does not depend on how many there are",
            build=_scores(ranking.auroc),
            chance=0.5,
        ),
        Metric(
            name="auprc",
            title="average precision",
            why="as a reader of a worklist meets it; rises with the share of positives",
            build=_scores(ranking.auprc),
        ),
        Metric(
            name="sensitivity_at_specificity",
            title=f"sensitivity at {100 * SPECIFICITY:.0f} % specificity",
            why="one point of use, found on these examples: optimistic for others",
            build=_scores(lambda s, t: ranking.sensitivity_at(s, t, specificity=SPECIFICITY)),
        ),
        Metric(
            name="brier",
            title="Brier score",
            why="a proper score: punishes wrong ranks and wrong probabilities alike",
            build=_scores(calibration.brier),
            is_more_better=False,
        ),
        Metric(
            name="calibration_error",
            title="calibration error",
            why="how far probabilities are from frequencies, in ten bins; biased upwards when few",
            build=_scores(calibration.expected_calibration_error),
            is_more_better=False,
        ),
        Metric(
            name="brier_answered",
            title=f"Brier score of the surest {100 * COVERAGE:.0f} %",
            why="what is gained by leaving the unsure to a reader",
            build=_scores(_answered),
            is_more_better=False,
        ),
    ),
    "detect": (
        Metric(
            name="cpm",
            title="FROC score",
            why="mean sensitivity at 1/8 to 8 false positives an example: all lesions count alike",
            build=_marks(free_response.competition_metric),
        ),
        Metric(
            name="sensitivity_at_half",
            title="sensitivity at one false positive in two examples",
            why="one point of use of the same curve",
            build=_marks(lambda found: free_response.sensitivity_at_rate(found, 0.5)),
        ),
        Metric(
            name="sensitivity_at_two",
            title="sensitivity at two false positives an example",
            why="one point of use of the same curve",
            build=_marks(lambda found: free_response.sensitivity_at_rate(found, 2.0)),
        ),
    ),
    "grade": (
        Metric(
            name="weighted_kappa",
            title="weighted kappa",
            why="agreement beyond chance; two grades apart weighs four times one (quadratic)",
            build=_amounts(ordinal.weighted_kappa),
        ),
        _AMOUNT_ERROR,
    ),
    "regress": (
        _AMOUNT_ERROR,
        Metric(
            name="bias",
            title="bias",
            why="mean signed difference: what averaging over many does not remove",
            build=_amounts(ordinal.bias),
        ),
        Metric(
            name="correlation",
            title="rank correlation",
            why="whether more is called more, whatever the unit",
            build=_amounts(ordinal.rank_correlation),
        ),
    ),
    "restore": (
        _per_example(
            "ssim",
            "structural similarity",
            "of local patterns; kind to a smoothed image",
            value=_attribute("ssim"),
        ),
        _per_example(
            "psnr_db",
            "PSNR",
            "of the squared error; blind to where it is",
            value=_attribute("psnr_db"),
            unit="dB",
        ),
        _per_example(
            "mean_absolute_error",
            "mean absolute error",
            "in the unit of the image",
            value=_mean_error,
            is_more_better=False,
        ),
    ),
}
"""By kind of task."""
