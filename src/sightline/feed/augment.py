"""Patches cut, turned, mirrored and altered in batches on the device that trains."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from sightline.feed.draws import Appearance, Draw
from sightline.prepare.grid import IndexMap
from sightline.values.plan import Triple


def cut(values: torch.Tensor, draw: Draw, patch: Triple, *, mode: str) -> torch.Tensor:
    """Interpolate the patch of a draw from the box that was read; outside the volume it is 0.

    Args:
        values: float32 box `draw.bounds` of the stored volume.
        draw: where the patch lies.
        patch: its shape.
        mode: `bilinear` for images, `nearest` for masks.
    """
    start = np.array([bound[0] for bound in draw.bounds])
    in_box = draw.to_source.copy()
    in_box[:, 3] -= start
    if _is_shift(in_box):
        return _copy(values, in_box[:, 3].astype(int), patch)
    theta = torch.from_numpy(_normalised(in_box, patch, values.shape)).to(values.device)
    where = functional.affine_grid(theta[None], [1, 1, *patch], align_corners=False)
    cut_out = functional.grid_sample(
        values[None, None], where, mode=mode, padding_mode="zeros", align_corners=False
    )
    return cut_out[0, 0]


def alter(
    images: torch.Tensor, appearances: Sequence[Appearance], generator: torch.Generator
) -> torch.Tensor:
    """Apply gamma, contrast, brightness and noise to (batch, 1, slices, rows, columns)."""

    def column(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, device=images.device).view(-1, 1, 1, 1, 1)

    gamma = column([each.gamma for each in appearances])
    if (gamma != 1).any():
        images = _with_gamma(images, gamma)
    contrast = column([each.contrast for each in appearances])
    brightness = column([each.brightness for each in appearances])
    if (contrast != 1).any() or (brightness != 0).any():
        mean = images.mean(dim=(2, 3, 4), keepdim=True)
        images = (images - mean) * contrast + mean + brightness
    noise = [each.noise for each in appearances]
    if any(noise):
        drawn = torch.randn(images.shape, generator=generator, device=images.device)
        images = images + drawn * column(noise)
    return images


def _with_gamma(images: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    low = images.amin(dim=(2, 3, 4), keepdim=True)
    span = (images.amax(dim=(2, 3, 4), keepdim=True) - low).clamp_min(1e-6)
    return ((images - low) / span).pow(gamma) * span + low


def _is_shift(in_box: IndexMap) -> bool:
    shift = in_box[:, 3]
    return bool((in_box[:, :3] == np.eye(3)).all() and (shift == np.rint(shift)).all())


def _copy(values: torch.Tensor, first: np.ndarray, patch: Triple) -> torch.Tensor:
    """Copy voxels where the patch lies on the grid of the volume."""
    out = values.new_zeros(patch)
    begin = [max(0, -int(at)) for at in first]
    source = [int(at) + start for at, start in zip(first, begin, strict=True)]
    counts = [
        max(0, min(size - at, length - start))
        for size, at, length, start in zip(values.shape, source, patch, begin, strict=True)
    ]
    target = tuple(slice(b, b + n) for b, n in zip(begin, counts, strict=True))
    origin = tuple(slice(s, s + n) for s, n in zip(source, counts, strict=True))
    out[target] = values[origin]
    return out


def _normalised(in_box: IndexMap, patch: Triple, box: Sequence[int]) -> np.ndarray:
    """Turn a map of indices into one of grid_sample's coordinates, (x, y, z) from -1 to 1."""
    sizes, lengths = np.array(box, dtype=float), np.array(patch, dtype=float)
    linear = in_box[:, :3] * lengths[None, :] / sizes[:, None]
    # Index i of n voxels lies at (2 i + 1) / n - 1.
    centre = in_box[:, :3] @ ((lengths - 1) / 2) + in_box[:, 3]
    theta = np.concatenate([linear, ((2 * centre + 1) / sizes - 1)[:, None]], axis=1)
    return np.ascontiguousarray(theta[::-1, [2, 1, 0, 3]]).astype(np.float32)
