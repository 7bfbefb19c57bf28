"""Patches cut, turned, mirrored and altered on the device that trains."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from sightline.feed.draws import Appearance, Draw, is_axis_aligned
from sightline.prepare.grid import IndexMap
from sightline.values.plan import Triple


def cut(
    volume: torch.Tensor, mask: torch.Tensor, draw: Draw, *, patch: Triple
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut the patch of a draw from the box that was read; outside the volume it is 0.

    Where the patch lies on the voxels of the volume they are copied, else interpolated: linearly
    the volume, from the nearest voxel the mask.

    Args:
        volume: float32 box `draw.bounds` of the scaled volume.
        mask: uint8 box of its mask.
        draw: where the patch lies.
        patch: its shape.
    """
    in_box = draw.to_source.copy()
    in_box[:, 3] -= [start for start, _ in draw.bounds]
    if is_axis_aligned(in_box):
        placing = _Placing.of(in_box, volume.shape)
        return placing.copy(volume, patch), placing.copy(mask, patch)
    where = _sampling_grid(in_box, patch, volume.shape).to(volume.device)[None]
    values = functional.grid_sample(
        volume[None, None], where, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    classes = functional.grid_sample(
        mask.float()[None, None],
        where,
        mode="nearest",
        padding_mode="zeros",
        align_corners=False,
    )
    return values[0, 0], classes[0, 0].to(mask.dtype)


def alter(
    images: torch.Tensor, appearances: Sequence[Appearance], generator: torch.Generator
) -> torch.Tensor:
    """Apply gamma, contrast, brightness and noise to (batch, 1, slices, rows, columns)."""

    def column(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, device=images.device).view(-1, 1, 1, 1, 1)

    gamma = [each.gamma for each in appearances]
    if any(value != 1 for value in gamma):
        images = _with_gamma(images, column(gamma))
    contrast = [each.contrast for each in appearances]
    brightness = [each.brightness for each in appearances]
    if any(value != 1 for value in contrast) or any(brightness):
        mean = images.mean(dim=(2, 3, 4), keepdim=True)
        images = (images - mean) * column(contrast) + mean + column(brightness)
    noise = [each.noise for each in appearances]
    if any(noise):
        drawn = torch.randn(images.shape, generator=generator, device=images.device)
        images = images + drawn * column(noise)
    return images


def _with_gamma(images: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    low = images.amin(dim=(2, 3, 4), keepdim=True)
    span = (images.amax(dim=(2, 3, 4), keepdim=True) - low).clamp_min(1e-6)
    return ((images - low) / span).pow(gamma) * span + low


@dataclasses.dataclass(frozen=True, slots=True)
class _Placing:
    """Where voxels of a box lie in a patch, up to the order and direction of axes.

    Attributes:
        axes: axis of the box along each axis of the patch.
        flips: axes of the patch along which the box runs the other way.
        first: index of the patch's first voxel in the box so turned.
    """

    axes: Triple
    flips: tuple[int, ...]
    first: Triple

    @classmethod
    def of(cls, in_box: IndexMap, shape: Sequence[int]) -> Self:
        axes = [int(axis) for axis in np.abs(in_box[:, :3]).argmax(axis=0)]
        flips = tuple(axis for axis in range(3) if in_box[axes[axis], axis] < 0)
        first = [
            shape[source] - 1 - round(in_box[source, 3])
            if axis in flips
            else round(in_box[source, 3])
            for axis, source in enumerate(axes)
        ]
        return cls((axes[0], axes[1], axes[2]), flips, (first[0], first[1], first[2]))

    def copy(self, box: torch.Tensor, patch: Triple) -> torch.Tensor:
        turned = box.permute(self.axes).flip(self.flips)
        begin = [max(0, -at) for at in self.first]
        start = [at + skipped for at, skipped in zip(self.first, begin, strict=True)]
        counts = [
            max(0, min(size - at, length - skipped))
            for size, at, length, skipped in zip(turned.shape, start, patch, begin, strict=True)
        ]
        out = box.new_zeros(patch)
        target = tuple(slice(at, at + n) for at, n in zip(begin, counts, strict=True))
        origin = tuple(slice(at, at + n) for at, n in zip(start, counts, strict=True))
        out[target] = turned[origin]
        return out


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
