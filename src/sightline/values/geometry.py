"""Where voxels lie in the patient, in LPS millimetres."""

import dataclasses
from typing import Self

import numpy as np

from sightline.values.arrays import Affine

GRID_TOLERANCE_MM = 1e-2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """A regular grid of voxels.

    Attributes:
        shape: slices, rows, columns.
        affine: rows of the (4, 4) matrix from (slice, row, column, 1) to LPS mm.
    """

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, float, float, float], ...]

    @classmethod
    def from_affine(cls, shape: tuple[int, ...], affine: Affine) -> Self:
        """Make one from a numpy matrix."""
        rows = tuple(
            (float(row[0]), float(row[1]), float(row[2]), float(row[3]))
            for row in np.asarray(affine)
        )
        slices, row_count, columns = shape
        return cls(shape=(int(slices), int(row_count), int(columns)), affine=rows)

    @property
    def matrix(self) -> Affine:
        """The affine as a numpy matrix."""
        return np.asarray(self.affine, dtype=np.float64)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between slices, rows, columns."""
        lengths = np.linalg.norm(self.matrix[:3, :3], axis=0)
        return (float(lengths[0]), float(lengths[1]), float(lengths[2]))

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return abs(float(np.linalg.det(self.matrix[:3, :3]))) / 1000.0

    def is_same_grid(self, other: "Geometry", *, tolerance_mm: float = GRID_TOLERANCE_MM) -> bool:
        """Tell whether every voxel of both lies within `tolerance_mm` of its twin."""
        if self.shape != other.shape:
            return False
        corners = np.array(
            [
                (k * (self.shape[0] - 1), j * (self.shape[1] - 1), i * (self.shape[2] - 1), 1)
                for k in (0, 1)
                for j in (0, 1)
                for i in (0, 1)
            ],
            dtype=np.float64,
        )
        offset = corners @ (self.matrix - other.matrix).T
        return bool(np.abs(offset[:, :3]).max() <= tolerance_mm)
