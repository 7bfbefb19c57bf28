"""Head and brain in a volume, by threshold and shape: CT inside the skull, MR inside the scalp."""

import dataclasses

import numpy as np

from sightline.deid.solids import (
    Solid,
    closed,
    dilated,
    eroded,
    largest_piece,
    opened,
    piece_at,
    without_holes,
)
from sightline.deid.upright import STEP_MM, Upright, Values, Vector

_SKIN_HU, _BONE_HU = -400.0, 180.0
_SOFT_HU = (-30.0, 120.0)
# The middle of the cranium lies about that far below its top.
_HALF_HEIGHT_MM, _UPPER_MM = 85.0, 100.0
_USUAL_HALVES_MM = (80.0, 98.0, 90.0)
_FEWEST_POINTS = 200
_CORE_MM = 45.0
# The base of the brain may reach out of the ellipsoid.
_LENIENCE = 1.08
_FEWEST_IN_SLICE = 20
_BRIGHTEST = 1.7
# A brain that is larger still hangs together with eyes and palate, and is cut loose deeper.
_LIKELY_ML, _CUTS = 1900.0, (2, 3, 4)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Vault:
    """An ellipsoid around the upper half of a head, in mm."""

    centre: Vector
    halves: Vector


def head_in(grid: Upright, modality: str) -> Solid:
    """Return the head, or whatever else is largest in a volume, without holes."""
    if modality == "CT":
        tissue = (grid.values > _SKIN_HU) & grid.is_scanned
        # What a ball of that size does not fit into is couch, holder and pillow.
        core = largest_piece(eroded(tissue, 2))
        return without_holes(closed(tissue & dilated(core, 3), 2))
    tissue = (grid.values > noise_limit(grid)) & grid.is_scanned
    # Skull and fluid are dark in some contrasts; scalp and brain are one head.
    whole = closed(tissue, 4) & grid.is_scanned
    core = largest_piece(eroded(whole, 2))
    return without_holes(whole & dilated(core, 3))


def air_limit(grid: Upright, modality: str) -> float:
    """Return the value above which is tissue."""
    return _SKIN_HU if modality == "CT" else noise_limit(grid)


def noise_limit(grid: Upright) -> float:
    """Return what parts an MR signal from the noise of air (ISODATA on its square root)."""
    signal = grid.values[grid.is_scanned]
    root = np.sqrt(np.clip(signal, 0, max(float(np.percentile(signal, 99)), 0.0)))
    limit = float(root.mean())
    for _ in range(30):
        above, below = root[root > limit], root[root <= limit]
        if not above.size or not below.size:
            break
        limit = float(above.mean() + below.mean()) / 2
    return 0.6 * limit * limit


def middle_of(grid: Upright, head: Solid) -> Vector:
    """Return a point near the middle of the cranium; of an empty head the grid's middle."""
    counts = head.sum(axis=(1, 2))
    slices = np.flatnonzero(counts > _FEWEST_IN_SLICE)
    if not slices.size:
        centre: Vector = grid.origin + STEP_MM * np.array(head.shape[::-1]) / 2
        return centre
    top = int(slices.max())
    upper = np.zeros_like(head)
    low = max(0, top - int(_UPPER_MM / STEP_MM))
    upper[low : top + 1] = head[low : top + 1]
    middle: Vector = grid.points(upper).mean(axis=0)
    middle[2] = grid.origin[2] + top * STEP_MM - _HALF_HEIGHT_MM
    return middle


