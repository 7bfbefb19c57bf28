"""A model against the truth, subject by subject, with intervals over subjects."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sightline.feed.example import Example
from sightline.feed.foreground import read_mask
from sightline.predict.engine import predict
from sightline.predict.model import Model
from sightline.tasks.contract import TASKS, ClassScore
from sightline.values.volume import Volume

_REPLICATES = 2000
_INTERVAL = (0.025, 0.975)
_SEED = 20_240_501


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean over subjects and its 95 % bootstrap interval; None where nothing could be scored.

    Attributes:
        subjects: how many could be scored.
    """

    mean: float | None
    low: float | None
    high: float | None
    subjects: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SeriesScore:
    """One example of the evaluation."""

    series_uid: str
    subject_id: str
    scores: tuple[ClassScore, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """A model on a set of examples.

    Attributes:
        dice: mean over classes; a subject's own mean is over the classes it could be scored in.
        volume_error_ml: mean absolute difference, by class.
        note: how to read it.
    """

    subjects: int
    dice: Interval
    dice_by_class: dict[str, Interval]
    volume_error_ml: dict[str, float]
    series: tuple[SeriesScore, ...]
    note: str = (
        "Dice is left out where a class is in neither mask; intervals are 95 % percentile "
        f"bootstraps of {_REPLICATES} resamples of subjects. Research use only."
    )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, with format and version."""
        by_class = {name: dataclasses.asdict(each) for name, each in self.dice_by_class.items()}
        return {
            "format": "sightline-evaluation",
            "version": 1,
            "subjects": self.subjects,
            "dice": {**dataclasses.asdict(self.dice), "by_class": by_class},
            "volume_error_ml": self.volume_error_ml,
            "series": [dataclasses.asdict(each) for each in self.series],
            "note": self.note,
        }


def evaluate(
    model: Model,
    examples: Sequence[Example],
    *,
    on_done: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Predict every example and score it.

    Args:
        model: what is evaluated.
        examples: annotated examples.
        on_done: called with the number of examples done.

    Raises:
        Refused: An example has no mask.
    """
    series = []
    for example in examples:
        series.append(score_example(model, example))
        on_done(len(series))
    classes = model.manifest.classes
    return _summarise(tuple(series), classes)


def score_example(model: Model, example: Example) -> SeriesScore:
    """Predict one example and score it.

    Raises:
        Refused: It has no mask.
    """
    truth = read_mask(example)
    volume = Volume(
        voxels=example.volume.read(),
        geometry=example.geometry,
        modality=example.modality,
        slope=example.slope,
        intercept=example.intercept,
    )
    answer = predict(model, volume)
    task = TASKS.get(model.manifest.plan.task)
    scores = task.score(
        answer.mask, truth, model.manifest.classes, voxel_ml=example.geometry.voxel_ml
    )
    return SeriesScore(series_uid=example.series_uid, subject_id=example.subject_id, scores=scores)


def _summarise(series: tuple[SeriesScore, ...], classes: tuple[str, ...]) -> Evaluation:
    subjects = sorted({each.subject_id for each in series})
    table = np.array([[_subject_dice(series, s, c) for c in classes] for s in subjects])
    table = table.reshape(len(subjects), len(classes))
    return Evaluation(
        subjects=len(subjects),
        dice=bootstrap_mean(table),
        dice_by_class={
            name: bootstrap_mean(table[:, index : index + 1]) for index, name in enumerate(classes)
        },
        volume_error_ml={name: _volume_error(series, name) for name in classes},
        series=series,
    )


def bootstrap_mean(table: npt.NDArray[np.float64]) -> Interval:
    """Return mean and interval of (subjects, classes); NaN is what could not be scored.

    The mean is over classes of the mean over subjects; whole subjects are drawn again.
    """
    scored = ~np.isnan(table)
    if not scored.any():
        return Interval(mean=None, low=None, high=None, subjects=0)
    random = np.random.Generator(np.random.Philox(key=[_SEED, 0]))
    drawn = random.integers(len(table), size=(_REPLICATES, len(table)))
    sums = np.nan_to_num(table)[drawn].sum(axis=1)
    counts = scored[drawn].sum(axis=1)
    means = _class_means(sums, counts)
    low, high = np.nanquantile(means, _INTERVAL)
    mean = _class_means(np.nan_to_num(table).sum(axis=0)[None], scored.sum(axis=0)[None])[0]
    return Interval(
        mean=float(mean),
        low=float(low),
        high=float(high),
        subjects=int(scored.any(axis=1).sum()),
    )


def _class_means(
    sums: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Average over the classes that were scored; NaN where a resample holds none."""
    is_scored = counts > 0
    by_class = np.divide(sums, counts, out=np.zeros_like(sums), where=is_scored)
    classes = is_scored.sum(axis=1)
    blank = np.full(len(sums), np.nan)
    return np.asarray(np.divide(by_class.sum(axis=1), classes, out=blank, where=classes > 0))


def _subject_dice(series: tuple[SeriesScore, ...], subject_id: str, class_name: str) -> float:
    found = [
        score.dice
        for each in series
        if each.subject_id == subject_id
        for score in each.scores
        if score.class_name == class_name and score.dice is not None
    ]
    return float(np.mean(found)) if found else float("nan")


def _volume_error(series: tuple[SeriesScore, ...], class_name: str) -> float:
    errors = [
        abs(score.volume_error_ml)
        for each in series
        for score in each.scores
        if score.class_name == class_name
    ]
    return float(np.mean(errors)) if errors else 0.0
