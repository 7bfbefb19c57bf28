"""A batch on its way to an accelerator: boxes side by side as they are stored, sent in one piece.

Everything else is done there, for the whole batch at once, and nothing waits for it: a host that
waits leaves its accelerator without work.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from sightline.feed.appearance import REACH, filled_in
from sightline.feed.cut import smooth
from sightline.feed.draws import Appearance, Draw
from sightline.prepare.intensity import Scaling
from sightline.values.plan import Triple

_ALONG = ("oi,baijk->baojk", "oj,baijk->baiok", "ok,baijk->baijo")
_SOFT = ("bon,bnjk->bojk", "bon,bink->biok", "bon,bijn->bijo")
_IMAGE, _MASK = "bilinear", "nearest"
# A Gaussian of this deviation in voxels leaves what it is put on as it is.
_SHARP = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Staged:
    """The boxes of a batch in the host's memory, each at the corner of its place.

    Attributes:
        volumes: (batch, slices, rows, columns), as stored; beyond a box is anything.
        drawn: what is cut as the volumes are; None where examples teach by numbers.
    """

    volumes: torch.Tensor
    drawn: torch.Tensor | None

    @property
    def size_bytes(self) -> int:
        """How much memory they take: their room, not what lies in it."""
        return self.volumes.nbytes + (self.drawn.nbytes if self.drawn is not None else 0)


def extent(draws: Sequence[Draw]) -> Triple:
    """Return the shape that holds the box of every draw."""
    a, b, c = _lengths(draws).max(axis=0)
    return (int(a), int(b), int(c))


def _lengths(draws: Sequence[Draw]) -> npt.NDArray[np.int64]:
    bounds = np.array([draw.bounds for draw in draws])
    return np.asarray(bounds[:, :, 1] - bounds[:, :, 0])


def sent(values: npt.NDArray[np.generic], device: torch.device) -> torch.Tensor:
    """Copy to a device without waiting for what it does."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


@dataclasses.dataclass(frozen=True, slots=True)
class SentBoxes:
    """Boxes on the device, and where they end.

    Attributes:
        values: (batch, slices, rows, columns); beyond its end a box holds anything.
        is_inside: the same shape.
    """

    values: torch.Tensor
    is_inside: torch.Tensor

    @classmethod
    def of(cls, stored: torch.Tensor, draws: Sequence[Draw], device: torch.device) -> "SentBoxes":
        """Send what is staged."""
        values = stored.to(device, non_blocking=True)
        ends = sent(_lengths(draws), device)
        inside = [
            torch.arange(length, device=device) < ends[:, axis, None]
            for axis, length in enumerate(values.shape[1:])
        ]
        a, b, c = inside
        return cls(values, a[:, :, None, None] & b[:, None, :, None] & c[:, None, None, :])

    def scaled(self, scalings: Sequence[Scaling]) -> torch.Tensor:
        """Return float32 network input, 0 beyond the ends."""
        numbers = [
            [each.low, each.high, each.centre, each.width, _nan_of(each.zero)] for each in scalings
        ]
        table = sent(np.array(numbers, np.float32), self.values.device)
        low, high, centre, width, zero = table.T[:, :, None, None, None]
        values = self.values.to(torch.float32, copy=True)
        is_kept = self.is_inside
        if any(each.zero is not None for each in scalings):
            is_kept = is_kept & (values != zero)
        return values.clamp_(low, high).sub_(centre).div_(width).masked_fill_(~is_kept, 0.0)

    def plain(self) -> torch.Tensor:
        """Return the values as float32, 0 beyond the ends."""
        return self.values.to(torch.float32, copy=True).masked_fill_(~self.is_inside, 0)


def sampling_grid(
    draws: Sequence[Draw], *, patch: Triple, box: Sequence[int], device: torch.device
) -> torch.Tensor:
    """Return grid_sample's (batch, slices, rows, columns, 3) coordinates, (x, y, z) from -1 to 1.

    Args:
        draws: one an item.
        patch: shape of what is cut.
        box: shape of the boxes that it is cut from.
        device: where the coordinates are wanted.
    """
    sizes = np.array(box, np.float64)[:, None]
    maps = np.array([draw.to_source for draw in draws])
    maps[:, :, 3] -= np.array([draw.bounds for draw in draws])[:, :, 0]
    # Index i of n voxels lies at (2 i + 1) / n - 1.
    steps = 2 * maps / sizes
    steps[:, :, 3] += 1 / sizes[:, 0] - 1
    table = sent(steps[:, ::-1].astype(np.float32), device)
    grid = table[:, None, None, None, :, 3]
    for axis, length in enumerate(patch):
        shape = [1, 1, 1, 1, 1]
        shape[1 + axis] = length
        index = torch.arange(length, device=device, dtype=torch.float32).view(shape)
        grid = grid + index * table[:, None, None, None, :, axis]
    if any(draw.elastic is not None for draw in draws):
        grid = grid + _moved(draws, patch, table)
    return grid


def _moved(draws: Sequence[Draw], patch: Triple, table: torch.Tensor) -> torch.Tensor:
    """Return by how much coordinates move where patches are deformed."""
    shape = next(draw.elastic.shape for draw in draws if draw.elastic is not None)
    still = np.zeros(shape, np.float32)
    elastic = [still if draw.elastic is None else draw.elastic for draw in draws]
    moved = sent(np.array(elastic), table.device)
    for axis, along in enumerate(_ALONG):
        weights = sent(smooth(patch[axis], shape[axis + 1]), table.device)
        moved = torch.einsum(along, weights, moved)
    return torch.einsum("bxa,baijk->bijkx", table[:, :, :3], moved)


