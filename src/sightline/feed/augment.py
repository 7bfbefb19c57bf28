"""Patches cut, turned, mirrored and altered on the device that trains."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from sightline.feed.draws import Appearance, Draw, is_straight
from sightline.prepare.grid import IndexMap, Lerp
from sightline.values.plan import Triple

_HALF = 0.5


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
    if is_straight(in_box):
        return _cut_straight(volume, mask, in_box, patch=patch)
    where = _sampling_grid(in_box, patch, volume.shape).to(volume.device)[None]

    def sampled(values: torch.Tensor, mode: str) -> torch.Tensor:
        return functional.grid_sample(
            values[None, None], where, mode=mode, padding_mode="zeros", align_corners=False
        )[0, 0]

    return sampled(volume, "bilinear"), sampled(mask.float(), "nearest").to(mask.dtype)


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
        at = (torch.arange(patch[axis], dtype=torch.float64) * step + first).to(volume.device)
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
