"""A volume on an even grid whose axes are the patient's, and how the head in it leans and turns."""

import dataclasses
import itertools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.deid.solids import Solid
from sightline.values.arrays import Affine

Values: TypeAlias = npt.NDArray[np.float32]
"""(slices, rows, columns): upwards, to the back, to the left."""
Vector: TypeAlias = npt.NDArray[np.float64]
Rotation: TypeAlias = npt.NDArray[np.float64]
"""(3, 3), from LPS to (left, back, up) of the head."""

STEP_MM = 3.0
UNTURNED: Rotation = np.eye(3)

_NEAR_MM = 100.0
# A head with its neck is not taller.
_BORDER_MM, _TALLEST_MM = 18.0, 320.0
_MOST_POINTS = 30_000
_WIDEST_DEGREES, _FIRST_STEP_DEGREES = 24, 8
# Turns in degrees and offsets in mm of the search, ever finer.
_FINER = ((4.0, 3.0), (2.0, 2.0), (1.0, 1.0))
_NO_TURN = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Upright:
    """A volume sampled at even steps.

    Attributes:
        values: HU, or signal.
        is_scanned: where the volume is; elsewhere `values` say air.
        origin: (left, back, up) of the first voxel, in mm.
        rotation: from LPS to (left, back, up).
        step_mm: between voxels.
    """

    values: Values
    is_scanned: Solid
    origin: Vector
    rotation: Rotation
    step_mm: float = STEP_MM

    def axis_mm(self, axis: int) -> Vector:
        """Return the places of voxels along an axis: 0 left, 1 back, 2 up."""
        steps: Vector = self.origin[axis] + self.step_mm * np.arange(self.values.shape[2 - axis])
        return steps

    def axes(self) -> tuple[Values, Values, Values]:
        """Return left, back and up of every voxel, to be broadcast."""
        left, back, up = (self.axis_mm(axis).astype(np.float32) for axis in range(3))
        return left[None, None, :], back[None, :, None], up[:, None, None]

    def points(self, solid: Solid) -> Vector:
        """Return (left, back, up) of the voxels of a solid, one a row."""
        places: Vector = np.argwhere(solid)[:, ::-1] * self.step_mm + self.origin
        return places

    def within(self, centre: Vector, axes: Vector | float) -> Solid:
        """Return the voxels of an ellipsoid, or of a ball."""
        halves = np.broadcast_to(np.asarray(axes, dtype=np.float64), (3,))
        left, back, up = (
            ((self.axis_mm(axis) - centre[axis]) / halves[axis]) ** 2 for axis in range(3)
        )
        is_within: Solid = up[:, None, None] + back[None, :, None] + left[None, None, :] < 1
        return is_within


def upright(
    values: npt.NDArray[np.floating],
    affine: Affine,
    rotation: Rotation,
    *,
    around: Vector | None = None,
    step_mm: float = STEP_MM,
) -> Upright:
    """Sample a volume along the axes that a rotation names.

    Args:
        values: HU, or signal.
        affine: from voxels to LPS mm.
        rotation: from LPS to (left, back, up).
        around: points in the rotated frame; what is far from all of them is left out.
        step_mm: between the voxels of the result.
    """
    means, to_frame = _means(values, affine, rotation, step_mm=step_mm)
    low, shape = _bounds(means.shape, to_frame, around, step_mm=step_mm)
    back = np.linalg.inv(to_frame)
    left, behind, up = (
        (low[axis] + step_mm * np.arange(shape[axis])).astype(np.float32) for axis in range(3)
    )
    places = [
        np.float32(line[2]) * up[:, None, None]
        + np.float32(line[1]) * behind[None, :, None]
        + (np.float32(line[0]) * left + np.float32(line[3]))[None, None, :]
        for line in back[:3]
    ]
    sizes = means.shape
    is_scanned = np.ones(places[0].shape, dtype=np.bool_)
    for place, size in zip(places, sizes, strict=True):
        is_scanned &= np.abs(place - np.float32((size - 1) / 2)) <= size / 2
    sampled = interpolated(means, places)
    sampled[~is_scanned] = values.min()
    return Upright(
        values=sampled, is_scanned=is_scanned, origin=low, rotation=rotation, step_mm=step_mm
    )


