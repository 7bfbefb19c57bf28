"""Everything that follows from the numbers of examples, put together."""

from collections.abc import Sequence

import numpy as np

from sightline.judge.calibration import reliability, risk_coverage
from sightline.judge.free_response import froc_points
from sightline.judge.metrics import figures_of, metrics_of, numbers_by_class, scores_and_truths
from sightline.judge.ranking import roc_points
from sightline.judge.resampling import REPLICATES
from sightline.judge.shortcuts import check_shortcuts
from sightline.judge.strata import strata_of
from sightline.values.evaluation import (
    CandidateNumbers,
    Comparison,
    CurveOf,
    Evaluation,
    Exhibit,
    MaskNumbers,
    ProbabilityNumbers,
    ProbeFigure,
    Reliability,
    ScoredExample,
)

_NOTE = (
    f"Intervals are 95 % bootstraps of {REPLICATES} resamples of whole subjects: they "
    "tell how much the figures depend on who was tested here, not how the model does elsewhere. "
    "What is in neither mask is left out of Dice. Research use only."
)


def evaluation_of(
    task: str,
    examples: Sequence[ScoredExample],
    *,
    classes: Sequence[str],
    probes: Sequence[ProbeFigure] = (),
    exhibits: Sequence[Exhibit] = (),
    comparisons: Sequence[Comparison] = (),
) -> Evaluation:
    """Work out figures, strata, calibration, curves and the shortcut check.

    Args:
        task: kind of the task.
        examples: what the model reached.
        classes: that are scored.
        probes: what it reached on images from which something was taken away.
        exhibits: its worst examples.
        comparisons: with another model.

    Raises:
        UnknownName: Nobody said how to judge that task.
    """
    metrics = metrics_of(task)
    return Evaluation(
        task=task,
        classes=tuple(classes),
        subjects=len({example.subject_id for example in examples}),
        examples=tuple(examples),
        figures=figures_of(metrics, examples, classes),
        strata=strata_of(metrics[0], examples),
        reliability=_reliability(examples),
        curves=_curves(examples),
        shortcuts=check_shortcuts(examples, probes),
        exhibits=tuple(exhibits),
        comparisons=tuple(comparisons),
        note=_NOTE,
    )


def _reliability(examples: Sequence[ScoredExample]) -> tuple[Reliability, ...]:
    return tuple(
        Reliability(class_name=name, bins=reliability(*scores_and_truths(found)))
        for name, found in numbers_by_class(examples).items()
        if isinstance(found[0], ProbabilityNumbers)
    )


def _curves(examples: Sequence[ScoredExample]) -> tuple[CurveOf, ...]:
    curves = []
    for name, found in numbers_by_class(examples).items():
        if isinstance(found[0], ProbabilityNumbers):
            scores, truths = scores_and_truths(found)
            x, y = roc_points(scores, truths)
            curves.append(CurveOf(kind="roc", class_name=name, x=x, y=y))
            x, y = risk_coverage((scores - truths) ** 2, np.abs(scores - 0.5))
            curves.append(CurveOf(kind="coverage", class_name=name, x=x, y=y))
        marked = [each for each in found if isinstance(each, CandidateNumbers)]
        if marked:
            x, y = froc_points(marked)
            curves.append(CurveOf(kind="froc", class_name=name, x=x, y=y))
    return tuple(each for each in [*curves, *_mask_coverage(examples)] if each.x)


def _mask_coverage(examples: Sequence[ScoredExample]) -> list[CurveOf]:
    """Return the loss of the surest masks, where the model tells how sure it is."""
    known = [
        (1 - float(np.mean(dice)), example.confidence)
        for example in examples
        if example.confidence is not None
        and (
            dice := [
                each.dice
                for each in example.numbers
                if isinstance(each, MaskNumbers) and each.dice is not None
            ]
        )
    ]
    if not known:
        return []
    losses, confidence = (np.array(each, dtype=np.float64) for each in zip(*known, strict=True))
    x, y = risk_coverage(losses, confidence)
    return [CurveOf(kind="coverage", class_name="", x=x, y=y)]
