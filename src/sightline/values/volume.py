"""Voxels with their place in the patient and their meaning."""

import dataclasses
from typing import Self, TypeAlias

import numpy as np

from sightline.values.arrays import Mask, Voxels
from sightline.values.geometry import Geometry

SliceRescale: TypeAlias = tuple[float, float]
"""Slope and intercept of one slice."""

PROJECTIONS = frozenset({"CR", "DX", "MG", "IO"})
"""Modalities of X-rays: a volume of one slice on a plane of its own, nowhere in the patient."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """One geometrically sound image series, or one stack of it.

    Attributes:
        voxels: acquired integers; `slope * voxels + intercept` is in `unit`.
        unit: `HU` for CT, empty where the values have none.
        stack: what sets it apart from other volumes of its series; empty where it is alone.
        slice_rescale: one a slice where they differ, as in PET: then `slope` is 1 and `intercept`
            0, and only `evened` brings all voxels to one scale.
        philips_scale: Philips' private scale slope and intercept, one for all slices or one a
            slice; noted for quantitative use, not part of `slope`.
    """

    voxels: Voxels
    geometry: Geometry
    modality: str
    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    stack: str = ""
    slice_rescale: tuple[SliceRescale, ...] = ()
    philips_scale: tuple[SliceRescale, ...] = ()

    def evened(self) -> Self:
        """Return itself, or where slices differ in rescale a copy with float32 voxels in `unit`."""
        if not self.slice_rescale:
            return self
        scale = np.array(self.slice_rescale)[:, :, None, None]
        values = self.voxels * scale[:, 0] + scale[:, 1]
        return dataclasses.replace(self, voxels=values.astype(np.float32), slice_rescale=())


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
