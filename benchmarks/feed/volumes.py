"""CT-like volumes for the feed: a body with lungs, spine and lesions, noise as scanners make it.

Made with numpy alone, so that every peer's environment can read what lies beside them. No voxel
comes from a person.
"""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROWS = 512
WINDOW = (-1000.0, 400.0)
SPACING_MM = (1.25, 0.78, 0.78)
_AIR_HU = -900.0
CLASSES = ("lung", "spine", "lesion")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How many volumes there are, and of what shape."""

    volumes: int = 12
    slices: int = 250
    rows: int = ROWS


def make(seed: int, size: Size) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Return one volume in HU and its mask, (slices, rows, columns)."""
    random = np.random.default_rng([2024, seed])
    shape = (size.slices, size.rows, size.rows)
    image = np.empty(shape, np.int16)
    mask = np.zeros(shape, np.uint8)
    axis = np.linspace(-1, 1, size.rows, dtype=np.float32)
    wide, deep = random.uniform(0.72, 0.85), random.uniform(0.48, 0.6)
    lesions = _lesions(random)
    noise_hu = random.uniform(9, 14)
    for number in range(size.slices):
        height = 2 * number / size.slices - 1
        hu, classes = _slice(axis, height, body=(wide, deep), lesions=lesions)
        noise = _scanner_noise(random, size.rows) * noise_hu
        # Air outside the body holds next to no noise: there are few interactions to count.
        noise *= np.where(hu < _AIR_HU, 0.25, 1.0)
        is_outside = axis[:, None] ** 2 + axis**2 > 1
        hu = np.where(is_outside, -1024, hu + noise)
        image[number] = hu.round().clip(-1024, 3071)
        mask[number] = classes
    return image, mask


def _lesions(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return (count, 4): height, row, column and radius, in half fields of view."""
    places = random.uniform(-0.35, 0.35, size=(6, 3))
    return np.concatenate([places, random.uniform(0.03, 0.1, size=(6, 1))], axis=1)


def _slice(
    axis: npt.NDArray[np.float32],
    height: float,
    *,
    body: tuple[float, float],
    lesions: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    row, column = axis[:, None], axis[None, :]

    def ellipse(centre: tuple[float, float], radii: tuple[float, float]) -> npt.NDArray[np.bool_]:
        return ((row - centre[0]) / radii[0]) ** 2 + ((column - centre[1]) / radii[1]) ** 2 < 1

    wide, deep = body[0] * (1 - 0.1 * height**2), body[1] * (1 - 0.1 * height**2)
    hu = np.full((len(axis), len(axis)), -1000.0)
    classes = np.zeros(hu.shape, np.uint8)
    hu[ellipse((0, 0), (deep, wide))] = -90
    hu[ellipse((0, 0), (deep * 0.86, wide * 0.9))] = 45
    taper = np.sqrt(max(0.0, 1 - height**2))
    for side in (-1, 1):
        lung = ellipse((-0.05, side * 0.34), (deep * 0.62 * taper + 1e-6, 0.24 * taper + 1e-6))
        vessels = 60 * np.sin(40 * row + 9 * height) * np.sin(37 * column * side + 5 * height)
        hu[lung] = -830 + np.maximum(vessels, 0)[lung] * 4
        classes[lung] = 1
    spine = ellipse((deep * 0.62, 0), (0.11, 0.12))
    hu[spine] = 420 + 180 * np.sin(25 * height)
    classes[spine] = 2
    for where, down, across, radius in lesions:
        within = radius**2 - (height - where) ** 2
        if within > 0:
            spot = (row - down) ** 2 + (column - across) ** 2 < within
            hu[spot], classes[spot] = 75, 3
    return hu, classes


def _scanner_noise(random: np.random.Generator, rows: int) -> npt.NDArray[np.float32]:
    """Return noise of unit deviation, correlated as a soft kernel leaves it."""
    white = random.standard_normal((rows, rows), dtype=np.float32)
    for axis in (0, 1):
        white = white + 0.5 * (np.roll(white, 1, axis) + np.roll(white, -1, axis))
    return white / white.std()


def write_plain(folder: Path, size: Size) -> None:
    """Write every volume as image-N.npy and mask-N.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(size.volumes):
        image, mask = make(number, size)
        np.save(folder / f"image-{number}.npy", image)
        np.save(folder / f"mask-{number}.npy", mask)
