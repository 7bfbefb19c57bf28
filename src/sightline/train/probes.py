"""Images from which something was taken away, to see what a model's answer rests on.

What is taken away is filled with noise of the mean and spread of what surrounds it: a flat patch
would show its own outline. Boxes, not outlines, are filled, for the same reason.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK

from sightline.values.volume import Volume

_Bits = npt.NDArray[np.bool_]
_SEED = 20_240_504
_MARGIN_SHARE = 0.25
_LEAST_MARGIN = 2
_FRAME_SHARE = 1 / 8
_NOISE_SHARE = 1 / 20


def without_region(volume: Volume, region: _Bits) -> Volume:
    """Return a volume in which each part of a region, and a margin around it, is filled.

    Args:
        volume: the image.
        region: (slices, rows, columns), where the anatomy or the target is.
    """
    hidden = np.zeros(region.shape, bool)
    for box in _boxes(region):
        hidden[box] = True
    return _filled(volume, hidden)


def border_only(volume: Volume) -> Volume:
    """Return a volume of which only a frame of an eighth of each side of a slice is left."""
    _, rows, columns = volume.voxels.shape
    hidden = np.zeros(volume.voxels.shape, bool)
    row, column = (max(1, round(size * _FRAME_SHARE)) for size in (rows, columns))
    hidden[:, row : rows - row, column : columns - column] = True
    return _filled(volume, hidden)


def slightly_changed(volume: Volume) -> Volume:
    """Return a volume with noise of a twentieth of its spread: what is there stays as it is."""
    random = np.random.Generator(np.random.Philox(key=[_SEED, 1]))
    spread = float(volume.voxels.std()) * _NOISE_SHARE
    changed = volume.voxels + random.normal(0, spread, volume.voxels.shape)
    return dataclasses.replace(volume, voxels=_as_type(changed, volume.voxels.dtype))


def _boxes(region: _Bits) -> Iterator[tuple[slice, slice, slice]]:
    """Give the box of each connected part, grown by a margin on every side that has room."""
    image = SimpleITK.GetImageFromArray(region.astype(np.uint8))
    parts = SimpleITK.ConnectedComponent(image, True)
    shapes = SimpleITK.LabelShapeStatisticsImageFilter()
    shapes.Execute(parts)
    for number in shapes.GetLabels():
        box = shapes.GetBoundingBox(number)
        spans = []
        for axis, size in enumerate(region.shape):
            first, length = box[2 - axis], box[5 - axis]
            margin = max(_LEAST_MARGIN, round(length * _MARGIN_SHARE)) if size > 1 else 0
            spans.append(slice(max(0, first - margin), min(size, first + length + margin)))
        yield spans[0], spans[1], spans[2]


def _filled(volume: Volume, hidden: _Bits) -> Volume:
    if not hidden.any():
        return volume
    voxels = volume.voxels.copy()
    around = _surroundings(hidden)
    # Where nothing is left around, noise of the whole image tells the least.
    known = voxels[around] if around.any() else voxels
    random = np.random.Generator(np.random.Philox(key=[_SEED, 0]))
    filling = random.normal(known.mean(), known.std(), int(hidden.sum()))
    voxels[hidden] = _as_type(filling, voxels.dtype)
    return dataclasses.replace(volume, voxels=voxels)


def _as_type(values: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)


def _surroundings(hidden: _Bits) -> _Bits:
    """Mark what is visible and within a few voxels of what is not."""
    near = hidden.copy()
    for axis in range(1, 3):
        for shift in range(1, _LEAST_MARGIN + 2):
            near |= _shifted(hidden, axis, shift) | _shifted(hidden, axis, -shift)
    return near & ~hidden


def _shifted(mask: _Bits, axis: int, by: int) -> _Bits:
    moved = np.zeros_like(mask)
    source, target = [slice(None)] * 3, [slice(None)] * 3
    source[axis] = slice(max(0, -by), mask.shape[axis] - max(0, by))
    target[axis] = slice(max(0, by), mask.shape[axis] - max(0, -by))
    moved[tuple(target)] = mask[tuple(source)]
    return moved
