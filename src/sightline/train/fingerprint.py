"""What a collection looks like: everything that a plan is decided from."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sightline.errors import Refused
from sightline.feed.example import Example
from sightline.feed.foreground import read_mask
from sightline.prepare.grid import NetworkGrid

# One voxel in so many of every class is looked at; fewer where all together would be too many.
_STRIDE = 7
_MOST_VALUES = 20_000_000
_NUMBERS = 256


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """Shapes, spacings and intensities; axes are (head-foot, front-back, side).

    Attributes:
        median_shape: of the volumes, in their own voxels.
        median_spacing_mm: of their voxels.
        thin_spacing_mm: 10th percentile of each axis.
        class_range: 0.5 and 99.5 per cent points of what the classes cover, in the unit of the
            modality.
        class_ml: median volume of each class where it is present, in millilitres; 0 if never.
        class_subjects: how many examples hold each class.
        largest_mm: the greatest extent along each axis.
        scales: mean and deviation of each number that whole images are taught with.
    """

    examples: int
    subjects: int
    modality: str
    median_shape: tuple[int, int, int]
    median_spacing_mm: tuple[float, float, float]
    thin_spacing_mm: tuple[float, float, float]
    class_range: tuple[float, float]
    class_ml: tuple[float, ...]
    class_subjects: tuple[int, ...]
    largest_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scales: tuple[tuple[float, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return dataclasses.asdict(self)


def take_fingerprint(examples: Sequence[Example], classes: tuple[str, ...]) -> Fingerprint:
    """Look at every example once.

    Raises:
        Refused: There is no example, one has no annotation, or modalities differ.
    """
    modalities = sorted({example.modality for example in examples})
    if len(modalities) != 1:
        raise Refused(
            f"the training split holds {' and '.join(modalities) or 'no annotated series'}",
            hint="Train on a collection version with annotated series of one modality.",
        )
    grids = [NetworkGrid.over(each.geometry, each.geometry.spacing_mm) for each in examples]
    most = max(1, _MOST_VALUES // len(examples))
    looks = [_look(example, len(classes), most) for example in examples]
    volumes = np.array([look.class_ml for look in looks])
    covered = np.concatenate([look.values for look in looks])
    low, high = np.quantile(covered, [0.005, 0.995]) if covered.size else (0.0, 0.0)
    shapes = np.array([grid.source_shape for grid in grids])
    spacings = np.array([_spacing(each, grid) for each, grid in zip(examples, grids, strict=True)])
    shape, spacing = np.median(shapes, axis=0), np.median(spacings, axis=0)
    thin = np.quantile(spacings, 0.1, axis=0)
    largest = (shapes * spacings).max(axis=0)
    return Fingerprint(
        examples=len(examples),
        subjects=len({example.subject_id for example in examples}),
        modality=modalities[0],
        median_shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        median_spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        thin_spacing_mm=(float(thin[0]), float(thin[1]), float(thin[2])),
        class_range=(float(low), float(high)),
        class_ml=tuple(_median_present(volumes[:, index]) for index in range(len(classes))),
        class_subjects=tuple(int((volumes[:, index] > 0).sum()) for index in range(len(classes))),
        largest_mm=(float(largest[0]), float(largest[1]), float(largest[2])),
        scales=_scales(examples),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Look:
    class_ml: list[float]
    values: np.ndarray


def _scales(examples: Sequence[Example]) -> tuple[tuple[float, float], ...]:
    taught = [example.numbers for example in examples if example.numbers is not None]
    if not taught:
        return ()
    table = np.array(taught, dtype=np.float64)
    return tuple(zip(table.mean(axis=0).tolist(), table.std(axis=0).tolist(), strict=True))


def _look(example: Example, class_count: int, most: int) -> _Look:
    if example.mask is None and example.is_annotated:
        counts = np.zeros(class_count, dtype=np.int64)
        where = np.arange(0, math.prod(example.volume.shape), _STRIDE)
    else:
        mask = read_mask(example)
        numbers = np.bincount(mask.ravel(), minlength=_NUMBERS)[1:]
        if example.statement is not None:
            # Every place has a number of its own; those of a class lie so far apart.
            numbers = np.pad(numbers, (0, -len(numbers) % class_count))
            numbers = numbers.reshape(-1, class_count).sum(axis=0)
        counts = numbers[:class_count]
        where = np.flatnonzero(mask)[::_STRIDE]
    where = where[:: max(1, math.ceil(len(where) / most))]
    stored = example.volume.read().ravel()[where]
    return _Look(
        [float(count) * example.geometry.voxel_ml for count in counts],
        stored.astype(np.float64) * example.slope + example.intercept,
    )


def _spacing(example: Example, grid: NetworkGrid) -> list[float]:
    return [example.geometry.spacing_mm[axis] for axis in grid.axes]


def _median_present(volumes: np.ndarray) -> float:
    present = volumes[volumes > 0]
    return float(np.median(present)) if present.size else 0.0
