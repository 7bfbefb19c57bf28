"""Whether the surface of a face stands in a volume, by its pixels."""

import dataclasses

import numpy as np

from sightline.deid.cranium import noise_limit
from sightline.deid.head_place import HeadPlace, place_head, unsure
from sightline.deid.solids import dilated, eroded
from sightline.deid.upright import STEP_MM
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume

# A volume that is smaller in two directions shows a part of a brain at most.
_SMALLEST_MM = 60.0
# Beyond what clearing leaves, so that a cut is not taken for a face.
_BEYOND_MM = 7.5
_LEAST_CM2 = 8.0
_MOST_STRAY_SHARE = 0.03


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FaceFound:
    """What was seen of a face.

    Attributes:
        area_cm2: of the edges between air and tissue in the face's region.
        place: where the head lies; None for a volume too small to hold a face.
    """

    area_cm2: float
    place: HeadPlace | None

    @property
    def stands(self) -> bool:
        """Whether enough of it stands to be a face."""
        return self.area_cm2 >= _LEAST_CM2


def find_face(volume: Volume) -> FaceFound:
    """Look for a face: edges between air and tissue in front of the skull, below the brow.

    A volume whose face was cleared has none, nor has one that is cut to the brain.

    Raises:
        Refused: Neither can be said with certainty.
    """
    if is_too_small(volume.geometry):
        return FaceFound(area_cm2=0.0, place=None)
    place = place_head(volume)
    found = FaceFound(area_cm2=area_cm2(place), place=place)
    if not found.stands and volume.modality == "MR" and _stray_share(place) > _MOST_STRAY_SHARE:
        raise unsure("tissue lies apart from the head that was found")
    return found


def is_too_small(geometry: Geometry) -> bool:
    """Tell whether a volume is too small to hold a face."""
    matrix = np.abs(geometry.matrix[:3, :3])
    extents = matrix @ np.array(geometry.shape)
    return int((extents < _SMALLEST_MM).sum()) > 1


def area_cm2(place: HeadPlace) -> float:
    """Return the area of the edges between air and tissue where the face of a head is."""
    grid = place.grid
    region = place.is_face(*grid.axes(), beyond_mm=_BEYOND_MM)
    edge = place.head & ~eroded(place.head | ~grid.is_scanned, 1)
    return float((edge & region).sum()) * STEP_MM**2 / 100


def _stray_share(place: HeadPlace) -> float:
    """Return the share of tissue that belongs to no head."""
    tissue = (place.grid.values > noise_limit(place.grid)) & place.grid.is_scanned
    stray = eroded(tissue & ~dilated(place.head, 2), 1)
    return float(stray.sum() / max(place.head.sum(), 1))
