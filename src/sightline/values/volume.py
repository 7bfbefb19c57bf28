"""Voxels with their place in the patient and their meaning."""

import dataclasses

from sightline.values.arrays import Mask, Voxels
from sightline.values.geometry import Geometry


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """One geometrically sound image series.

    Attributes:
        voxels: acquired integers; `slope * voxels + intercept` is in `unit`.
        unit: `HU` for CT, empty where the values have none.
    """

    voxels: Voxels
    geometry: Geometry
    modality: str
    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Segmentation:
    """What somebody drew on a volume.

    Attributes:
        mask: 0 is background, k is `classes[k - 1]`.
        author: a reader's name or pseudonym, or a model's name.
    """

    mask: Mask
    geometry: Geometry
    classes: tuple[str, ...]
    author: str
