"""The body of a chest phantom: which shapes of which density, and where the lesions lie.

Anatomy is laid out for a chest of 280 mm from top to bottom; (z, y, x) in mm from its middle.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sightline.phantoms.shapes import Blob, Capsule, Ellipsoid, Point, Ribs, Shape

_AIR, _FAT, _MUSCLE, _BLOOD = -1000.0, -105.0, 45.0, 40.0
_BONE, _DISC, _CORD, _COUCH = 420.0, 80.0, 30.0, -180.0
_GROUND_GLASS, _CONSOLIDATION = -560.0, 25.0
_CORE_SHARE, _CORE_RADIUS_MM = 0.55, 10.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Lesion:
    """One lesion; `class_number` is what the truth calls it."""

    shape: Blob
    class_number: int
    hu: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Anatomy:
    """One body, as shapes to paint in this order, the later over the earlier; densities in HU.

    Attributes:
        tissues: couch, skin, muscle.
        lungs: air space.
        between: heart and mediastinum, which are no air space.
        vessels: within the lungs.
        lesions: within the lungs, ground glass before consolidation.
        outside: bones, cord and airways, drawn where no lung is.
    """

    tissues: tuple[tuple[Shape, float], ...]
    lungs: tuple[Shape, ...]
    between: tuple[Shape, ...]
    vessels: tuple[tuple[Shape, float], ...]
    lesions: tuple[Lesion, ...]
    outside: tuple[tuple[Shape, float], ...]


def anatomy_of(seed: int, *, growth: float) -> Anatomy:
    """Build the body that a seed names; `growth` multiplies the radius of every lesion."""
    rng = np.random.default_rng((seed, 0))
    wide, deep = rng.uniform(148, 168), rng.uniform(100, 118)
    lungs = tuple(
        Ellipsoid(
            centre=(rng.uniform(-6, 6), -4.0, side * wide * 0.47),
            half_axes=(rng.uniform(118, 130), deep * 0.72, wide * rng.uniform(0.37, 0.42)),
            power=2.4,
        )
        for side in (-1, 1)
    )
    heart = Ellipsoid(
        centre=(-45.0, -deep * 0.25, rng.uniform(18, 30)),
        half_axes=(rng.uniform(48, 60), deep * 0.42, rng.uniform(48, 60)),
    )
    mediastinum = Ellipsoid(
        centre=(20.0, 0.0, 0.0), half_axes=(150.0, deep * 0.6, rng.uniform(24, 30))
    )
    inner = Ellipsoid(centre=(0.0, 0.0, 0.0), half_axes=(400.0, deep - 14, wide - 14), power=2.2)
    couch = Ellipsoid(centre=(0.0, deep + 16, 0.0), half_axes=(1e4, 6.0, wide * 1.1), power=4.0)
    skin = Ellipsoid(centre=(0.0, 0.0, 0.0), half_axes=(1e4, deep, wide), power=2.2)
    return Anatomy(
        tissues=((couch, _COUCH), (skin, _FAT), (inner, _MUSCLE)),
        lungs=lungs,
        between=(mediastinum, heart),
        vessels=tuple((vessel, _BLOOD) for lung in lungs for vessel in _vessels(lung, rng)),
        outside=(*_bones(wide, deep, rng), *_airways()),
        lesions=_lesions(lungs, np.random.default_rng((seed, 1)), growth=growth),
    )


def _bones(wide: float, deep: float, rng: np.random.Generator) -> tuple[tuple[Shape, float], ...]:
    ribs = Ribs(
        half_axes=(deep - 18, wide - 18),
        half_height_mm=150.0,
        thickness_mm=rng.uniform(7, 10),
        pitch_mm=rng.uniform(26, 32),
        slant=rng.uniform(0.25, 0.4),
    )
    back = deep * 0.62
    column = Ellipsoid(centre=(0.0, back, 0.0), half_axes=(1e4, 16.0, 19.0))
    canal = Ellipsoid(centre=(0.0, back + 21, 0.0), half_axes=(1e4, 8.0, 9.0))
    arch = Ellipsoid(centre=(0.0, back + 20, 0.0), half_axes=(1e4, 15.0, 17.0))
    breast_bone = Ellipsoid(centre=(10.0, -deep + 16, 0.0), half_axes=(90.0, 6.0, 17.0))
    discs = tuple(
        (Ellipsoid(centre=(height, back, 0.0), half_axes=(4.0, 16.0, 19.0), power=4.0), _DISC)
        for height in np.arange(-130.0, 140.0, 26.0)
    )
    bones = ((ribs, _BONE), (arch, _BONE), (column, _BONE), (breast_bone, _BONE))
    return (*bones, *discs, (canal, _CORD))


def _airways() -> tuple[tuple[Shape, float], ...]:
    fork: Point = (35.0, 12.0, 0.0)
    tubes = (
        Capsule(start=(150.0, 4.0, 0.0), end=fork, radius_mm=9.0),
        Capsule(start=fork, end=(8.0, 14.0, -32.0), radius_mm=6.5),
        Capsule(start=fork, end=(4.0, 14.0, 34.0), radius_mm=6.0),
    )
    return tuple((tube, _AIR) for tube in tubes)


def _vessels(lung: Ellipsoid, rng: np.random.Generator) -> list[Shape]:
    """Grow a tree from the hilum outwards, thinner at every fork."""
    side = 1.0 if lung.centre[2] > 0 else -1.0
    hilum: Point = (0.0, 5.0, side * 28.0)
    pieces: list[Shape] = []
    tips = [(hilum, np.array([0.0, 0.0, side]), 6.5)]
    for generation in range(6):
        grown = []
        for start, direction, radius in tips:
            for _ in range(3 if generation == 0 else 2):
                turned = direction + rng.normal(0.0, 0.65, size=3)
                turned /= np.linalg.norm(turned)
                reach = np.asarray(start) + turned * rng.uniform(0.75, 1.1) * (34 - 4 * generation)
                end: Point = (float(reach[0]), float(reach[1]), float(reach[2]))
                pieces.append(Capsule(start=start, end=end, radius_mm=radius * 0.8))
                grown.append((end, turned, radius * 0.72))
        tips = grown
    return pieces


def _lesions(
    lungs: Sequence[Ellipsoid], rng: np.random.Generator, *, growth: float
) -> tuple[Lesion, ...]:
    """Lay one to three lesions; the first has a dense core, and others may."""
    lesions = []
    for number in range(int(rng.integers(1, 4))):
        lung = lungs[int(rng.integers(2))]
        direction = rng.normal(size=3)
        # In the outer half, where heart and mediastinum cut nothing off.
        direction[2] = np.copysign(direction[2], lung.centre[2])
        direction *= rng.uniform(0.25, 0.7) / np.linalg.norm(direction)
        centre = np.asarray(lung.centre) + direction * np.asarray(lung.half_axes)
        radius = rng.uniform(15, 30) * growth
        lesions.append(_lesion(centre, radius, rng, class_number=1))
        if number == 0 or rng.random() < _CORE_SHARE:
            core = max(radius * rng.uniform(0.4, 0.65), _CORE_RADIUS_MM * growth)
            lesions.append(_lesion(centre, core, rng, class_number=2))
    return tuple(sorted(lesions, key=lambda lesion: lesion.class_number))


def _lesion(
    centre: npt.NDArray[np.float64], radius: float, rng: np.random.Generator, *, class_number: int
) -> Lesion:
    count = int(rng.integers(3, 6))
    offsets = rng.normal(0.0, radius * 0.4, size=(count, 3))
    centres = [(float(z), float(y), float(x)) for z, y, x in centre + offsets]
    shape = Blob(
        centres=tuple(centres),
        radii_mm=tuple(float(each) for each in radius * rng.uniform(0.6, 1.0, size=count)),
        waves_mm=radius * 0.12,
        phase=float(rng.uniform(0, 6)),
    )
    hu = _GROUND_GLASS if class_number == 1 else _CONSOLIDATION
    return Lesion(shape=shape, class_number=class_number, hu=hu + float(rng.normal(0, 25)))
