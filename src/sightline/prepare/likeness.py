"""What a volume looks like, in numbers that tell whether a model learnt from such volumes.

A few slices are looked at, oriented as a network sees them; none of the numbers shows a patient.
"""

import itertools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.prepare.grid import NetworkGrid
from sightline.values.arrays import Voxels
from sightline.values.likeness import Likeness
from sightline.values.volume import Volume

_Values: TypeAlias = npt.NDArray[np.float32]

_HU = "HU"
_SLICES = 8
_CELLS = 6
_QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
# In HU: air in and around the body, fat and soft tissue, bone; and what only metal reaches.
_TISSUES = ((-np.inf, -500.0), (-150.0, 150.0), (250.0, np.inf))
_METAL_HU = 2500.0
# In other modalities a value means nothing by itself; one is as dark as nothing, or as bright as
# hardly anything.
_DARK, _BRIGHT = 0.05, 0.95
_SMALLEST = 1e-6


def likeness_of(volume: Volume, scanner: str = "") -> Likeness:
    """Return what a volume looks like.

    Args:
        volume: with one rescale for all its slices.
        scanner: manufacturer and model; empty where they are not recorded.
    """
    grid = NetworkGrid.over(volume.geometry, (0.0, 0.0, 0.0))
    values = _looked_at(grid.orient(volume.voxels)) * np.float32(volume.slope)
    values += np.float32(volume.intercept)
    low, high = np.quantile(values, (0.01, 0.99))
    scaled = np.clip((values - low) / max(float(high - low), _SMALLEST), 0, 1)
    spacing_mm = [volume.geometry.spacing_mm[axis] for axis in grid.axes]
    extent_mm = [n * mm for n, mm in zip(grid.source_shape, spacing_mm, strict=True)]
    is_in_hu = volume.unit == _HU
    return Likeness(
        traits={
            "values": _of_tissues(values) if is_in_hu else _of_brightness(scaled),
            "texture": _of_texture(scaled),
            "size": tuple(float(np.log(each)) for each in (*extent_mm, *spacing_mm)),
            "layout": _of_layout(scaled),
        },
        metal=float((values > _METAL_HU).mean()) if is_in_hu else 0.0,
        scanner=scanner,
    )


def _looked_at(voxels: Voxels) -> _Values:
    """Return slices from the first to the last tenth, evenly spaced."""
    last = len(voxels) - 1
    chosen = np.unique(np.linspace(0.1 * last, 0.9 * last, _SLICES).round().astype(int))
    values: _Values = voxels[chosen].astype(np.float32)
    return values


def _of_tissues(values: _Values) -> tuple[float, ...]:
    """Describe HU; a share of the voxels is worth as much as a range of a thousand."""
    shares = [((values > low) & (values < high)).mean() for low, high in _TISSUES]
    return (*(float(each) / 1000 for each in np.quantile(values, _QUANTILES)), *map(float, shares))


def _of_brightness(scaled: _Values) -> tuple[float, ...]:
    shares = [(scaled < _DARK).mean(), (scaled > _BRIGHT).mean()]
    return (*map(float, np.quantile(scaled, _QUANTILES)), *map(float, shares))


def _of_texture(scaled: _Values) -> tuple[float, ...]:
    """Measure noise and sharpness along rows and columns, each as a logarithm."""
    found = []
    for axis in (1, 2):
        if scaled.shape[axis] < 3:  # noqa: PLR2004 - a second difference takes three
            found += [0.0, 0.0]
            continue
        first, second = np.diff(scaled, axis=axis), np.diff(scaled, n=2, axis=axis)
        found += [float(np.log(np.abs(each).mean() + _SMALLEST)) for each in (first, second)]
    return tuple(found)


def _of_layout(scaled: _Values) -> tuple[float, ...]:
    """Return the mean of each of six parts along each axis."""
    cells: npt.NDArray[np.float32] = scaled
    for axis in range(3):
        count = cells.shape[axis]
        edges = np.linspace(0, count, _CELLS + 1)
        parts = [
            cells.take(range(int(a), max(int(np.ceil(b)), int(a) + 1)), axis=axis).mean(axis=axis)
            for a, b in itertools.pairwise(edges)
        ]
        cells = np.stack(parts, axis=axis)
    return tuple(float(each) for each in cells.ravel())