def vault_of(grid: Upright, head: Solid, middle: Vector) -> Vault:
    """Fit an ellipsoid to the upper and hinder surface of a head."""
    surface = head & ~eroded(head, 1) & eroded(grid.is_scanned, 1.5)
    points = grid.points(surface) - middle
    is_vault = (points[:, 2] > 10) | ((points[:, 1] > 20) & (points[:, 2] > -30))  # noqa: PLR2004 - mm
    points = points[is_vault]
    usual = Vault(centre=middle, halves=np.array(_USUAL_HALVES_MM))
    for _ in range(4):
        if len(points) < _FEWEST_POINTS:
            return usual
        weights, *_ = np.linalg.lstsq(
            np.hstack([(points / 80) ** 2, points / 80]), np.ones(len(points)), rcond=None
        )
        if (weights[:3] <= 0).any():
            return usual
        centre = -weights[3:] / 2 / weights[:3]
        halves = np.sqrt((1 + (weights[:3] * centre**2).sum()) / weights[:3])
        centre, halves = centre * 80, halves * 80
        misfit = np.abs(np.sqrt((((points - centre) / halves) ** 2).sum(axis=1)) - 1) * 85
        points = points[misfit < max(6.0, float(np.percentile(misfit, 85)))]
    centre = centre + middle
    # The midline is known better from the halves of the head.
    centre[0] = middle[0]
    return Vault(centre=centre, halves=halves)


def brain_in(grid: Upright, head: Solid, vault: Vault, *, modality: str) -> Solid:
    """Return the brain, perhaps with what borders on it below; empty where none is found."""
    seeds = grid.within(vault.centre, _CORE_MM)
    if modality == "CT":
        return _inside_skull(grid, head, seeds)
    return _inside_scalp(grid, head, vault)


def _inside_skull(grid: Upright, head: Solid, seeds: Solid) -> Solid:
    wall = dilated(grid.values > _BONE_HU, 1)
    low, high = _SOFT_HU
    soft = (grid.values > low) & (grid.values < high) & head & ~wall
    core = piece_at(eroded(soft, 1.5), seeds)
    return largest_piece(opened(without_holes(closed(dilated(core, 3) & head, 3)), 5))


def _inside_scalp(grid: Upright, head: Solid, vault: Vault) -> Solid:
    outside = ~grid.is_scanned
    deep = (
        eroded(head | outside, 2) & ~outside & grid.within(vault.centre, vault.halves * _LENIENCE)
    )
    signal = _evened(grid.values, deep)
    seeds = deep & grid.within(vault.centre, _CORE_MM)
    if not seeds.any():
        return seeds
    middle, high = np.median(signal[seeds]), np.percentile(signal[seeds], 95)
    # Fluid and the eyes are far brighter than the brain in some contrasts.
    brightest = min(1.25 * high, _BRIGHTEST * middle)
    tissue = (signal > 0.55 * middle) & (signal < brightest) & deep
    brain = seeds
    for steps in _CUTS:
        core = piece_at(eroded(tissue | outside, steps) & ~outside, seeds)
        brain = closed(dilated(core, steps) & head, 4) & deep
        brain = largest_piece(opened(without_holes(brain) | outside, 2) & ~outside)
        if brain.sum() * STEP_MM**3 / 1000 <= _LIKELY_ML:
            break
    return brain


def _evened(signal: Values, inside: Solid) -> Values:
    """Divide a signal by its mean around each voxel, which a coil's sensitivity follows."""
    if not inside.any():
        return signal
    middle = float(np.median(signal[inside]))
    # Bone and fluid would lower the mean beside them, and make brain there seem too bright.
    weights = (inside & (signal > 0.4 * middle)).astype(np.float32)
    around = _blurred(np.minimum(signal, 2 * middle) * weights) / np.maximum(
        _blurred(weights), np.float32(1e-3)
    )
    even: Values = np.where(inside, signal / np.maximum(around, 0.1 * middle), 0)
    return even


def _blurred(values: Values) -> Values:
    """Average over boxes of 33 mm, twice."""
    reach = 5
    for _ in range(2):
        for axis in range(values.ndim):
            width = [(reach + 1, reach) if each == axis else (0, 0) for each in range(values.ndim)]
            sums = np.cumsum(np.pad(values, width, mode="edge"), axis=axis, dtype=np.float64)
            count, size = values.shape[axis], 2 * reach + 1
            last = np.take(sums, np.arange(size, size + count), axis=axis)
            values = ((last - np.take(sums, np.arange(count), axis=axis)) / size).astype(np.float32)
    return values
