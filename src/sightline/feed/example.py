"""One item that a training learns from."""

import dataclasses

from sightline.store.arrays import StoredArray
from sightline.values.geometry import Geometry


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A stored volume with the mask that teaches it.

    Attributes:
        subject_id: pseudonym; splits and intervals go by it.
        slope: `slope * voxels + intercept` is in the unit of the modality.
        mask: on the grid of `volume`; 0 is background, k the k-th class; None where not annotated.
    """

    series_uid: str
    subject_id: str
    volume: StoredArray
    geometry: Geometry
    modality: str
    slope: float = 1.0
    intercept: float = 0.0
    mask: StoredArray | None = None
