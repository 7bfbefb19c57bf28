"""How deep a U-Net is and how large its patches are, by nnU-Net's rules.

10.1038/s41592-020-01008-z. The rules are those of nnU-Net v2's default planner: an axis is halved
while 8 voxels are left and its voxels are less than twice as long as the finest; a kernel spans an
axis from the level where they are; the patch has the shape of the median volume and shrinks, where
it is largest beside it, until the feature maps of two patches fit the target.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import TypeAlias

from sightline.values.plan import SpacingMm, Triple

_SMALLEST_EDGE = 4
_LONGER = 2.0
_CONVOLUTIONS = 2
_KERNEL = 3
# nnU-Net's figures: feature voxels of one patch, by the batch and the gigabytes they stand for.
_FEATURES_3D, _BATCH_3D = 560e6, 2
_FEATURES_2D, _BATCH_2D = 85e6, 12
_REFERENCE_GB = 8
_SMALLEST_BATCH = 2
_COLLECTION_SHARE = 0.05
_FIRST_EDGE_3D, _FIRST_EDGE_2D = 256, 2048
# Measured on a processor: activations, their gradients, and what convolutions keep beside them.
_BYTES_A_FEATURE = 4 * 2.5
# Weights, gradients and momentum.
_BYTES_A_WEIGHT = 4 * 3

Channels: TypeAlias = Callable[[int], tuple[int, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """The levels of a U-Net and the patch that they halve evenly."""

    strides: tuple[Triple, ...]
    kernels: tuple[Triple, ...]
    patch: Triple

    def features(self, channels: tuple[int, ...], outputs: int) -> int:
        """Count the feature voxels that a plain U-Net computes of one patch."""
        size, total = list(self.patch), 0
        for level, (stride, count) in enumerate(zip(self.strides, channels, strict=True)):
            size = [length // step for length, step in zip(size, stride, strict=True)]
            # Down, and up again: transposed convolution and convolutions, but at the bottom.
            maps = _CONVOLUTIONS + (_CONVOLUTIONS + 1) * (level < len(channels) - 1)
            total += math.prod(size) * count * maps
        return total + math.prod(self.patch) * outputs

    def weights(self, channels: tuple[int, ...]) -> int:
        """Estimate how many weights a plain U-Net has."""
        total, above = 0, 1
        for level, count in enumerate(channels):
            taps = math.prod(self.kernels[level])
            total += taps * count * (above + count)
            if level < len(channels) - 1:
                total += taps * count * 3 * count  # up: two maps of its width in, one out, twice
            above = count
        return total


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a patch is fitted to.

    Attributes:
        spacing_mm: of the network's grid.
        median: shape of the median volume on it.
        memory_gb: in nnU-Net's measure.
        outputs: numbers that the network answers with for a voxel.
        channels: of so many levels.
        most_levels: of the network; None for as many as halving gives.
    """

    spacing_mm: SpacingMm
    median: Triple
    memory_gb: float
    outputs: int
    channels: Channels
    most_levels: int | None

    @property
    def is_flat(self) -> bool:
        """Whether volumes are single slices."""
        return self.median[0] == 1

    @property
    def reference(self) -> tuple[float, int]:
        """Feature voxels of one patch that fit, and the batch they stand for."""
        features, batch = (_FEATURES_2D, _BATCH_2D) if self.is_flat else (_FEATURES_3D, _BATCH_3D)
        return features * self.memory_gb / _REFERENCE_GB, batch

    def features(self, levels: Levels) -> int:
        """Count the feature voxels of one patch."""
        return levels.features(self.channels(len(levels.strides)), self.outputs)

    def fits(self, levels: Levels) -> bool:
        """Tell whether a batch of two patches fits."""
        features, batch = self.reference
        return self.features(levels) / batch * _SMALLEST_BATCH <= features

    def batch(self, levels: Levels, examples: int) -> int:
        """Fill what is left: at most a twentieth of the collection's voxels, at least two."""
        features, batch = self.reference
        fitting = round(features / self.features(levels) * batch)
        voxels = examples * math.prod(self.median)
        covered = round(voxels * _COLLECTION_SHARE / math.prod(levels.patch))
        return max(_SMALLEST_BATCH, min(fitting, covered))


