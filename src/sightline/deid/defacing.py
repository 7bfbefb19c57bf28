"""Clearing the face from a volume without touching the brain."""

import numpy as np

from sightline.deid.face_surface import find_face
from sightline.deid.head_place import HeadPlace, unsure
from sightline.deid.solids import Solid, dilated, eroded
from sightline.deid.upright import STEP_MM, Values
from sightline.values.arrays import Voxels
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume

_AIR_HU = -1000.0
# Between brow and temples, in mm of the mean brain's space.
_BROW_UP, _TEMPLES_BACK = -14.0, -50.0
_DEEP_MM, _MOST_KEPT_SHARE = 5.0, 0.08


def face_mask(volume: Volume) -> Solid | None:
    """Return the voxels to clear, on the grid of a volume; None where no face stands.

    Raises:
        Refused: It is not certain where face and brain lie.
    """
    found = find_face(volume)
    if not found.stands or found.place is None:
        return None
    _check_brain(found.place)
    _check_gone(found.place)
    return mask_at(found.place, volume.geometry)


def mask_at(place: HeadPlace, geometry: Geometry) -> Solid:
    """Return the voxels of a grid that belong to the face of a head."""
    matrix = place.rotation @ geometry.matrix[:3]
    slices, rows, columns = (np.arange(count, dtype=np.float32) for count in geometry.shape)
    mask = np.zeros(geometry.shape, dtype=np.bool_)
    plane = [
        np.float32(line[1]) * rows[:, None] + (np.float32(line[2]) * columns + np.float32(line[3]))
        for line in matrix
    ]
    for number in slices.astype(int):
        left, back, up = (
            each + np.float32(line[0] * number) for each, line in zip(plane, matrix, strict=True)
        )
        mask[number] = place.is_face(left, back, up)
    return mask


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
    region = place.is_face(*_axes(place))
    core = place.brain & place.grid.within(
        np.array([place.middle_left, *place.fit.middle]), np.array([60.0, 70.0, 50.0])
    )
    if (dilated(core, 1) & region).any():
        raise unsure("the brain lies too close to the face")


def _check_gone(place: HeadPlace) -> None:
    """Refuse where too much of the face would stay, or lose too little depth to be another form."""
    left, back, up = _axes(place)
    template_back, template_up = place.fit.template_place(back, up)
    outside = ~place.grid.is_scanned
    is_front = (template_back < _TEMPLES_BACK) & (template_up < _BROW_UP)
    face = place.head & ~eroded(place.head | outside, 1) & is_front
    kept = place.head & ~place.is_face(left, back, up)
    edge = kept & ~eroded(kept | outside, 1)
    stays = float((dilated(edge, _DEEP_MM / STEP_MM) & face).sum())
    if stays > _MOST_KEPT_SHARE * float(face.sum()):
        raise unsure("too much of the face lies close before the brain")


def _axes(place: HeadPlace) -> tuple[Values, Values, Values]:
    left, back, up = (place.grid.axis_mm(axis).astype(np.float32) for axis in range(3))
    return left[None, None, :], back[None, :, None], up[:, None, None]
