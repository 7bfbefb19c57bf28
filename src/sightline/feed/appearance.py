"""Patches made to look otherwise, on this processor; `staged` does the same for an accelerator.

No bit depends on the number of threads.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from sightline.feed.draws import Appearance, Draw
from sightline.prepare.grid import positions

# Torch computes so many values on one thread. Where threads meet, functions such as powers round
# otherwise, and sums are added in another order.
_ONE_THREAD = 32_768
_SUMMED_AT_ONCE = 4096
# A Gaussian is cut off after so many standard deviations.
REACH = 4.0
_AXES = ("bon,bnjk->bojk", "bon,bink->biok", "bon,bijn->bijo")


def alter(images: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Change the looks of (batch, 1, slices, rows, columns) in place, each patch by its draw."""
    for image, draw in zip(images[:, 0], draws, strict=True):
        if draw.appearance.noise:
            _add_noise(image, draw)
    _soften(images, [draw.appearance for draw in draws])
    for image, draw in zip(images[:, 0], draws, strict=True):
        look = draw.appearance
        if look.contrast != 1 or look.brightness:
            offset = _mean(image) * (1 - look.contrast) + look.brightness
            image.mul_(look.contrast).add_(offset)
        if look.gamma != 1:
            _bend_values(image, look)
    return images


def _add_noise(image: torch.Tensor, draw: Draw) -> None:
    generator = torch.Generator()
    generator.manual_seed(draw.noise_seed)
    drawn = torch.randn(image.shape, generator=generator)
    image.add_(drawn.mul_(draw.appearance.noise))


def _soften(images: torch.Tensor, looks: Sequence[Appearance]) -> None:
    """Blur, or leave fewer voxels and fill in: both are products with a matrix along each axis."""
    chosen = [place for place, look in enumerate(looks) if look.blur > 0 or look.low_resolution < 1]
    if not chosen:
        return
    softened = images[chosen, 0]
    for axis, along in enumerate(_AXES):
        size = images.shape[axis + 2]
        if size == 1:
            continue
        matrices = np.stack([_softening(size, looks[place]) for place in chosen])
        softened = torch.einsum(along, torch.from_numpy(matrices), softened)
    images[chosen, 0] = softened


def _softening(size: int, look: Appearance) -> npt.NDArray[np.float32]:
    """Return the matrix that blurs an axis, then leaves it fewer voxels; its rows add up to 1."""
    matrix = np.eye(size)
    if look.blur > 0:
        apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / look.blur
        matrix = np.where(apart <= REACH, np.exp(-0.5 * apart**2), 0.0)
        matrix /= matrix.sum(axis=1, keepdims=True)
    if look.low_resolution < 1:
        first, second, weight = filled_in(size, look.low_resolution)
        matrix = (1 - weight[:, None]) * matrix[first] + weight[:, None] * matrix[second]
    return matrix.astype(np.float32)


def filled_in(
    size: int, share: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Say what fills an axis in of which a share of the voxels is left.

    Returns:
        Of each voxel the two of the full axis between which it lies, and the weight of the second.
    """
    fewer = max(1, round(size * share))
    kept = np.rint(positions(fewer, size / fewer).numpy()).astype(int).clip(0, size - 1)
    back = positions(size, fewer / size).numpy().clip(0, fewer - 1)
    low = np.floor(back).astype(int)
    return kept[low], kept[np.minimum(low + 1, fewer - 1)], back - low


def _bend_values(image: torch.Tensor, look: Appearance) -> None:
    """Raise values, stretched to 0..1, to a power; their range stays."""
    low, high = image.amin(), image.amax()
    span = (high - low).clamp_min(1e-6)
    if look.is_inverted:
        image.neg_().add_(high)
    else:
        image.sub_(low)
    image.div_(span)
    flat = image.view(-1)
    for start in range(0, flat.numel(), _ONE_THREAD):
        flat[start : start + _ONE_THREAD].pow_(look.gamma)
    image.mul_(span)
    if look.is_inverted:
        image.neg_().add_(high)
    else:
        image.add_(low)


def _mean(image: torch.Tensor) -> torch.Tensor:
    """Average in an order that does not depend on threads."""
    flat = image.reshape(-1)
    whole = flat.numel() // _SUMMED_AT_ONCE * _SUMMED_AT_ONCE
    parts = flat[:whole].view(-1, _SUMMED_AT_ONCE).sum(dim=1)
    return (parts.sum() + flat[whole:].sum()) / flat.numel()
