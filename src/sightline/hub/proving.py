"""Proving that an array holds what its name says: names are digests of voxels and their meaning."""

from sightline.errors import DamagedObject
from sightline.hub.admission import MASK_FORMAT, volume_digest, volume_geometry
from sightline.hub.hub import Hub
from sightline.store.arrays import SLICE_RESCALE, array_digest
from sightline.values.volume import Volume


def flaw_of(hub: Hub, digest: str) -> str | None:
    """Say what is wrong with a volume or mask, whose every voxel is read; None where nothing is.

    It finds what seals and checksums cannot: an array that was written anew with other voxels.
    """
    if not hub.array_path(digest).exists():
        return "its array is gone from the hub"
    try:
        array = hub.array(digest)
        voxels = array.read_stored()
    except DamagedObject as error:
        return error.problem
    attributes = array.attributes
    if attributes["format"] == MASK_FORMAT:
        found = array_digest(voxels)
    else:
        slope, intercept = array.scale
        found = volume_digest(
            Volume(
                voxels=voxels,
                geometry=volume_geometry(attributes, array.shape),
                modality=attributes["modality"],
                slope=slope,
                intercept=intercept,
                slice_rescale=_pairs(attributes.get(SLICE_RESCALE)),
                philips_scale=_pairs(attributes.get("philips_scale")),
            )
        )
    return None if found == digest else "its voxels are no longer what its name says"


def _pairs(listed: list[list[float]] | None) -> tuple[tuple[float, float], ...]:
    return tuple((slope, intercept) for slope, intercept in listed or ())
