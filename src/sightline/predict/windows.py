"""Windows of a network slid over an image, weighted and stitched, a few slices at a time."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import TypeAlias

import torch

from sightline.predict.backends.contract import Look
from sightline.values.plan import Triple

Corner: TypeAlias = Triple


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sliding:
    """How windows are slid.

    Attributes:
        patch: voxels of a window.
        overlap: share of a window that its neighbour covers too.
        outputs: numbers that the network answers with for each voxel.
        air: where no voxel of a window is above this, the network is not asked, and all its logits
            are 0; None asks for every window.
    """

    patch: Triple
    overlap: float
    outputs: int
    air: float | None = None


def slide(look: Look, image: torch.Tensor, sliding: Sliding) -> torch.Tensor:
    """Return logits (outputs, slices, rows, columns) of an image of those axes."""
    return torch.cat(list(stitched(look, image, sliding)), dim=1)


def stitched(look: Look, image: torch.Tensor, sliding: Sliding) -> Iterator[torch.Tensor]:
    """Yield logits (outputs, slices, rows, columns) of an image, from its first slice to its last.

    Windows that overlap are averaged with weights that fall off from the centre; an image
    smaller than a window is padded with 0 on both sides. What is held at a time is one window
    deep, however long the image is.
    """
    first = [before for before, _ in _missing(image, sliding.patch)]
    slices, rows, columns = (slice(at, at + n) for at, n in zip(first, image.shape, strict=True))
    begun = 0
    for part in _parts(look, padded(image, sliding.patch), sliding):
        inside = slice(max(slices.start - begun, 0), max(slices.stop - begun, 0))
        begun += part.shape[1]
        wanted = part[:, inside, rows, columns]
        if wanted.shape[1]:
            yield wanted


def corners(shape: Triple, patch: Triple, overlap: float) -> Iterator[Corner]:
    """Place windows evenly so that neighbours share at least `overlap` of a window."""
    along = _along(shape, patch, overlap)
    return ((a, b, c) for a, b, c in itertools.product(*along))


def padded(image: torch.Tensor, patch: Triple) -> torch.Tensor:
    """Return an image as large as a window at least, 0 on both sides of what there is."""
    missing = _missing(image, patch)
    if not any(sum(pair) for pair in missing):
        return image
    return torch.nn.functional.pad(image, [side for pair in reversed(missing) for side in pair])


def mirrored(look: Look, axes: tuple[int, ...]) -> Look:
    """Average what is said of windows and of their mirror images along every choice of axes."""
    if not axes:
        return look
    counts = range(1, len(axes) + 1)
    chosen = [each for count in counts for each in itertools.combinations(axes, count)]

    def look_mirrored(windows: torch.Tensor) -> torch.Tensor:
        total = look(windows).clone()
        for each in chosen:
            flips = [axis + 2 for axis in each]
            logits = look(windows.flip(flips))
            # Logits of a whole image have no axes.
            total += logits.flip(flips) if logits.dim() == windows.dim() else logits
        return total.div_(len(chosen) + 1)

    return look_mirrored


def _parts(look: Look, image: torch.Tensor, sliding: Sliding) -> Iterator[torch.Tensor]:
    """Yield logits of slices that no later window reaches."""
    patch = sliding.patch
    weight = _weight(patch).to(image.device)
    starts, *across = _along(_triple(image.shape), patch, sliding.overlap)
    weights = image.new_zeros((patch[0], *image.shape[1:]))
    total = image.new_zeros((sliding.outputs, *weights.shape))
    for start, following in itertools.zip_longest(starts, starts[1:], fillvalue=len(image)):
        slab = image[start : start + patch[0]]
        for row, column in itertools.product(*across):
            box = (slice(row, row + patch[1]), slice(column, column + patch[2]))
            window = slab[:, *box]
            if sliding.air is not None and window.max() <= sliding.air:
                continue
            total[:, :, *box].addcmul_(look(window[None, None])[0], weight)
            weights[:, *box] += weight
        done = following - start
        # Where nobody looked, 0 stays 0.
        yield total[:, :done] / weights[:done].clamp_min(torch.finfo(weights.dtype).tiny)
        _forget(total, 1, done)
        _forget(weights, 0, done)


def _forget(held: torch.Tensor, axis: int, count: int) -> None:
    """Move what is held so many places towards the front, and 0 behind it."""
    stays = held.shape[axis] - count
    # One place at a time, or as many as do not reach into themselves.
    for start in range(0, stays, count):
        length = min(count, stays - start)
        held.narrow(axis, start, length).copy_(held.narrow(axis, start + count, length))
    held.narrow(axis, stays, count).zero_()


def _along(shape: Triple, patch: Triple, overlap: float) -> list[list[int]]:
    return [_starts(size, length, overlap) for size, length in zip(shape, patch, strict=True)]


def _starts(size: int, length: int, overlap: float) -> list[int]:
    room = size - length
    step = max(1.0, length * (1 - overlap))
    steps = -(-room // step) if room else 0
    return [round(index * room / steps) for index in range(int(steps) + 1)] if steps else [0]


def _weight(patch: Triple) -> torch.Tensor:
    """A Gaussian of an eighth of the window, as nnU-Net's, never 0."""
    axes = [torch.exp(-0.5 * ((torch.arange(n) - (n - 1) / 2) / (n / 8)) ** 2) for n in patch]
    weight = axes[0][:, None, None] * axes[1][None, :, None] * axes[2][None, None, :]
    return weight.clamp_min(1e-3)


def _missing(image: torch.Tensor, patch: Triple) -> list[tuple[int, int]]:
    """Return how many voxels an image lacks before and after itself along each axis."""
    gaps = [max(0, length - size) for size, length in zip(image.shape, patch, strict=True)]
    return [(gap // 2, gap - gap // 2) for gap in gaps]


def _triple(values: "torch.Size | list[int]") -> Triple:
    a, b, c = values
    return (a, b, c)
