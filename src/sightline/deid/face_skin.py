"""The skin of the front of a head on a fine grid: how deep places lie beneath it."""

import dataclasses

import numpy as np

from sightline.deid.brain_outline import Numbers
from sightline.deid.cranium import air_limit
from sightline.deid.head_place import HeadPlace, even_values
from sightline.deid.solids import Solid, dilated, eroded, piece_at, squared_distance
from sightline.deid.upright import Upright, Values, interpolated, upright
from sightline.values.volume import Volume

_STEP_MM = 1.5
# The grid holds what lies in front of and below that, in the mean brain's space.
_BACK_MM, _UP_MM = 14.0, 14.0
DEEPEST_MM = 12.0
"""Depths are told up to that."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Skin:
    """What bounds a head in front.

    Attributes:
        grid: the volume, stood upright, where the face may be.
        air: what lies before the skin.
        depth_mm: of places beneath the skin; 0 before it.
    """

    grid: Upright
    air: Solid
    depth_mm: Values

    def depth_at(self, left: Numbers, back: Numbers, up: Numbers) -> Values:
        """Return how deep places in the head's frame lie; arguments have one shape."""
        step, origin = np.float32(self.grid.step_mm), self.grid.origin.astype(np.float32)
        places = [
            ((each - low) / step).astype(np.float32)
            for each, low in zip((up, back, left), origin[::-1], strict=True)
        ]
        return interpolated(self.depth_mm, places)


def skin_of(volume: Volume, place: HeadPlace) -> Skin:
    """Look for the skin of a head that was placed in a volume.

    Air is what is dark and seen from in front or from a side: the airways are none, nor is what
    lies beyond the field of view.
    """
    coarse = place.grid
    template_back, template_up = place.fit.template_place(*coarse.axes()[1:])
    front = place.head & (template_back < _BACK_MM) & (template_up < _UP_MM)
    grid = upright(
        even_values(volume),
        volume.geometry.matrix,
        place.rotation,
        around=coarse.points(front),
        step_mm=_STEP_MM,
    )
    bright = (grid.values > air_limit(coarse, volume.modality)) & grid.is_scanned
    # What hangs together with no head is noise.
    tissue = piece_at(bright, _on(grid, coarse, eroded(place.head, 1)))
    cut_off = ~grid.is_scanned & _on(grid, coarse, dilated(place.head, 2))
    air = _seen_through(tissue | cut_off) & grid.is_scanned
    reach = DEEPEST_MM / _STEP_MM
    squares = np.minimum(squared_distance(air, reach), np.float32(reach + 1) ** 2)
    # The skin lies between the last voxel of air and the first of tissue.
    depth = np.maximum((np.sqrt(squares) - np.float32(0.5)) * np.float32(_STEP_MM), 0)
    depth[_on(grid, coarse, dilated(place.brain, 1))] = DEEPEST_MM
    return Skin(grid=grid, air=air, depth_mm=depth)


def _seen_through(solid: Solid) -> Solid:
    """Return what can be seen from in front, from the left or from the right."""
    from_front = ~np.logical_or.accumulate(solid, axis=1)
    from_right = ~np.logical_or.accumulate(solid, axis=2)
    from_left = ~np.logical_or.accumulate(solid[:, :, ::-1], axis=2)[:, :, ::-1]
    seen: Solid = from_front | from_right | from_left
    return seen


def _on(grid: Upright, coarse: Upright, solid: Solid) -> Solid:
    """Return a solid of one grid on another that is turned in the same way."""
    indices = [
        np.clip(
            np.rint((grid.axis_mm(axis) - coarse.origin[axis]) / coarse.step_mm).astype(int),
            0,
            solid.shape[2 - axis] - 1,
        )
        for axis in range(3)
    ]
    moved: Solid = solid[np.ix_(indices[2], indices[1], indices[0])]
    return moved
