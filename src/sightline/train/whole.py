"""Planning of tasks that look at whole images: a patch, and a spacing at which each image fits."""

import math

from sightline.train.fingerprint import Fingerprint
from sightline.values.plan import SpacingMm, Triple
from sightline.values.recipe import Recipe

# What networks of photographs see.
_FLAT_EDGE = 224
_VOXELS = 56**3
_SMALLEST_EDGE = 8


def plan_whole(
    recipe: Recipe, fingerprint: Fingerprint, reasons: dict[str, str]
) -> tuple[SpacingMm, Triple]:
    """Choose spacing and patch so that the largest image of training fits the patch whole.

    A smaller image is padded; one that is larger when the model is applied is cut at its sides.
    """
    extent = fingerprint.largest_mm
    is_flat = fingerprint.median_shape[0] == 1
    spacing = recipe.inputs.spacing_mm
    patch = recipe.inputs.patch
    if patch is None:
        patch = _patch(extent, is_flat=is_flat)
        reasons["patch"] = (
            f"{_FLAT_EDGE} pixels along the longer side, as networks of photographs see"
            if is_flat
            else f"the largest image in {_VOXELS} voxels at most"
        )
    else:
        reasons["patch"] = "the recipe"
    if spacing is None:
        edges = [length / size for length, size in zip(extent, patch, strict=True)]
        widest = max(edges[1:] if is_flat else edges)
        spacing = (extent[0] if is_flat else widest, widest, widest)
        reasons["spacing_mm"] = "the largest image of training fits the patch whole"
    else:
        reasons["spacing_mm"] = "the recipe"
    return spacing, patch


def _patch(extent: SpacingMm, *, is_flat: bool) -> Triple:
    if is_flat:
        longest = max(extent[1:])
        rows, columns = (max(_SMALLEST_EDGE, round(_FLAT_EDGE * e / longest)) for e in extent[1:])
        return (1, rows, columns)
    widest = (math.prod(extent) / _VOXELS) ** (1 / 3)
    a, b, c = (max(_SMALLEST_EDGE, math.floor(length / widest)) for length in extent)
    return (a, b, c)
