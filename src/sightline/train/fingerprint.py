"""What a collection looks like: everything that a plan is decided from."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from sightline.errors import Refused
from sightline.feed.example import Example
from sightline.feed.foreground import read_mask
from sightline.prepare.grid import NetworkGrid

# One voxel in so many of every class is looked at.
_STRIDE = 7


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """Shapes, spacings and intensities; axes are (head-foot, front-back, side).

    Attributes:
        median_shape: of the volumes, in their own voxels.
        median_spacing_mm: of their voxels.
        class_range: 0.5 and 99.5 per cent points of what the classes cover, in the unit of the
            modality.
        class_ml: median volume of each class where it is present, in millilitres; 0 if never.
        class_subjects: how many examples hold each class.
    """

    examples: int
    subjects: int
    modality: str
    median_shape: tuple[int, int, int]
    median_spacing_mm: tuple[float, float, float]
    class_range: tuple[float, float]
    class_ml: tuple[float, ...]
    class_subjects: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return dataclasses.asdict(self)


def take_fingerprint(examples: Sequence[Example], classes: tuple[str, ...]) -> Fingerprint:
    """Look at every example once.

    Raises:
        Refused: There is no example, one has no mask, or modalities differ.
    """
    modalities = sorted({example.modality for example in examples})
    if len(modalities) != 1:
        raise Refused(
            f"the training split holds {' and '.join(modalities) or 'no annotated series'}",
            hint="Train on a collection version with annotated series of one modality.",
        )
    grids = [NetworkGrid.over(each.geometry, each.geometry.spacing_mm) for each in examples]
    looks = [_look(example, len(classes)) for example in examples]
    volumes = np.array([look.class_ml for look in looks])
    covered = np.concatenate([look.values for look in looks])
    low, high = np.quantile(covered, [0.005, 0.995]) if covered.size else (0.0, 0.0)
    shape = np.median([grid.source_shape for grid in grids], axis=0)
    spacing = np.median(
        [_spacing(each, grid) for each, grid in zip(examples, grids, strict=True)], axis=0
    )
    return Fingerprint(
        examples=len(examples),
        subjects=len({example.subject_id for example in examples}),
        modality=modalities[0],
        median_shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        median_spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        class_range=(float(low), float(high)),
        class_ml=tuple(_median_present(volumes[:, index]) for index in range(len(classes))),
        class_subjects=tuple(int((volumes[:, index] > 0).sum()) for index in range(len(classes))),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Look:
    class_ml: list[float]
    values: np.ndarray


def _look(example: Example, class_count: int) -> _Look:
    mask = read_mask(example)
    counts = np.bincount(mask.ravel(), minlength=class_count + 1)[1 : class_count + 1]
    where = np.flatnonzero(mask)[::_STRIDE]
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