def cut(values: torch.Tensor, grid: torch.Tensor, *, mode: str) -> torch.Tensor:
    """Cut patches out of float32 boxes; outside them it is 0."""
    return functional.grid_sample(
        values[:, None], grid, mode=mode, padding_mode="zeros", align_corners=False
    )


def make(
    staged: Staged,
    draws: Sequence[Draw],
    scalings: Sequence[Scaling],
    *,
    patch: Triple,
    device: torch.device,
    is_image: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Cut the patches of a batch on the device, and make them look otherwise.

    Args:
        staged: the boxes.
        draws: one a box.
        scalings: one a box.
        patch: shape of every patch.
        device: that computes.
        is_image: whether what is drawn is an image, scaled and interpolated as the volume is.

    Returns:
        float32 (batch, 1, slices, rows, columns), and what is drawn on the same places: float32
        images or uint8 masks (batch, slices, rows, columns).
    """
    grid = sampling_grid(draws, patch=patch, box=staged.volumes.shape[1:], device=device)
    boxes = SentBoxes.of(staged.volumes, draws, device)
    images = change_looks(cut(boxes.scaled(scalings), grid, mode=_IMAGE), draws)
    if staged.drawn is None:
        return images, None
    drawn = SentBoxes(staged.drawn.to(device, non_blocking=True), boxes.is_inside)
    if is_image:
        return images, cut(drawn.scaled(scalings), grid, mode=_IMAGE)[:, 0]
    return images, cut(drawn.plain(), grid, mode=_MASK)[:, 0].to(torch.uint8)


def change_looks(images: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Change the looks of (batch, 1, slices, rows, columns) in place, each patch by its draw."""
    for image, draw in zip(images, draws, strict=True):
        if draw.appearance.noise:
            generator = torch.Generator(device=image.device)
            generator.manual_seed(draw.noise_seed)
            drawn = torch.randn(image.shape, generator=generator, device=image.device)
            image.add_(drawn, alpha=draw.appearance.noise)
    _soften(images, draws)
    looks = [draw.appearance for draw in draws]
    numbers = [
        [look.contrast, look.brightness, look.gamma, -1.0 if look.is_inverted else 1.0]
        for look in looks
    ]
    table = sent(np.array(numbers, np.float32), images.device)
    contrast, brightness, gamma, side = table.T[:, :, None, None, None, None]
    if any(look.contrast != 1 or look.brightness for look in looks):
        mean = images.mean(dim=(1, 2, 3, 4), keepdim=True)
        changed = images * contrast + (mean * (1 - contrast) + brightness)
        is_meant = (contrast != 1) | (brightness != 0)
        images.copy_(torch.where(is_meant, changed, images))
    if any(look.gamma != 1 for look in looks):
        images.copy_(torch.where(gamma != 1, _bent(images, gamma, side), images))
    return images


def _bent(images: torch.Tensor, gamma: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
    """Raise values, stretched to 0..1, to a power; their range stays. A side of -1 inverts."""
    low = images.amin(dim=(1, 2, 3, 4), keepdim=True)
    high = images.amax(dim=(1, 2, 3, 4), keepdim=True)
    start = torch.where(side < 0, high, low)
    span = (high - low).clamp_min(1e-6)
    return ((images - start) * side / span).pow(gamma) * span * side + start


def _soften(images: torch.Tensor, draws: Sequence[Draw]) -> None:
    """Blur, or leave fewer voxels and fill in: both are products with a matrix along each axis."""
    looks = [draw.appearance for draw in draws]
    chosen = [place for place, look in enumerate(looks) if look.blur > 0 or look.low_resolution < 1]
    if not chosen:
        return
    where = sent(np.array(chosen), images.device)
    softened = images[where, 0]
    for axis, along in enumerate(_SOFT):
        size = images.shape[axis + 2]
        if size > 1:
            matrices = _softening(size, [looks[place] for place in chosen], images.device)
            softened = torch.einsum(along, matrices, softened)
    images[:, 0].index_copy_(0, where, softened)


def _softening(size: int, looks: Sequence[Appearance], device: torch.device) -> torch.Tensor:
    """Return the (count, size, size) matrices that `appearance` makes one by one."""
    index = torch.arange(size, device=device)
    blur = sent(np.array([max(look.blur, _SHARP) for look in looks], np.float32), device)
    apart = (index[:, None] - index).abs() / blur[:, None, None]
    near = torch.exp(-0.5 * apart**2).masked_fill_(apart > REACH, 0.0)
    near = near / near.sum(dim=2, keepdim=True)
    first, second, weight = zip(
        *(filled_in(size, look.low_resolution) for look in looks), strict=True
    )
    second_share = sent(np.array(weight, np.float32), device)[:, :, None]
    one, other = (
        near.take_along_dim(sent(np.array(rows), device)[:, :, None], dim=1)
        for rows in (first, second)
    )
    return one + (other - one) * second_share


def _nan_of(value: float | None) -> float:
    return math.nan if value is None else value
