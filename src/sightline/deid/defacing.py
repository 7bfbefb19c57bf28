"""Clearing the face from a volume without touching the brain."""

import dataclasses

import numpy as np

from sightline.deid.brain_outline import Numbers
from sightline.deid.face_left import kept_share, seen_in
from sightline.deid.face_skin import Skin, skin_of
from sightline.deid.face_surface import area_cm2, find_face
from sightline.deid.head_place import HeadPlace, place_in, places_of, unsure
from sightline.deid.solids import Solid, dilated
from sightline.values.arrays import Voxels
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume

_AIR_HU = -1000.0
# Skin, bone and fluid before a brain are thicker than that in front of the ears and below the brow.
_SHELL_MM = 8.0
_SHELL_BACK, _SHELL_UP = -18.0, 5.0
# Of a face that is larger than the one of the bound, which is a twentieth.
_MOST_KEPT_SHARE = 0.015
# Of a face that is found in a slightly different place.
_MOST_KEPT_AGAIN, _MOST_AREA_AGAIN = 0.06, 0.3


def face_mask(volume: Volume) -> Solid | None:
    """Return the voxels to clear, on the grid of a volume; None where no face stands.

    Raises:
        Refused: It is not certain where face and brain lie.
    """
    found = find_face(volume)
    if not found.stands or found.place is None:
        return None
    skin = skin_of(volume, found.place)
    _check_brain(found.place)
    mask = mask_at(found.place, skin, volume.geometry)
    if kept_share(found.place, skin, mask, geometry=volume.geometry) > _MOST_KEPT_SHARE:
        raise unsure("too much of the face would stay")
    _look_again(volume, found.place, skin, mask=mask)
    return mask


def mask_at(place: HeadPlace, skin: Skin, geometry: Geometry) -> Solid:
    """Return the voxels of a grid that belong to the face of a head."""
    slices = (
        place.is_face(*points) | _is_shell(place, skin, points)
        for points in places_of(place.rotation @ geometry.matrix[:3], geometry.shape)
    )
    return np.stack(list(slices))


def _is_shell(place: HeadPlace, skin: Skin, points: tuple[Numbers, Numbers, Numbers]) -> Solid:
    """Tell of places of one shape whether they lie close under the skin of the face."""
    template_back, template_up = place.fit.template_place(points[1], points[2])
    shell: Solid = (template_back < _SHELL_BACK) & (template_up < _SHELL_UP)
    shell[shell] = skin.depth_at(*(each[shell] for each in points)) < _SHELL_MM
    return shell


def _look_again(volume: Volume, place: HeadPlace, skin: Skin, *, mask: Solid) -> None:
    """Refuse where the head, looked for in what is left, has a face, or one in another place."""
    gone = seen_in(mask, volume.geometry, place.grid)
    values = np.where(gone, place.grid.values.min(), place.grid.values)
    left = dataclasses.replace(place.grid, values=values)
    again = place_in(left, volume.modality, middle=place.middle, safe_mm=place.safe_mm)
    kept = kept_share(again, skin, mask, geometry=volume.geometry)
    if area_cm2(again) > _MOST_AREA_AGAIN * area_cm2(place) or kept > _MOST_KEPT_AGAIN:
        raise unsure("in what would be left, the head seems to lie in another place")


def cleared(volume: Volume, mask: Solid) -> Voxels:
    """Return the voxels of a volume with air in place of what a mask holds.

    Air is -1000 HU in CT, or the lowest value that fits; 0 in MR.
    """
    voxels = volume.voxels.copy()
    limits = np.iinfo(voxels.dtype)
    scales = volume.slice_rescale or ((volume.slope, volume.intercept),) * len(voxels)
    air = _AIR_HU if volume.modality == "CT" else 0.0
    lowest = int(voxels.min()) if volume.modality == "MR" else int(limits.min)
    for slice_, part, (slope, intercept) in zip(voxels, mask, scales, strict=True):
        stored = round((air - intercept) / slope)
        slice_[part] = min(max(stored, lowest, int(limits.min)), int(limits.max))
    return voxels


def _check_brain(place: HeadPlace) -> None:
    """Refuse where what would be cleared comes close to what certainly is brain."""
    grid = place.grid
    region = place.is_face(*grid.axes())
    core = place.brain & grid.within(
        np.array([place.middle_left, *place.fit.middle]), np.array([60.0, 70.0, 50.0])
    )
    if (dilated(core, 1) & region).any():
        raise unsure("the brain lies too close to the face")
