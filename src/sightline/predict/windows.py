"""Windows of a network slid over an image, weighted and stitched."""

import itertools
from collections.abc import Iterator
from typing import TypeAlias

import torch
from torch import nn

from sightline.values.plan import Triple

Corner: TypeAlias = Triple


def slide(
    network: nn.Module, image: torch.Tensor, *, patch: Triple, overlap: float
) -> torch.Tensor:
    """Return logits (outputs, slices, rows, columns) of an image of those axes.

    Windows that overlap are averaged with weights that fall off from the centre; an image
    smaller than a window is padded with 0 on both sides.
    """
    padded, first = _pad(image, patch)
    weight = _weight(patch).to(image.device)
    total: torch.Tensor | None = None
    weights = torch.zeros(padded.shape, device=image.device)
    for corner in corners(_triple(padded.shape), patch, overlap):
        box = tuple(slice(a, a + n) for a, n in zip(corner, patch, strict=True))
        logits = network(padded[box][None, None])[0].float()
        if total is None:
            total = torch.zeros((logits.shape[0], *padded.shape), device=image.device)
        total[(slice(None), *box)] += logits * weight
        weights[box] += weight
    if total is None:
        raise AssertionError("an image has at least one window")
    total /= weights
    inside = tuple(slice(a, a + n) for a, n in zip(first, image.shape, strict=True))
    return total[(slice(None), *inside)]


def corners(shape: Triple, patch: Triple, overlap: float) -> Iterator[Corner]:
    """Place windows evenly so that neighbours share at least `overlap` of a window."""
    along = [_starts(size, length, overlap) for size, length in zip(shape, patch, strict=True)]
    return ((a, b, c) for a, b, c in itertools.product(*along))


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


def _pad(image: torch.Tensor, patch: Triple) -> tuple[torch.Tensor, Triple]:
    missing = [max(0, length - size) for size, length in zip(image.shape, patch, strict=True)]
    before = [count // 2 for count in missing]
    after = [count - start for count, start in zip(missing, before, strict=True)]
    sides = [side for pair in reversed(list(zip(before, after, strict=True))) for side in pair]
    return torch.nn.functional.pad(image, sides), _triple(before)


def _triple(values: "torch.Size | list[int]") -> Triple:
    a, b, c = values
    return (a, b, c)
