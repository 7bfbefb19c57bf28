"""How far two surfaces are apart: the 95th percentile, and the share within a tolerance.

Surface voxels are those of a mask that touch its outside by a face; distances are exact, between
voxel middles in mm (Maurer et al., 2003, by SimpleITK). HD95 is the greater of both directions;
NSD counts surface voxels of both (Nikolov et al., 2021, doi 10.2196/26151, by voxels).
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sightline import extras

_Bits = npt.NDArray[np.bool_]
_Distances = npt.NDArray[np.float64]
_PERCENTILE = 95.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SurfaceDistance:
    """How two masks differ at their surfaces.

    Attributes:
        hd95_mm: None where one of them is empty.
        nsd: 0 where one is empty, None where both are.
    """

    hd95_mm: float | None
    nsd: float | None


def surface_distance(
    one: _Bits,
    other: _Bits,
    *,
    spacing_mm: tuple[float, float, float],
    tolerance_mm: float,
) -> SurfaceDistance:
    """Compare two masks of (slices, rows, columns) on one grid.

    Raises:
        MissingExtra: The learning stack is not installed.
    """
    if not one.any() or not other.any():
        is_one = bool(one.any()) != bool(other.any())
        return SurfaceDistance(hd95_mm=None, nsd=0.0 if is_one else None)
    there, back = distances_of(one, other, spacing_mm)
    within = int((there <= tolerance_mm).sum()) + int((back <= tolerance_mm).sum())
    return SurfaceDistance(
        hd95_mm=far(there, back),
        nsd=within / (len(there) + len(back)),
    )


def distances_of(
    one: _Bits, other: _Bits, spacing_mm: tuple[float, float, float]
) -> tuple[_Distances, _Distances]:
    """Return how far each surface voxel of one mask is from the other's surface, and back, in mm.

    Args:
        one: (slices, rows, columns), not empty.
        other: of the same grid, not empty.
        spacing_mm: of the grid.

    Raises:
        MissingExtra: The learning stack is not installed.
    """
    box = _box(one | other)
    # A flat image has outlines; each of its voxels is open above and below.
    axes = [axis for axis in range(3) if one.shape[axis] > 1]
    surfaces = [_surface(mask[box], axes) for mask in (one, other)]
    there = _distances(surfaces[0], surfaces[1], spacing_mm)
    return there, _distances(surfaces[1], surfaces[0], spacing_mm)


def far(there: _Distances, back: _Distances) -> float:
    """Return the greater of the 95th percentiles of both directions."""
    return float(max(np.percentile(each, _PERCENTILE) for each in (there, back)))


def _box(mask: _Bits) -> tuple[slice, slice, slice]:
    spans = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        where = np.flatnonzero(mask.any(axis=others))
        spans.append(slice(int(where[0]), int(where[-1]) + 1))
    return spans[0], spans[1], spans[2]


def _surface(mask: _Bits, axes: list[int]) -> _Bits:
    """Mark the voxels that touch the outside by a face; beyond the array is outside."""
    padded = np.pad(mask, 1)
    inside = padded.copy()
    for axis in axes:
        inside &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
    return np.asarray(mask & ~inside[1:-1, 1:-1, 1:-1])


def _distances(here: _Bits, there: _Bits, spacing_mm: tuple[float, float, float]) -> _Distances:
    """Return how far each surface voxel here is from the nearest one there, in mm."""
    simpleitk = extras.load("SimpleITK", extra="learn")
    image = simpleitk.GetImageFromArray(there.astype(np.uint8))
    image.SetSpacing(spacing_mm[::-1])
    distances = simpleitk.GetArrayFromImage(
        simpleitk.SignedMaurerDistanceMap(
            image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
        )
    )
    # Within the surface itself the map is negative or 0.
    return np.asarray(np.clip(distances[here], 0, None), dtype=np.float64)
