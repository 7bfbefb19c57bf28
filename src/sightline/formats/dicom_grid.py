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
        label: names the image in messages, such as `image 12`.
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
    label: str = "an image"

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
    step = _step([planes[index] for index in order], positions[order], distances[order])
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = np.array(first.along_column) * first.spacing_mm[0]
    affine[:3, 2] = np.array(first.along_row) * first.spacing_mm[1]
    affine[:3, 3] = positions[order[0]]
    return order, Geometry.from_affine((len(planes), first.rows, first.columns), affine)


def is_place_shared(gaps: Vector) -> npt.NDArray[np.bool_]:
    """Tell of gaps along the normal, in mm, which are none: both images lie at one place."""
    shared: npt.NDArray[np.bool_] = gaps < GAP_TOLERANCE_MM
    return shared


def _check_alike(planes: Sequence[Plane]) -> None:
    first = planes[0]
    if len({(plane.rows, plane.columns) for plane in planes}) > 1:
        raise unsound("its images differ in size", _ONE_ACQUISITION)
    directions = np.array([(*plane.along_row, *plane.along_column) for plane in planes])
    if np.abs(directions - directions[0]).max() > DIRECTION_TOLERANCE:
        raise unsound("its images differ in orientation", "A localizer is no volume.")
    spacing = np.array([plane.spacing_mm for plane in planes])
    if np.abs(spacing - spacing[0]).max() > GAP_TOLERANCE_SHARE * min(first.spacing_mm):
        raise unsound("its images differ in pixel spacing", _ONE_ACQUISITION)
    lengths = np.linalg.norm(directions[0].reshape(2, 3), axis=1)
    skew = abs(float(np.dot(first.along_row, first.along_column)))
    if np.abs(lengths - 1).max() > DIRECTION_TOLERANCE or skew > DIRECTION_TOLERANCE:
        raise unsound("its orientation is no pair of perpendicular unit vectors", _ASK)
    if min(first.spacing_mm) <= 0:
        raise unsound("its pixel spacing is not positive", _ASK)


def _step(planes: Sequence[Plane], positions: Vector, distances: Vector) -> Vector:
    """Tell the way from slice to slice; all arguments are in order."""
    first = planes[0]
    if len(positions) == 1:
        if not first.thickness_mm or first.thickness_mm <= 0:
            raise unsound(f"one slice of unknown thickness ({first.label})", _ASK)
        return first.normal * first.thickness_mm
    _check_gaps(planes, distances)
    step: Vector = (positions[-1] - positions[0]) / (len(positions) - 1)
    across = step - first.normal * float(step @ first.normal)
    if np.linalg.norm(across) > TILT_TOLERANCE * np.linalg.norm(step):
        degrees = np.degrees(np.arcsin(np.linalg.norm(across) / np.linalg.norm(step)))
        raise unsound(
            f"gantry tilt: its planes lean {degrees:.1f} degrees against the stack",
            "Resample it to an upright grid first.",
        )
    bend = np.abs(positions - (positions[0] + np.outer(np.arange(len(positions)), step))).max(1)
    if bend.max() > max(GAP_TOLERANCE_MM, GAP_TOLERANCE_SHARE * min(first.spacing_mm)) * 2:
        label = planes[int(bend.argmax())].label
        raise unsound(
            f"its positions do not lie on one line ({label} is {bend.max():.3g} mm beside it)", _ASK
        )
    return step


def _check_gaps(planes: Sequence[Plane], distances: Vector) -> None:
    gaps = np.diff(distances)
    shared = is_place_shared(gaps)
    if shared.any():
        raise unsound(
            f"{int(shared.sum())} of {len(planes)} images share a place with another, first "
            f"{_between(planes, int(shared.argmax()))}",
            "Several time points, echoes or repeats, and nothing in them says which is which: "
            "send them as series of their own.",
        )
    typical = _typical(gaps)
    tolerance = max(GAP_TOLERANCE_MM, GAP_TOLERANCE_SHARE * typical)
    if np.abs(gaps - typical).max() > tolerance:
        raise _unequal(planes, gaps, tolerance)


def _typical(gaps: Vector) -> float:
    """The median of gaps that occur: the mean of a whole one and a torn one is neither."""
    return float(np.sort(gaps)[(len(gaps) - 1) // 2])


def _unequal(planes: Sequence[Plane], gaps: Vector, tolerance: float) -> UnsoundSeries:
    typical = _typical(gaps)
    multiples = gaps / typical
    missing = np.rint(multiples) - 1
    is_whole = np.abs(multiples - np.rint(multiples)) * typical <= tolerance * np.rint(multiples)
    if is_whole.all() and missing.min() >= 0:
        count, place = int(missing.sum()), _between(planes, int((missing > 0).argmax()))
        return unsound(
            f"{count} slice{'s are' if count > 1 else ' is'} missing, first {place} "
            f"(spacing {typical:.3g} mm)",
            "Ask the sender for the whole series.",
        )
    odd = int((np.abs(gaps - typical) > tolerance).argmax())
    return unsound(
        f"unequal slice spacing, from {gaps.min():.3g} to {gaps.max():.3g} mm; it is "
        f"{gaps[odd]:.3g} mm {_between(planes, odd)}",
        "Slices are missing, or two series were mixed: ask the sender for the original series.",
    )


def _between(planes: Sequence[Plane], gap: int) -> str:
    return f"between {planes[gap].label} and {planes[gap + 1].label}"


_ASK = "Ask the sender for the original series."
_ONE_ACQUISITION = "Take one of the acquisitions out of it."
_NO_VOLUME = "the series is no volume: "


def unsound(why: str, hint: str) -> UnsoundSeries:
    """Return the error that says why a series is no volume."""
    return UnsoundSeries(f"{_NO_VOLUME}{why}", hint=hint)


def reason_of(error: UnsoundSeries) -> str:
    """Return why, of an error that `unsound` made."""
    return error.problem.removeprefix(_NO_VOLUME)
