"""Solid shapes in millimetres, drawn with soft edges so that no voxel grid shows through."""

import dataclasses
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[np.float32]
Point: TypeAlias = tuple[float, float, float]
"""(z, y, x): towards the head, the back and the left of the patient, in mm."""


class Grid(NamedTuple):
    """Coordinates that broadcast to (slices, rows, columns), and the size of a voxel in mm."""

    z: Values
    y: Values
    x: Values
    voxel_mm: float


class Shape(Protocol):
    """Something that can be drawn."""

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner of a box that holds the shape."""

    def fraction(self, grid: Grid) -> Values:
        """Share of each voxel that the shape fills, from 0 to 1."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ellipsoid:
    """An ellipsoid, or with a power above 2 a rounder box."""

    centre: Point
    half_axes: Point
    power: float = 2.0

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner."""
        return _box([self.centre], self.half_axes)

    def fraction(self, grid: Grid) -> Values:
        """Share of each voxel inside."""
        radius = sum(
            np.abs((axis - centre) / half) ** self.power
            for axis, centre, half in zip(grid[:3], self.centre, self.half_axes, strict=True)
        )
        inside_mm = (1.0 - radius ** (1 / self.power)) * min(self.half_axes)
        return _soft(inside_mm, grid)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Capsule:
    """A straight tube with round ends: a piece of a vessel or an airway."""

    start: Point
    end: Point
    radius_mm: float

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner."""
        return _box([self.start, self.end], (self.radius_mm,) * 3)

    def fraction(self, grid: Grid) -> Values:
        """Share of each voxel inside."""
        along = np.subtract(self.end, self.start)
        offsets = [axis - origin for axis, origin in zip(grid[:3], self.start, strict=True)]
        length = float(along @ along) or 1.0
        place = sum(offset * step for offset, step in zip(offsets, along / length, strict=True))
        nearest = np.clip(place, 0.0, 1.0)
        distance = np.sqrt(
            sum((offset - nearest * step) ** 2 for offset, step in zip(offsets, along, strict=True))
        )
        return _soft(self.radius_mm - distance, grid)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """Spheres that run together, with a wavy surface: a lesion.

    Attributes:
        waves_mm: height of the waves.
        phase: shifts them, so that no two lesions are alike.
    """

    centres: tuple[Point, ...]
    radii_mm: tuple[float, ...]
    waves_mm: float
    phase: float

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner."""
        return _box(self.centres, (max(self.radii_mm) + self.waves_mm,) * 3)

    def fraction(self, grid: Grid) -> Values:
        """Share of each voxel inside."""
        inside_mm = np.full(np.broadcast_shapes(*(axis.shape for axis in grid[:3])), -1e3)
        for centre, radius in zip(self.centres, self.radii_mm, strict=True):
            squares = ((axis - origin) ** 2 for axis, origin in zip(grid[:3], centre, strict=True))
            np.maximum(inside_mm, radius - np.sqrt(sum(squares)), out=inside_mm)
        waves = np.sin(grid.z / 4 + self.phase) * np.sin(grid.y / 5) * np.sin(grid.x / 6)
        return _soft(inside_mm + self.waves_mm * waves, grid)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ribs:
    """Bands of bone around an elliptic chest wall, sinking from back to front."""

    half_axes: tuple[float, float]
    half_height_mm: float
    thickness_mm: float
    pitch_mm: float
    slant: float

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner."""
        reach = (self.half_height_mm, *(half + self.thickness_mm for half in self.half_axes))
        return _box([(0.0, 0.0, 0.0)], reach)

    def fraction(self, grid: Grid) -> Values:
        """Share of each voxel inside."""
        half_y, half_x = self.half_axes
        radius = np.sqrt((grid.y / half_y) ** 2 + (grid.x / half_x) ** 2)
        wall_mm = self.thickness_mm / 2 - np.abs(radius - 1.0) * min(self.half_axes)
        height = (grid.z - self.slant * grid.y) / self.pitch_mm
        band_mm = (np.abs(height - np.rint(height)) * -2 + 0.45) * self.pitch_mm / 2
        return _soft(np.minimum(wall_mm, band_mm), grid)


def _soft(inside_mm: npt.NDArray[np.floating], grid: Grid) -> Values:
    share: Values = np.clip(inside_mm / grid.voxel_mm + 0.5, 0.0, 1.0).astype(np.float32)
    return share


def _box(points: list[Point] | tuple[Point, ...], reach: tuple[float, ...]) -> tuple[Point, Point]:
    low = np.min(points, axis=0) - reach
    high = np.max(points, axis=0) + reach
    return (float(low[0]), float(low[1]), float(low[2])), (
        float(high[0]),
        float(high[1]),
        float(high[2]),
    )
