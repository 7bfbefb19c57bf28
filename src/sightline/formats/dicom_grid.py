"""From image planes to one regular grid, or the reason why there is none (PS3.3 C.7.6.2.1.1)."""

import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.errors import UnsoundSeries
from sightline.values.geometry import Geometry

Vector: TypeAlias = npt.NDArray[np.float64]

# Positions are written with few decimals, so neighbours may seem that much off.
GAP_TOLERANCE_MM = 0.02
GAP_TOLERANCE_SHARE = 0.01
DIRECTION_TOLERANCE = 1e-3
# Sine of the angle between the stack and the normal of its planes: about half a degree.
TILT_TOLERANCE = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """Where one image plane lies, in LPS millimetres.

    Attributes:
        position: centre of the first pixel.
        along_row: unit vector in which the column index grows.
        along_column: unit vector in which the row index grows.
        spacing_mm: between rows, between columns.
        thickness_mm: distance to a neighbour where there is none to measure; None if unsaid.
        rows: number of rows.
        columns: number of columns.
    """

    position: tuple[float, float, float]
    along_row: tuple[float, float, float]
    along_column: tuple[float, float, float]
    spacing_mm: tuple[float, float]
    thickness_mm: float | None
    rows: int
    columns: int

    @property
    def normal(self) -> Vector:
        """Unit vector across the plane."""
        return np.cross(self.along_row, self.along_column)


def arrange(planes: Sequence[Plane]) -> tuple[list[int], Geometry]:
    """Order planes along their normal and tell the grid that they make.

    Returns:
        Indices into `planes`, first slice first, and the geometry.

    Raises:
        UnsoundSeries: The planes differ in size or direction, share a place, lie at unequal
            distances, or are tilted against the stack (gantry tilt).
    """
    first = planes[0]
    _check_alike(planes)
    positions = np.array([plane.position for plane in planes])
    distances = positions @ first.normal
    order = [int(index) for index in np.argsort(distances, kind="stable")]
    step = _step(positions[order], distances[order], first)
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = np.array(first.along_column) * first.spacing_mm[0]
    affine[:3, 2] = np.array(first.along_row) * first.spacing_mm[1]
    affine[:3, 3] = positions[order[0]]
    return order, Geometry.from_affine((len(planes), first.rows, first.columns), affine)


def _check_alike(planes: Sequence[Plane]) -> None:
    first = planes[0]
    if len({(plane.rows, plane.columns) for plane in planes}) > 1:
        raise _unsound("its images differ in size", "Take one of the acquisitions out of it.")
    directions = np.array([(*plane.along_row, *plane.along_column) for plane in planes])
    if np.abs(directions - directions[0]).max() > DIRECTION_TOLERANCE:
        raise _unsound("its images differ in orientation", "A localizer is no volume.")
    spacing = np.array([plane.spacing_mm for plane in planes])
    if np.abs(spacing - spacing[0]).max() > GAP_TOLERANCE_SHARE * min(first.spacing_mm):
        raise _unsound(
            "its images differ in pixel spacing", "Take one of the acquisitions out of it."
        )
    lengths = np.linalg.norm(directions[0].reshape(2, 3), axis=1)
    skew = abs(float(np.dot(first.along_row, first.along_column)))
    if np.abs(lengths - 1).max() > DIRECTION_TOLERANCE or skew > DIRECTION_TOLERANCE:
        raise _unsound("its orientation is no pair of perpendicular unit vectors", _ASK)
    if min(first.spacing_mm) <= 0:
        raise _unsound("its pixel spacing is not positive", _ASK)


def _step(positions: Vector, distances: Vector, first: Plane) -> Vector:
    """Tell the way from slice to slice; `positions` and `distances` are in order."""
    if len(positions) == 1:
        if not first.thickness_mm or first.thickness_mm <= 0:
            raise _unsound("one slice of unknown thickness", _ASK)
        return first.normal * first.thickness_mm
    gaps = np.diff(distances)
    if gaps.min() < GAP_TOLERANCE_MM:
        shared = int((gaps < GAP_TOLERANCE_MM).sum())
        raise _unsound(
            f"{shared} of {len(positions)} images share a place with another",
            "Several time points, echoes or repeats: give one of them.",
        )
    typical = float(np.median(gaps))
    tolerance = max(GAP_TOLERANCE_MM, GAP_TOLERANCE_SHARE * typical)
    if np.abs(gaps - typical).max() > tolerance:
        raise _unequal(gaps, typical, tolerance)
    step: Vector = (positions[-1] - positions[0]) / (len(positions) - 1)
    across = step - first.normal * float(step @ first.normal)
    if np.linalg.norm(across) > TILT_TOLERANCE * np.linalg.norm(step):
        degrees = np.degrees(np.arcsin(np.linalg.norm(across) / np.linalg.norm(step)))
        raise _unsound(
            f"gantry tilt: its planes lean {degrees:.1f} degrees against the stack",
            "Resample it to an upright grid first.",
        )
    bend = positions - (positions[0] + np.outer(np.arange(len(positions)), step))
    if np.abs(bend).max() > max(GAP_TOLERANCE_MM, GAP_TOLERANCE_SHARE * min(first.spacing_mm)) * 2:
        raise _unsound("its positions do not lie on one line", _ASK)
    return step


def _unequal(gaps: Vector, typical: float, tolerance: float) -> UnsoundSeries:
    multiples = gaps / typical
    missing = np.rint(multiples) - 1
    is_whole = np.abs(multiples - np.rint(multiples)) * typical <= tolerance * np.rint(multiples)
    if is_whole.all() and missing.min() >= 0:
        return _unsound(
            f"{int(missing.sum())} slices are missing (spacing {typical:.3g} mm)",
            "Ask the sender for the whole series.",
        )
    return _unsound(
        f"unequal slice spacing, from {gaps.min():.3g} to {gaps.max():.3g} mm",
        "Slices are missing, or two series were mixed.",
    )


_ASK = "Ask the sender for the original series."


def _unsound(why: str, hint: str) -> UnsoundSeries:
    return UnsoundSeries(f"the series is no volume: {why}", hint=hint)
