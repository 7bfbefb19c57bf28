"""A chest CT that nobody ever had, with lesions whose place is known to the voxel.

The anatomy is stretched to the height that is scanned, so that every volume shows whole lungs.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from sightline.phantoms.anatomy import Anatomy, Lesion, anatomy_of
from sightline.phantoms.scanner import AURORA, Scanner
from sightline.phantoms.shapes import Grid, Shape, Values
from sightline.values.arrays import Mask
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation, Volume

CLASSES = ("ground_glass", "consolidation")
AUTHOR = "phantom truth"

_HEIGHT_MM = 280.0
_SLAB_SLICES = 16
_AIR, _LUNG = -1000.0, -850.0
_HALF_A_VOXEL = 0.5
_LOWEST_HU, _HIGHEST_HU = -1024.0, 3071.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Phantom:
    """An image and the truth about it, on one grid."""

    volume: Volume
    truth: Segmentation


def chest_ct(
    seed: int,
    *,
    shape: tuple[int, int, int] = (48, 128, 128),
    scanner: Scanner = AURORA,
    is_healthy: bool = False,
    time_point: int = 0,
    growth: float = 1.0,
) -> Phantom:
    """Make one chest CT.

    One seed is one patient: later time points show the same anatomy with other noise.

    Args:
        seed: names the patient.
        shape: slices, rows, columns; rows and columns alike.
        scanner: what it is scanned with.
        is_healthy: leaves the lesions out; the truth is empty then.
        time_point: 0 for the first scan, 1 for the next.
        growth: factor on the radius of every lesion.
    """
    anatomy = anatomy_of(seed, growth=growth)
    if is_healthy:
        anatomy = dataclasses.replace(anatomy, lesions=())
    grid = _grid(shape, scanner)
    voxels = np.empty(shape, dtype=np.int16)
    truth = np.zeros(shape, dtype=np.uint8)
    for start in range(0, shape[0], _SLAB_SLICES):
        slab = slice(start, min(start + _SLAB_SLICES, shape[0]))
        part = grid._replace(z=grid.z[slab])
        image, truth[slab] = _render(anatomy, part)
        image = _scan(image, scanner, [(seed, time_point, z) for z in range(slab.start, slab.stop)])
        voxels[slab] = np.rint(image - scanner.rescale_intercept)
    geometry = _geometry(shape, scanner)
    volume = Volume(
        voxels=voxels,
        geometry=geometry,
        modality="CT",
        intercept=float(scanner.rescale_intercept),
        unit="HU",
    )
    drawn = Segmentation(mask=truth, geometry=geometry, classes=CLASSES, author=AUTHOR)
    return Phantom(volume=volume, truth=drawn)


def _geometry(shape: tuple[int, int, int], scanner: Scanner) -> Geometry:
    slices, rows, columns = shape
    pixel_mm = scanner.field_of_view_mm / columns
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = scanner.slice_spacing_mm, pixel_mm, pixel_mm
    affine[:, 3] = (
        -pixel_mm * (columns - 1) / 2,
        -pixel_mm * (rows - 1) / 2,
        -scanner.slice_spacing_mm * (slices - 1) / 2,
        1.0,
    )
    return Geometry.from_affine(shape, affine)


def _grid(shape: tuple[int, int, int], scanner: Scanner) -> Grid:
    slices, rows, columns = (np.arange(count, dtype=np.float32) for count in shape)
    pixel_mm = scanner.field_of_view_mm / shape[2]
    height = (((slices + 0.5) / shape[0] - 0.5) * _HEIGHT_MM).astype(np.float32)
    return Grid(
        z=height[:, None, None],
        y=((rows - (shape[1] - 1) / 2) * pixel_mm)[None, :, None],
        x=((columns - (shape[2] - 1) / 2) * pixel_mm)[None, None, :],
        voxel_mm=pixel_mm,
    )


def _render(anatomy: Anatomy, grid: Grid) -> tuple[Values, Mask]:
    """Return HU without noise, and the truth."""
    size = np.broadcast_shapes(grid.z.shape, grid.y.shape, grid.x.shape)
    image: Values = np.full(size, _AIR, dtype=np.float32)
    truth = np.zeros(size, dtype=np.uint8)
    for shape, hu in anatomy.tissues:
        _paint(image, shape, grid, value=hu)
    air_space = np.zeros(size, dtype=np.float32)
    for shape in anatomy.lungs:
        _paint(air_space, shape, grid, value=1.0)
    for shape in anatomy.between:
        _paint(air_space, shape, grid, value=0.0)
    # Patients lie on their back: what is behind is denser.
    image += air_space * (_LUNG + grid.y * 0.35 - image)
    for shape, hu in anatomy.vessels:
        _paint(image, shape, grid, value=hu, only=air_space)
    for lesion in anatomy.lesions:
        _paint(image, lesion.shape, grid, value=lesion.hu, only=air_space)
        _mark(truth, lesion, grid, air_space=air_space)
    for shape, hu in anatomy.outside:
        _paint(image, shape, grid, value=hu, only=1.0 - air_space)
    return image, truth


def _paint(
    image: Values, shape: Shape, grid: Grid, *, value: float, only: Values | None = None
) -> None:
    """Blend a shape into an image, within the share that `only` allows."""
    box = _box(grid, shape)
    part = image[box]
    if part.size:
        share = shape.fraction(_cut(grid, box))
        if only is not None:
            share = share * only[box]
        part += share * (value - part)


def _mark(truth: Mask, lesion: Lesion, grid: Grid, *, air_space: Values) -> None:
    box = _box(grid, lesion.shape)
    if truth[box].size:
        share = lesion.shape.fraction(_cut(grid, box)) * air_space[box]
        truth[box][share > _HALF_A_VOXEL] = lesion.class_number


def _box(grid: Grid, shape: Shape) -> tuple[slice, slice, slice]:
    low, high = shape.bounds()
    z, y, x = (
        slice(
            int(np.searchsorted(axis.ravel(), first - grid.voxel_mm)),
            int(np.searchsorted(axis.ravel(), last + grid.voxel_mm)),
        )
        for axis, first, last in zip(grid[:3], low, high, strict=True)
    )
    return z, y, x


def _cut(grid: Grid, box: tuple[slice, slice, slice]) -> Grid:
    z, y, x = box
    return grid._replace(z=grid.z[z], y=grid.y[:, y], x=grid.x[:, :, x])


def _scan(image: Values, scanner: Scanner, seeds: Sequence[tuple[int, ...]]) -> Values:
    """Blur and add noise as the scanner's kernel does; every slice has its own seed."""
    noise = np.stack(
        [
            np.random.default_rng((2, *seed)).standard_normal(image.shape[1:], dtype=np.float32)
            for seed in seeds
        ]
    )
    for _ in range(scanner.softness):
        image, noise = _smooth(image), _smooth(noise)
    noise *= scanner.noise_hu / noise.std()
    scanned: Values = np.clip(image + noise + scanner.hu_offset, _LOWEST_HU, _HIGHEST_HU)
    return scanned


def _smooth(image: Values) -> Values:
    """Average neighbours within each slice with weights 1, 2, 1."""
    for axis in (1, 2):
        first = np.take(image, [0], axis=axis)
        last = np.take(image, [-1], axis=axis)
        padded = np.concatenate([first, image, last], axis=axis)
        before = padded[:, :-2] if axis == 1 else padded[:, :, :-2]
        after = padded[:, 2:] if axis == 1 else padded[:, :, 2:]
        image = (before + 2 * image + after) / 4
    return image
