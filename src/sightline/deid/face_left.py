"""What is left of a face after clearing, seen on the volume's own grid."""

import numpy as np

from sightline.deid.face_skin import Skin
from sightline.deid.head_place import HeadPlace, places_of
from sightline.deid.solids import Solid, squared_distance
from sightline.deid.upright import Upright
from sightline.values.geometry import Geometry

_NEAR_MM = 5.0
# Between brow and temples, in mm of the mean brain's space: more than a face, for the place of the
# head is not known to the millimetre.
_BROW_UP, _TEMPLES_BACK = -3.0, -35.0
# What borders on it, so that no edge is made up where the view ends.
_BESIDE_MM = 13.0
# Voxels finer than that are skipped.
_FINE_MM = 1.5


def kept_share(place: HeadPlace, skin: Skin, mask: Solid, *, geometry: Geometry) -> float:
    """Return the share of a face's skin with an edge of air and tissue within 5 mm, from 0 to 1.

    Args:
        place: of the head.
        skin: of its front.
        mask: what is cleared, on the grid of a volume.
        geometry: of that volume.
    """
    steps = [max(1, int(_FINE_MM // length)) for length in geometry.spacing_mm]
    cleared = mask[tuple(slice(None, None, step) for step in steps)]
    matrix = place.rotation @ geometry.matrix[:3] @ np.diag([*steps, 1.0])
    tissue, front = np.zeros((2, *cleared.shape), dtype=np.bool_)
    for number, points in enumerate(places_of(matrix, cleared.shape)):
        back, up = place.fit.template_place(points[1], points[2])
        seen = (back < _TEMPLES_BACK + _BESIDE_MM) & (up < _BROW_UP + _BESIDE_MM)
        tissue[number][seen] = skin.depth_at(*(each[seen] for each in points)) > 0
        front[number] = (back < _TEMPLES_BACK) & (up < _BROW_UP) & seen
    spacing = tuple(step * length for step, length in zip(steps, geometry.spacing_mm, strict=True))
    box = _box(front, spacing)
    tissue, cleared = tissue[box], cleared[box]
    face = _edge(tissue) & front[box]
    near = squared_distance(_edge(tissue & ~cleared), _NEAR_MM, spacing) <= _NEAR_MM**2
    return float((near & face).sum() / max(face.sum(), 1))


def seen_in(mask: Solid, geometry: Geometry, grid: Upright) -> Solid:
    """Return a mask on the grid of an upright volume: of each place the nearest voxel."""
    inverse = np.linalg.inv(geometry.matrix)
    lines = np.hstack([inverse[:3, :3] @ grid.rotation.T, inverse[:3, 3:]]).astype(np.float32)
    left, back, up = grid.axes()
    places = [
        np.clip(np.rint(line[0] * left + line[1] * back + line[2] * up + line[3]), 0, size - 1)
        for line, size in zip(lines, mask.shape, strict=True)
    ]
    seen: Solid = mask[tuple(place.astype(np.int32) for place in places)] & grid.is_scanned
    return seen


def _box(solid: Solid, spacing: tuple[float, ...]) -> tuple[slice, ...]:
    """Return what holds a solid and its surroundings."""
    box = []
    for axis, length in enumerate(spacing):
        others = tuple(other for other in range(solid.ndim) if other != axis)
        places = np.flatnonzero(solid.any(axis=others))
        border = int(_NEAR_MM / length) + 2
        first, last = (int(places[0]), int(places[-1])) if places.size else (0, 0)
        box.append(slice(max(0, first - border), last + border + 1))
    return tuple(box)


def _edge(solid: Solid) -> Solid:
    """Return the voxels that touch what is no part of a solid; the border of the image is none."""
    inner = solid.copy()
    for axis in range(solid.ndim):
        ahead, behind = [slice(None)] * solid.ndim, [slice(None)] * solid.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        inner[tuple(ahead)] &= solid[tuple(behind)]
        inner[tuple(behind)] &= solid[tuple(ahead)]
    return solid & ~inner
