"""Readers of the same images, held against each other; and a model against them.

An empty annotation is a statement: the reader looked and marked nothing. Two of them agree, and
there is no contour to compare; one beside a marked one counts as Dice 0 where it counts at all.
Every figure says which of the two it is.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from sightline.errors import Refused
from sightline.hub.admission import volume_geometry
from sightline.hub.consensus import LEAST_READERS, marked_box, masks_of, merge
from sightline.hub.hub import Hub
from sightline.hub.readings import independent_readings
from sightline.judge.closeness import Bits, SpacingMm, compare, fleiss_kappa
from sightline.judge.resampling import REPLICATES, figure_by_subjects, subject_means
from sightline.values.agreement import (
    Agreement,
    AgreementFigure,
    ClassAgreement,
    Closeness,
    SeriesAgreement,
)
from sightline.values.arrays import Mask
from sightline.values.identity import HubSeriesUid, SubjectId
from sightline.values.reading import ConsensusMethod, Reading

_NOTE = (
    "Each subject weighs the same: its mean is over its series, a series's over its pairs of "
    f"readers. Intervals are 95 % bootstraps of {REPLICATES} resamples of subjects. "
    "Kappa is over the box that anybody marked, one voxel wider. Research use only."
)
# Where nobody marked anything one voxel says as much as all.
_NOTHING = (slice(0, 1), slice(0, 1), slice(0, 1))
_Values: TypeAlias = Callable[[ClassAgreement], list[float]]


def agree(
    hub: Hub,
    series_uids: Sequence[HubSeriesUid],
    *,
    classes: tuple[str, ...],
    method: ConsensusMethod = "majority",
    drawn: Mapping[HubSeriesUid, str] | None = None,
    on_done: Callable[[int], None] = lambda _: None,
) -> Agreement:
    """Compare the readers of each series with each other, and each with the rest.

    Args:
        hub: the store.
        series_uids: whose readers.
        classes: that the annotations mark, in this order.
        method: by which the consensus of the others is made where one is left out.
        drawn: the mask that a model drew of each series, which is held against the same
            consensuses; series it lacks are left out.
        on_done: called with the number of series done.

    Raises:
        Refused: No series has two readers of these classes.
        MissingExtra: Distances need the learning stack.
        DamagedObject: A mask is missing or broken.
    """
    readings = independent_readings(hub, series_uids, classes=classes)
    series: list[SeriesAgreement] = []
    alone: list[HubSeriesUid] = []
    for done, uid in enumerate(series_uids, start=1):
        found = readings.get(uid, [])
        if len(found) < LEAST_READERS:
            alone.append(uid)
        elif drawn is None or uid in drawn:
            series.append(_of_series(hub, found, method, drawn=drawn[uid] if drawn else None))
        on_done(done)
    if not series:
        raise Refused(
            f"no series has two readers of {', '.join(classes)}",
            hint="`sightline annotations list SERIES` shows what is there.",
        )
    return Agreement(
        series=tuple(series),
        figures=_figures(series, has_model=drawn is not None),
        alone=tuple(alone),
        note=_NOTE,
    )


def agree_on(
    masks: Sequence[Mask],
    authors: Sequence[str],
    *,
    classes: Sequence[str],
    method: ConsensusMethod,
    spacing_mm: SpacingMm | None,
    model: Mask | None = None,
) -> tuple[ClassAgreement, ...]:
    """Compare masks of one series, class by class.

    Args:
        masks: of each author, on one grid.
        authors: as many.
        classes: voxel k of a mask is `classes[k - 1]`.
        method: by which the consensus of the others is made.
        spacing_mm: of the grid; None measures no distances.
        model: what a model drew there.

    Raises:
        MissingExtra: Distances and STAPLE need the learning stack.
    """
    rest = [
        merge([*masks[:number], *masks[number + 1 :]], method, class_count=len(classes))
        for number in range(len(masks))
    ]
    box = marked_box(masks) or _NOTHING
    return tuple(
        ClassAgreement(
            class_name=name,
            authors=tuple(authors),
            marked=tuple(bool((mask == number).any()) for mask in masks),
            pairs=_pairs([mask[box] == number for mask in masks], spacing_mm),
            left_out=tuple(
                compare(mask[box] == number, other[box] == number, spacing_mm=spacing_mm)
                for mask, other in zip(masks, rest, strict=True)
            ),
            model=() if model is None else _against(model, rest, number, spacing_mm=spacing_mm),
            fleiss=fleiss_kappa([mask[box] == number for mask in masks]),
        )
        for number, name in enumerate(classes, start=1)
    )


def _of_series(
    hub: Hub, readings: Sequence[Reading], method: ConsensusMethod, *, drawn: str | None
) -> SeriesAgreement:
    arrays = [hub.array(each.mask_digest) for each in readings]
    model = hub.array(drawn) if drawn else None
    masks = masks_of(arrays if model is None else [*arrays, model])
    geometry = volume_geometry(arrays[0].attributes, arrays[0].shape)
    return SeriesAgreement(
        series_uid=readings[0].series_uid,
        subject_id=readings[0].subject_id,
        classes=agree_on(
            masks[: len(readings)],
            [each.author for each in readings],
            classes=readings[0].classes,
            method=method,
            spacing_mm=geometry.spacing_mm,
            model=masks[-1] if drawn else None,
        ),
    )


def _pairs(bits: Sequence[Bits], spacing_mm: SpacingMm | None) -> tuple[Closeness, ...]:
    return tuple(
        compare(one, other, spacing_mm=spacing_mm) for one, other in itertools.combinations(bits, 2)
    )


def _against(
    model: Mask, rest: Sequence[Mask], number: int, *, spacing_mm: SpacingMm | None
) -> tuple[Closeness, ...]:
    """Hold a model against what readers say; its own box, for it may mark what nobody did."""
    box = marked_box([model, *rest]) or _NOTHING
    return tuple(
        compare(model[box] == number, other[box] == number, spacing_mm=spacing_mm) for other in rest
    )


def _dice(compared: Sequence[Closeness], *, both_marked: bool) -> list[float]:
    return [
        each.dice
        for each in compared
        if each.dice is not None and (each.both_marked or not both_marked)
    ]


def _dice_of_three(found: ClassAgreement, *, of_model: bool) -> list[float]:
    """Take the cases that a reader, the others and the model marked: the same for both sides."""
    return [
        dice
        for reader, model in zip(found.left_out, found.model, strict=True)
        if reader.both_marked and model.both_marked
        if (dice := (model if of_model else reader).dice) is not None
    ]


def _known(values: Sequence[float | None]) -> list[float]:
    return [each for each in values if each is not None]


def _same_presence(found: ClassAgreement) -> list[float]:
    return [float(one == other) for one, other in itertools.combinations(found.marked, 2)]


_OF_READERS: dict[str, _Values] = {
    "Dice of two readers, both marked it": lambda f: _dice(f.pairs, both_marked=True),
    "the same on single slices": lambda f: [each for pair in f.pairs for each in pair.slice_dice],
    "Dice of two readers, 0 where one did not": lambda f: _dice(f.pairs, both_marked=False),
    "share of pairs that agree whether it is there": _same_presence,
    "Cohen's kappa of two readers": lambda f: _known([each.kappa for each in f.pairs]),
    "Fleiss' kappa of all readers": lambda f: _known([f.fleiss]),
    "HD95 of two readers, mm": lambda f: _known([each.hd95_mm for each in f.pairs]),
    "mean surface distance, mm": lambda f: _known([each.distance_mm for each in f.pairs]),
    "Dice of a reader with the others, both marked it": lambda f: _dice(
        f.left_out, both_marked=True
    ),
    "Dice of a reader with the others, 0 where one did not": lambda f: _dice(
        f.left_out, both_marked=False
    ),
}
_OF_MODEL: dict[str, _Values] = {
    "Dice of the model with the same others, both marked it": lambda f: _dice(
        f.model, both_marked=True
    ),
    "Dice of the model with the same others, 0 where one did not": lambda f: _dice(
        f.model, both_marked=False
    ),
    "all three marked it: Dice of a reader with the others": lambda f: _dice_of_three(
        f, of_model=False
    ),
    "all three marked it: Dice of the model with the others": lambda f: _dice_of_three(
        f, of_model=True
    ),
}


def _figures(series: Sequence[SeriesAgreement], *, has_model: bool) -> tuple[AgreementFigure, ...]:
    asked = _OF_READERS | (_OF_MODEL if has_model else {})
    names = [each.class_name for each in series[0].classes]
    return tuple(
        _figure(series, number, title=title, class_name=name, values=values)
        for number, name in enumerate(names)
        for title, values in asked.items()
    )


def _figure(
    series: Sequence[SeriesAgreement],
    number: int,
    *,
    title: str,
    class_name: str,
    values: _Values,
) -> AgreementFigure:
    by_subject: dict[SubjectId, list[float]] = {}
    for each in series:
        found = values(each.classes[number])
        if found:
            by_subject.setdefault(each.subject_id, []).append(float(np.mean(found)))
    # In an order that does not follow from names, which change with the key of the hub.
    means = np.sort([np.mean(found) for found in by_subject.values()])
    places = [f"{place:09}" for place in range(means.size)]
    figure = figure_by_subjects(subject_means(means, places), places)
    return AgreementFigure(title=title, class_name=class_name, figure=figure)
