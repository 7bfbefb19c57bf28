"""How close masks of one class are: overlap, chance-corrected agreement, distance of surfaces."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.judge.surfaces import distances_of, far
from sightline.values.agreement import Closeness

Bits: TypeAlias = npt.NDArray[np.bool_]
SpacingMm: TypeAlias = tuple[float, float, float]


def compare(one: Bits, other: Bits, *, spacing_mm: SpacingMm | None) -> Closeness:
    """Compare two masks within the box that the readers marked.

    Args:
        one: (slices, rows, columns).
        other: of the same shape.
        spacing_mm: of the grid; None measures no distances, which needs the learning stack.

    Raises:
        MissingExtra: Distances need the learning stack.
    """
    both_marked = bool(one.any() and other.any())
    hd95_mm = distance_mm = None
    if both_marked and spacing_mm is not None:
        there, back = distances_of(one, other, spacing_mm)
        hd95_mm, distance_mm = far(there, back), float(np.concatenate([there, back]).mean())
    return Closeness(
        dice=dice(one, other),
        both_marked=both_marked,
        slice_dice=tuple(
            2.0 * int((a & b).sum()) / int(a.sum() + b.sum())
            for a, b in zip(one, other, strict=True)
            if a.any() and b.any()
        ),
        kappa=cohen_kappa(one, other),
        hd95_mm=hd95_mm,
        distance_mm=distance_mm,
    )


def dice(one: Bits, other: Bits) -> float | None:
    """Return twice the shared part over the sum of both; None where both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else None


def cohen_kappa(one: Bits, other: Bits) -> float | None:
    """Return agreement beyond chance over all voxels (DOI 10.1177/001316446002000104).

    None where chance alone would agree everywhere: all voxels are marked by both, or none.
    """
    first, second = float(one.mean()), float(other.mean())
    by_chance = first * second + (1 - first) * (1 - second)
    return _beyond_chance(float((one == other).mean()), by_chance)


def fleiss_kappa(masks: Sequence[Bits]) -> float | None:
    """Return agreement of several beyond chance over all voxels (DOI 10.1037/h0031619).

    None where chance alone would agree everywhere.
    """
    count = len(masks)
    votes = np.sum(masks, axis=0, dtype=np.int64)
    agreeing = votes * (votes - 1) + (count - votes) * (count - votes - 1)
    share = float(votes.mean()) / count
    return _beyond_chance(
        float(agreeing.mean()) / (count * (count - 1)), share**2 + (1 - share) ** 2
    )


def _beyond_chance(observed: float, by_chance: float) -> float | None:
    return None if by_chance >= 1 else (observed - by_chance) / (1 - by_chance)
