"""Patches cut out of boxes of volumes, turned and bent, on this processor."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from sightline.feed.draws import Draw, is_straight
from sightline.prepare.grid import IndexMap, Lerp
from sightline.values.plan import Triple

_HALF = 0.5
_SLABS = 4
_ALONG = ("oi,aijk->aojk", "oj,aijk->aiok", "ok,aijk->aijo")


def cut(
    volume: torch.Tensor, mask: torch.Tensor, draw: Draw, *, patch: Triple
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut the patch of a draw from the box that was read; outside the volume it is 0.

    The volume is interpolated linearly, the mask takes the nearest voxel.

    Args:
        volume: float32 box `draw.bounds` of the scaled volume.
        mask: uint8 box of its mask.
        draw: where the patch lies.
        patch: its shape.
    """
    in_box = draw.to_source.copy()
    in_box[:, 3] -= [start for start, _ in draw.bounds]
    if draw.elastic is None and is_straight(in_box):
        return _cut_straight(volume, mask, in_box, patch=patch)
    where = _sampling_grid(in_box, patch, volume.shape)
    if draw.elastic is not None:
        where += _moved(in_box, draw.elastic, patch=patch, box=volume.shape)
    # Torch shares the images of a batch among threads, not the voxels of one; so slabs are images.
    parts = _SLABS if patch[0] % _SLABS == 0 else 1
    where = where.view(parts, patch[0] // parts, *where.shape[1:])

    def sampled(values: torch.Tensor, mode: str) -> torch.Tensor:
        images = values[None, None].expand(parts, 1, *values.shape)
        return functional.grid_sample(
            images, where, mode=mode, padding_mode="zeros", align_corners=False
        ).view(patch)

    return sampled(volume, "bilinear"), sampled(mask.float(), "nearest").to(mask.dtype)


def _cut_straight(
    volume: torch.Tensor, mask: torch.Tensor, in_box: IndexMap, *, patch: Triple
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut a patch that is not turned axis by axis, as serving resamples: many times faster."""
    axes = tuple(int(axis) for axis in np.abs(in_box[:, :3]).argmax(axis=0))
    volume, mask = volume.permute(axes), mask.permute(axes)
    for axis, source in enumerate(axes):
        step, first = float(in_box[source, axis]), float(in_box[source, 3])
        if abs(step) == 1 and first.is_integer():
            volume = _shifted(volume, axis, step=int(step), first=int(first))
            mask = _shifted(mask, axis, step=int(step), first=int(first))
            continue
        at = torch.arange(patch[axis], dtype=torch.float64) * step + first
        size = volume.shape[axis]
        outside = ((at < -_HALF) | (at > size - _HALF)).nonzero().flatten()
        nearest = at.round().clamp(0, size - 1).long()
        volume = Lerp.at(at, size).along(volume, axis).index_fill(axis, outside, 0)
        mask = mask.index_select(axis, nearest).index_fill(axis, outside, 0)
    return _fitted(volume, patch), _fitted(mask, patch)


def _shifted(values: torch.Tensor, axis: int, *, step: int, first: int) -> torch.Tensor:
    """Begin at index `first` of one axis, running up or down it; before its start is 0."""
    if step < 0:
        values, first = values.flip(axis), values.shape[axis] - 1 - first
    if first >= 0:
        return values.narrow(
            axis, min(first, values.shape[axis]), max(0, values.shape[axis] - first)
        )
    sides = [0, 0, 0, 0, 0, 0]
    sides[2 * (2 - axis)] = -first
    return functional.pad(values, sides)


def _fitted(values: torch.Tensor, patch: Triple) -> torch.Tensor:
    """Cut or pad with 0 at the ends of the axes."""
    missing = [length - size for length, size in zip(patch, values.shape, strict=True)]
    return functional.pad(values, [0, missing[2], 0, missing[1], 0, missing[0]])


def _sampling_grid(in_box: IndexMap, patch: Triple, box: Sequence[int]) -> torch.Tensor:
    """Return grid_sample's (slices, rows, columns, 3) coordinates, (x, y, z) from -1 to 1.

    Built axis by axis: affine_grid multiplies matrices for it and takes ten times as long.
    """
    sizes = np.array(box, dtype=np.float64)

    def along(axis: int) -> npt.NDArray[np.float64]:
        steps = np.arange(patch[axis])[:, None] * in_box[None, :, axis]
        return np.asarray(2 * steps / sizes)

    # Index i of n voxels lies at (2 i + 1) / n - 1.
    origin = (2 * in_box[:, 3] + 1) / sizes - 1
    parts = [along(0)[:, None, None], along(1)[None, :, None], (along(2) + origin)[None, None]]
    slices, rows, columns = (
        torch.from_numpy(np.ascontiguousarray(part[..., ::-1], dtype=np.float32)) for part in parts
    )
    return slices + rows + columns


def _moved(
    in_box: IndexMap, elastic: npt.NDArray[np.float32], *, patch: Triple, box: Sequence[int]
) -> torch.Tensor:
    """Return by how much grid_sample's coordinates move where a patch is deformed."""
    moved = torch.from_numpy(elastic)
    for axis, along in enumerate(_ALONG):
        weights = smooth(patch[axis], elastic.shape[axis + 1])
        moved = torch.einsum(along, torch.from_numpy(weights), moved)
    to_grid = 2 * in_box[:, :3] / np.array(box)[:, None]
    matrix = torch.from_numpy(to_grid[::-1].astype(np.float32))
    return torch.einsum("xa,aijk->ijkx", matrix, moved)


def smooth(count: int, points: int) -> npt.NDArray[np.float32]:
    """Weigh control points at each voxel of an axis: uniform cubic B-splines, which add up to 1."""
    if points == 1:
        return np.ones((count, 1), np.float32)
    spans = points - 3
    at = np.arange(count) * (spans / max(count - 1, 1))
    first = np.minimum(at.astype(int), spans - 1)
    t = at - first
    parts = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    weights = np.zeros((count, points))
    for place, part in enumerate(parts):
        weights[np.arange(count), first + place] = part / 6
    return weights.astype(np.float32)