def fitted_levels(target: Target) -> Levels:
    """Find the largest patch of the median's shape that fits, and its levels."""
    spacing, median = target.spacing_mm, target.median
    levels = halved(_first_patch(target), spacing, most=target.most_levels)
    while not target.fits(levels):
        axis = max(range(3), key=lambda index: (levels.patch[index] / median[index], index))
        # The coarser step may leap over a size that halves evenly one time less: look again.
        shrunk = _less(levels.patch, axis, _factors(levels)[axis])
        step = _factors(halved(shrunk, spacing, most=target.most_levels))[axis]
        smaller = halved(_less(levels.patch, axis, step), spacing, most=target.most_levels)
        if math.prod(smaller.patch) >= math.prod(levels.patch):
            return levels
        levels = smaller
    return levels


def halved(patch: Triple, spacing: SpacingMm, *, most: int | None) -> Levels:
    """Halve a patch level by level; it grows until every level halves evenly."""
    size, voxel = list(patch), list(spacing)
    kernel = [1, 1, 1]
    strides: list[Triple] = [(1, 1, 1)]
    kernels: list[Triple] = []
    while most is None or len(strides) < most:
        axes = _axes_to_halve(size, voxel, is_first=len(strides) == 1)
        if not axes:
            break
        kernel = _kernel(kernel, voxel, patch)
        kernels.append(_triple(kernel))
        stride = [2 if axis in axes else 1 for axis in range(3)]
        size = [-(-length // step) for length, step in zip(size, stride, strict=True)]
        voxel = [length * step for length, step in zip(voxel, stride, strict=True)]
        strides.append(_triple(stride))
    kernels.append(_triple([_KERNEL if length > 1 else 1 for length in patch]))
    found = Levels(strides=tuple(strides), kernels=tuple(kernels), patch=patch)
    even = [-(-size // step) * step for size, step in zip(patch, _factors(found), strict=True)]
    return dataclasses.replace(found, patch=_triple(even))


def memory_mb(levels: Levels, channels: tuple[int, ...], *, outputs: int, batch: int) -> int:
    """Estimate what one training step of a plain U-Net holds on a processor."""
    features = levels.features(channels, outputs) * batch * _BYTES_A_FEATURE
    return round((features + levels.weights(channels) * _BYTES_A_WEIGHT) / 2**20)


def _first_patch(target: Target) -> Triple:
    """Take a large cube in millimetres, cut to the median volume."""
    lengths = list(target.spacing_mm)
    if target.is_flat:
        edge = _FIRST_EDGE_2D * math.sqrt(lengths[1] * lengths[2])
        lengths[0] = edge
    else:
        edge = _FIRST_EDGE_3D * math.prod(lengths) ** (1 / 3)
    wish = (round(edge / length) for length in lengths)
    a, b, c = (
        max(1 if most == 1 else 2 * _SMALLEST_EDGE, min(size, most))
        for size, most in zip(wish, target.median, strict=True)
    )
    return (a, b, c)


def _axes_to_halve(size: list[int], voxel: list[float], *, is_first: bool) -> set[int]:
    long = [axis for axis in range(3) if size[axis] >= 2 * _SMALLEST_EDGE]
    finest = min((voxel[axis] for axis in long), default=0.0)
    axes = {axis for axis in long if voxel[axis] < _LONGER * finest}
    is_hardly_one = len(axes) == 1 and size[next(iter(axes))] < 3 * _SMALLEST_EDGE
    # A U-Net has two levels at least.
    return set() if is_hardly_one and not is_first else axes


def _kernel(before: list[int], voxel: list[float], patch: Triple) -> list[int]:
    """Span the axes whose voxels are short enough by now; a flat axis never."""
    finest = min(voxel)
    return [
        _KERNEL if size > 1 and (span > 1 or length < _LONGER * finest) else 1
        for span, length, size in zip(before, voxel, patch, strict=True)
    ]


def _factors(levels: Levels) -> Triple:
    factors = [1, 1, 1]
    for stride in levels.strides:
        factors = [factor * step for factor, step in zip(factors, stride, strict=True)]
    return _triple(factors)


def _less(patch: Triple, axis: int, step: int) -> Triple:
    sizes = list(patch)
    sizes[axis] = max(1, sizes[axis] - step)
    return _triple(sizes)


def _triple(values: list[int]) -> Triple:
    a, b, c = values
    return (a, b, c)
