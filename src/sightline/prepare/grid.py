"""The grid a network sees over a volume, and linear interpolation between grids."""

import dataclasses
import itertools
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from sightline.values.arrays import Voxels
from sightline.values.geometry import Geometry
from sightline.values.plan import SpacingMm, Triple

IndexMap: TypeAlias = npt.NDArray[np.float64]
"""(3, 4), from (i, j, k, 1) of one grid to indices of another."""

# Axes of a network's grid run towards the head, the back and the left: z, y, x of LPS.
_WORLD_AXES = (2, 1, 0)
_SAME_SPACING = 1e-3
_ALONG = ("oi,ijk->ojk", "oj,ijk->iok", "ok,ijk->ijo")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NetworkGrid:
    """Voxels of a plan's spacing over one volume, axes towards head, back and left.

    Both grids begin at the same corner of the volume.

    Attributes:
        shape: of this grid.
        source_shape: of the volume, its axes in this grid's order.
        axes: which axis of the volume each axis of this grid is.
        flips: whether it runs the other way.
        ratio: this grid's spacing in voxels of the volume; exactly 1 where they are the same.
    """

    shape: Triple
    source_shape: Triple
    axes: Triple
    flips: tuple[bool, bool, bool]
    ratio: SpacingMm

    @classmethod
    def over(cls, geometry: Geometry, spacing_mm: SpacingMm) -> Self:
        """Lay a grid of `spacing_mm` over a volume; 0 along an axis keeps the volume's own."""
        directions = geometry.matrix[:3, :3] / np.linalg.norm(geometry.matrix[:3, :3], axis=0)
        axes = max(itertools.permutations(range(3)), key=lambda order: _fit(directions, order))
        ratio = [
            _ratio(spacing_mm[axis], geometry.spacing_mm[source])
            for axis, source in enumerate(axes)
        ]
        source_shape = [geometry.shape[source] for source in axes]
        shape = [max(1, round(n / r)) for n, r in zip(source_shape, ratio, strict=True)]
        flips = [
            bool(directions[world, source] < 0)
            for world, source in zip(_WORLD_AXES, axes, strict=True)
        ]
        return cls(
            shape=(shape[0], shape[1], shape[2]),
            source_shape=(source_shape[0], source_shape[1], source_shape[2]),
            axes=(axes[0], axes[1], axes[2]),
            flips=(flips[0], flips[1], flips[2]),
            ratio=(ratio[0], ratio[1], ratio[2]),
        )

    @property
    def is_source_spacing(self) -> bool:
        """Whether voxels coincide with the volume's, so that nothing is interpolated."""
        return self.ratio == (1.0, 1.0, 1.0)

    def to_source(self) -> IndexMap:
        """Map indices of this grid to indices of the volume."""
        matrix = np.zeros((3, 4))
        for axis, source in enumerate(self.axes):
            sign = -1.0 if self.flips[axis] else 1.0
            first = (self.ratio[axis] - 1.0) / 2.0
            matrix[source, axis] = sign * self.ratio[axis]
            matrix[source, 3] = self.source_shape[axis] - 1 - first if sign < 0 else first
        return matrix

    def orient(self, voxels: Voxels) -> Voxels:
        """View an array of the volume with the axes of this grid."""
        return np.flip(voxels.transpose(self.axes), self._flipped)

    def restore(self, voxels: Voxels) -> Voxels:
        """Copy an array with the axes of this grid back to the axes of the volume."""
        back = np.flip(voxels, self._flipped).transpose(np.argsort(self.axes))
        return np.ascontiguousarray(back)

    @property
    def _flipped(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(3) if self.flips[axis])


@dataclasses.dataclass(frozen=True, slots=True)
class Lerp:
    """Linear interpolation along one axis: `(1 - weight) * [low] + weight * [high]`."""

    low: torch.Tensor
    high: torch.Tensor
    weight: torch.Tensor

    @classmethod
    def at(cls, positions: torch.Tensor, size: int) -> Self:
        """Interpolate at float64 `positions` of an axis of `size`; beyond an end is the end."""
        inside = positions.clamp(0, size - 1)
        low = inside.floor().long()
        high = (low + 1).clamp(max=size - 1)
        return cls(low, high, (inside - low).float())

    def along(self, values: torch.Tensor, axis: int) -> torch.Tensor:
        """Interpolate a float32 (slices, rows, columns) along one axis.

        A product with a matrix that is almost all 0 takes half as long as two selections.
        """
        rows = torch.arange(len(self.low), device=values.device)
        matrix = values.new_zeros((len(rows), values.shape[axis]))
        matrix.index_put_((rows, self.low), 1 - self.weight, accumulate=True)
        matrix.index_put_((rows, self.high), self.weight, accumulate=True)
        return torch.einsum(_ALONG[axis], matrix, values)


def positions(count: int, ratio: float) -> torch.Tensor:
    """Where the centres of `count` voxels, each `ratio` source voxels long, lie in the source."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) * ratio - 0.5


def _fit(directions: npt.NDArray[np.float64], order: tuple[int, ...]) -> float:
    return float(
        sum(abs(directions[w, source]) for w, source in zip(_WORLD_AXES, order, strict=True))
    )


def _ratio(wanted_mm: float, source_mm: float) -> float:
    ratio = wanted_mm / source_mm if wanted_mm else 1.0
    return 1.0 if abs(ratio - 1.0) < _SAME_SPACING else ratio
