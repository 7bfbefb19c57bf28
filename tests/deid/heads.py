"""Heads scanned in many ways, and what is left of a face after it was cleared."""

import dataclasses
import functools

import numpy as np

from sightline.phantoms.head import HeadPhantom, HeadScan, Truth, head_phantom
from sightline.values.volume import Volume

NEAR_MM = 5.0
_CONTRASTS = ("CT", "T1", "T2", "FLAIR")
_SPACINGS = ((1.5, 1.5, 1.5), (2.0, 1.3, 1.3), (5.0, 1.2, 1.2), (3.0, 1.2, 1.2))
_FIRST_SEED = 31000


def case(number: int) -> tuple[int, HeadScan]:
    """Draw the number-th head of the gate, and how it is scanned.

    Heads nod, lean and turn by up to 20 degrees; planes are oblique in half of the cases; the field
    of view ends below the chin, at the mouth or above the vertex.
    """
    rng = np.random.default_rng((_FIRST_SEED, number))
    contrast = _CONTRASTS[number % 4]
    planes = ("axial",) if contrast == "CT" else ("axial", "sagittal", "coronal")
    tilt, oblique = rng.uniform(-20, 20, 3), rng.uniform(-12, 12, 3) * (number % 2)
    scan = HeadScan(
        contrast=contrast,
        spacing_mm=_SPACINGS[number // 4 % 4],
        plane=planes[int(rng.integers(len(planes)))],
        tilt_degrees=(float(tilt[0]), float(tilt[1]), float(tilt[2])),
        oblique_degrees=(float(oblique[0]), float(oblique[1]), float(oblique[2])),
        low=float(rng.choice([165.0, 150.0, 100.0])),
        high=float(rng.choice([105.0, 105.0, 85.0])),
        is_reversed=bool(rng.random() < 0.4),
        noise=float(rng.uniform(5, 30) if contrast == "CT" else rng.uniform(0.01, 0.04)),
        bias=float(rng.uniform(0, 0.4)),
        has_couch=bool(rng.random() < 0.7),
    )
    return _FIRST_SEED + number, scan


@functools.lru_cache(maxsize=2)
def gate_head(number: int) -> HeadPhantom:
    return head_phantom(*case(number))


def share_gone(head: HeadPhantom, mask: Truth) -> float:
    """Return the share of the face's surface with no edge of air and tissue within 5 mm."""
    left = head.skin & ~mask
    near = within(edge_of(left), head.volume.geometry.spacing_mm, NEAR_MM)
    return 1 - float((near & head.face).sum() / head.face.sum())


def edge_of(solid: Truth) -> Truth:
    """Return voxels that touch what is no part of a solid; the border of the image is none."""
    edge = np.zeros_like(solid)
    for axis in range(solid.ndim):
        for step in (-1, 1):
            beside = np.roll(~solid, step, axis=axis)
            first = [slice(None)] * solid.ndim
            first[axis] = slice(0, 1) if step == 1 else slice(-1, None)
            beside[tuple(first)] = False
            edge |= beside
    return solid & edge


def within(solid: Truth, spacing_mm: tuple[float, float, float], reach_mm: float) -> Truth:
    """Return what lies within a distance of a solid."""
    squares = np.where(solid, np.float32(0), np.float32(1e9))
    for axis, spacing in enumerate(spacing_mm):
        best = squares.copy()
        for step in range(1, int(reach_mm // spacing) + 1):
            ahead, behind = [slice(None)] * 3, [slice(None)] * 3
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            for one, other in ((tuple(ahead), tuple(behind)), (tuple(behind), tuple(ahead))):
                np.minimum(best[one], squares[other] + (step * spacing) ** 2, out=best[one])
        squares = best
    return squares <= reach_mm**2


def stripped(head: HeadPhantom) -> Volume:
    """Return the head with nothing but its brain."""
    air = -head.volume.intercept - 1000 if head.volume.modality == "CT" else 0
    voxels = np.where(head.brain, head.volume.voxels, np.int16(air))
    return dataclasses.replace(head.volume, voxels=voxels)