def _means(
    values: npt.NDArray[np.floating], affine: Affine, rotation: Rotation, *, step_mm: float
) -> tuple[Values, Affine]:
    """Average voxels smaller than a step, so that noise is none; return them and their place."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    factors = [
        min(max(1, int(step_mm // length)), size)
        for length, size in zip(spacing, values.shape, strict=True)
    ]
    counts = [size // factor for size, factor in zip(values.shape, factors, strict=True)]
    cut = values[tuple(slice(0, n * k) for n, k in zip(counts, factors, strict=True))]
    blocks = [each for pair in zip(counts, factors, strict=True) for each in pair]
    means = cut.reshape(blocks).mean(axis=(1, 3, 5), dtype=np.float32)
    frame = np.eye(4)
    frame[:3, :3] = rotation
    coarse = np.diag([*factors, 1.0])
    coarse[:3, 3] = (np.array(factors) - 1) / 2
    return means, frame @ affine @ coarse


def _bounds(
    shape: tuple[int, ...], to_frame: Affine, around: Vector | None, *, step_mm: float
) -> tuple[Vector, list[int]]:
    corners = np.array(list(itertools.product(*((-0.5, size - 0.5) for size in shape))))
    places = corners @ to_frame[:3, :3].T + to_frame[:3, 3]
    low, high = places.min(axis=0), places.max(axis=0)
    if around is not None and len(around):
        low = np.maximum(low, around.min(axis=0) - _BORDER_MM)
        high = np.minimum(high, around.max(axis=0) + _BORDER_MM)
        low[2] = max(low[2], high[2] - _TALLEST_MM)
    return low, [int(count) for count in np.ceil((high - low) / step_mm) + 1]


def interpolated(values: Values, places: list[Values]) -> Values:
    """Interpolate linearly; beyond the border the border's value goes on.

    Args:
        values: on a grid.
        places: along each of its axes, in voxels; all of one shape, which the result has.
    """
    bases, shares = [], []
    for place, size in zip(places, values.shape, strict=True):
        inside = np.clip(place, 0, size - 1)
        base = np.minimum(inside.astype(np.int32), max(size - 2, 0))
        bases.append(base)
        shares.append(inside - base)
    result = np.zeros(places[0].shape, dtype=np.float32)
    for corner in itertools.product((0, 1), repeat=3):
        weight = np.ones_like(result)
        index = []
        for step, base, share, size in zip(corner, bases, shares, values.shape, strict=True):
            weight *= share if step else 1 - share
            index.append(np.minimum(base + step, size - 1))
        result += weight * values[tuple(index)]
    return result


def midline(grid: Upright, head: Solid, centre: Vector) -> tuple[Rotation, Vector, float]:
    """Find how a head leans and turns by comparing its halves.

    Args:
        grid: not turned yet.
        head: what is head in it.
        centre: a point near the middle of the cranium.

    Returns:
        The rotation that stands the midline upright, `centre` moved into the midline and turned
        with it, and how alike the halves are, from -1 to 1.
    """
    mirror = _Mirror(grid, head, centre)
    angles = range(-_WIDEST_DEGREES, _WIDEST_DEGREES + 1, _FIRST_STEP_DEGREES)
    start = max(
        ((float(lean), float(turn), float(off)) for lean in angles for turn in angles
         for off in (-6, 0, 6)),
        key=mirror.likeness,
    )  # fmt: skip
    best, likeness = start, mirror.likeness(start)
    for degrees, millimetres in _FINER:
        is_better = True
        while is_better:
            is_better = False
            for axis, step in itertools.product(range(3), (-1.0, 1.0)):
                tried = list(best)
                tried[axis] += step * (millimetres if axis == 2 else degrees)  # noqa: PLR2004 - offset
                found = mirror.likeness((tried[0], tried[1], tried[2]))
                if found > likeness + _NO_TURN:
                    best, likeness, is_better = (tried[0], tried[1], tried[2]), found, True
    rotation = turned(best[0], best[1])
    return rotation, rotation @ centre + np.array([best[2], 0.0, 0.0]), likeness


def turned(lean_degrees: float, turn_degrees: float) -> Rotation:
    """Return the rotation by a leaning (about the axis to the back) and a turning."""
    lean, turn = np.radians([lean_degrees, turn_degrees])
    about_back = np.array(
        [[np.cos(lean), 0, np.sin(lean)], [0, 1, 0], [-np.sin(lean), 0, np.cos(lean)]]
    )
    about_up = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    rotation: Rotation = about_back @ about_up
    return rotation


class _Mirror:
    """Compares a head with its mirror image."""

    def __init__(self, grid: Upright, head: Solid, centre: Vector) -> None:
        near = head & grid.within(centre, _NEAR_MM)
        inside = grid.values[near] if near.any() else grid.values
        low, high = np.percentile(inside, [1, 97])
        self._values = np.clip(grid.values, low, high)
        step = near.sum() // _MOST_POINTS + 1
        self._points = grid.points(near)[::step] - centre
        self._own = self._values[near][::step]
        self._start = (centre - grid.origin) / STEP_MM

    def likeness(self, pose: tuple[float, float, float]) -> float:
        """Correlate values with those on the other side of a plane: lean, turn, offset."""
        normal = turned(pose[0], pose[1])[0]
        across = self._points @ normal - pose[2]
        other = self._points - 2 * across[:, None] * normal
        index = np.rint(other / STEP_MM + self._start).astype(np.int32)[:, ::-1]
        index = np.clip(index, 0, np.array(self._values.shape) - 1)
        values = self._values[index[:, 0], index[:, 1], index[:, 2]]
        spread = float(values.std() * self._own.std())
        if spread <= 0:
            return 0.0
        product = float(((values - values.mean()) * (self._own - self._own.mean())).mean())
        return product / spread
