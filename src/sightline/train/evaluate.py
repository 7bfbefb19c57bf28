"""A model's answers to examples, as numbers against the truth."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from sightline.feed.example import Example
from sightline.feed.foreground import read_mask
from sightline.judge.metrics import TOLERANCE_MM, figures_of, metrics_of
from sightline.judge.surfaces import surface_distance
from sightline.predict.engine import answer
from sightline.predict.model import Model
from sightline.tasks.contract import TASKS, truth_of
from sightline.tasks.segment import member
from sightline.tasks.segment import scored as scored_parts
from sightline.values.answer import Answer
from sightline.values.arrays import Mask
from sightline.values.evaluation import Evaluation, MaskNumbers, ScoredExample
from sightline.values.volume import Segmentation, Volume


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What a model says of one example, beside the truth."""

    example: Example
    volume: Volume
    truth: Answer
    answer: Answer

    @property
    def masks(self) -> tuple[Mask, Mask] | None:
        """What is true and what was drawn; None where the task draws nothing."""
        true, drawn = self.truth.segmentation, self.answer.segmentation
        return None if true is None or drawn is None else (true.mask, drawn.mask)


def evaluate(
    model: Model,
    examples: Sequence[Example],
    *,
    on_done: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Predict every example and work out the first metric of the task, which is cheap.

    Args:
        model: what is evaluated.
        examples: annotated examples.
        on_done: called with the number of examples done.

    Raises:
        Refused: An example has no annotation.
    """
    scored = []
    for example in examples:
        scored.append(scored_example(model, answered(model, example)))
        on_done(len(scored))
    task = model.manifest.plan.task
    classes = scored_classes(scored)
    return Evaluation(
        task=task,
        classes=classes,
        subjects=len({each.subject_id for each in scored}),
        examples=tuple(scored),
        figures=figures_of(metrics_of(task)[:1], scored, classes),
    )


def scored_classes(scored: Sequence[ScoredExample]) -> tuple[str, ...]:
    """Return what was scored: classes, regions, or the one number of a task that has no classes."""
    return tuple(each.class_name for each in scored[0].numbers) if scored else ()


def answered(model: Model, example: Example) -> Answered:
    """Predict one example.

    Raises:
        Refused: It has no annotation.
    """
    volume = Volume(
        voxels=example.volume.read(),
        geometry=example.geometry,
        modality=example.modality,
        slope=example.slope,
        intercept=example.intercept,
    )
    return Answered(
        example=example,
        volume=volume,
        truth=truth_of_example(example, model.manifest.classes),
        answer=answer(model, volume),
    )


def truth_of_example(example: Example, classes: tuple[str, ...]) -> Answer:
    """Return what is true of an example, as an answer would say it.

    Raises:
        Refused: It has no annotation.
    """
    if example.image is not None:
        image = example.image.read() * example.slope + example.intercept
        return Answer(image=image.astype(np.float32))
    if example.statement is not None:
        return truth_of(example.statement)
    drawn = Segmentation(
        mask=read_mask(example), geometry=example.geometry, classes=classes, author="reader"
    )
    return Answer(segmentation=drawn)


def scored_example(model: Model, found: Answered) -> ScoredExample:
    """Compare an answer with the truth."""
    plan = model.manifest.plan
    masks = found.masks
    return ScoredExample(
        series_uid=found.example.series_uid,
        subject_id=found.example.subject_id,
        numbers=TASKS.get(plan.task).score(found.answer, found.truth, plan),
        lesion_ml=int((masks[0] > 0).sum()) * found.example.geometry.voxel_ml if masks else None,
    )


def with_surfaces(model: Model, scored: ScoredExample, found: Answered) -> ScoredExample:
    """Add how far the surfaces of each class are apart, which takes longer than overlap."""
    if found.masks is None:
        return scored
    true, drawn = found.masks
    spacing_mm = found.example.geometry.spacing_mm
    numbers = []
    for (_, members), each in zip(scored_parts(model.manifest.plan), scored.numbers, strict=True):
        if not isinstance(each, MaskNumbers):
            return scored
        distance = surface_distance(
            member(drawn, members),
            member(true, members),
            spacing_mm=spacing_mm,
            tolerance_mm=TOLERANCE_MM,
        )
        numbers.append(dataclasses.replace(each, hd95_mm=distance.hd95_mm, nsd=distance.nsd))
    return dataclasses.replace(scored, numbers=tuple(numbers))
