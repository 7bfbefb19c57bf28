"""Heads in CT and MR that nobody ever had, with brain and face known to the voxel."""

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.phantoms.head_anatomy import (
    HeadAnatomy,
    Part,
    Points,
    Values,
    Vector,
    head_anatomy,
)
from sightline.values.arrays import Affine
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume

Truth: TypeAlias = npt.NDArray[np.bool_]
"""(slices, rows, columns), true where it is so."""

CONTRASTS: Mapping[str, Mapping[str, float]] = {
    "CT": {
        "air": -1000, "skin": 20, "muscle": 55, "fat": -95, "bone": 1000, "marrow": 450,
        "tooth": 1900, "fluid": 8, "grey": 38, "white": 30, "vitreous": 10, "lens": 70,
    },
    "T1": {
        "air": 0, "skin": 620, "muscle": 380, "fat": 900, "bone": 50, "marrow": 520,
        "tooth": 20, "fluid": 140, "grey": 470, "white": 640, "vitreous": 150, "lens": 300,
    },
    "T2": {
        "air": 0, "skin": 420, "muscle": 160, "fat": 650, "bone": 40, "marrow": 300,
        "tooth": 20, "fluid": 1000, "grey": 420, "white": 320, "vitreous": 950, "lens": 150,
    },
    "FLAIR": {
        "air": 0, "skin": 300, "muscle": 180, "fat": 420, "bone": 30, "marrow": 200,
        "tooth": 15, "fluid": 60, "grey": 480, "white": 400, "vitreous": 70, "lens": 150,
    },
}  # fmt: skip
"""Values of tissues: HU, or signal without unit."""

_COUCH_HU, _HOLDER_HU = 120.0, -350.0
_INTERCEPT = -1024.0
_THICK_MM = 2.0
_BIAS_MM = 140.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HeadScan:
    """How a head is scanned.

    Attributes:
        contrast: a key of `CONTRASTS`.
        spacing_mm: between slices, rows, columns.
        plane: `axial`, `coronal` or `sagittal`.
        tilt_degrees: nodding (chin down), leaning to the left and turning of the head.
        oblique_degrees: the same of the planes in the scanner.
        low: height of the lowest voxels, mm below the middle of the brain.
        high: of the highest, above it.
        is_reversed: slices run the other way.
        noise: standard deviation, HU or share of the brightest tissue.
        bias: by what share an MR signal rises or falls along the field of view.
        has_couch: CT: with couch and head holder.
    """

    contrast: str = "T1"
    spacing_mm: Vector = (1.0, 1.0, 1.0)
    plane: str = "axial"
    tilt_degrees: Vector = (0.0, 0.0, 0.0)
    oblique_degrees: Vector = (0.0, 0.0, 0.0)
    low: float = 165.0
    high: float = 105.0
    is_reversed: bool = False
    noise: float = 0.02
    bias: float = 0.3
    has_couch: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HeadPhantom:
    """An image of a head and the truth about it, on one grid.

    Attributes:
        brain: cerebrum, cerebellum and brain stem.
        face: the outermost voxels of the skin between brow and chin, in front of the temples.
        skin: everything within the skin.
    """

    volume: Volume
    brain: Truth
    face: Truth
    skin: Truth


def head_phantom(seed: int, scan: HeadScan) -> HeadPhantom:
    """Scan the head that a seed names."""
    anatomy = head_anatomy(seed)
    affine, shape = _grid(scan)
    body = _body(affine, scan)
    image = np.zeros(shape, dtype=np.float32)
    inside = np.zeros(shape, dtype=np.float32)
    repeats = max(1, round(scan.spacing_mm[0] / _THICK_MM))
    for number in range(repeats):
        # A thick slice is the mean of thin ones.
        shift = ((number + 0.5) / repeats - 0.5) * body[:, 0]
        moved = body.copy()
        moved[:, 3] += shift
        drawn, share = _draw(anatomy, moved, shape, scan=scan)
        image += drawn / repeats
        inside += share / repeats
    geometry = Geometry.from_affine(shape, affine)
    half = np.float32(0.5)
    brain = _depth_of(anatomy.brain, body, shape) > 0
    skin = inside > half
    return HeadPhantom(
        volume=_volume(image, geometry, scan, rng=np.random.default_rng((seed, 21))),
        brain=brain,
        face=_face(skin, anatomy, body),
        skin=skin,
    )


def _grid(scan: HeadScan) -> tuple[Affine, tuple[int, int, int]]:
    """Return the affine (to LPS) and the shape of a field of view that holds the head."""
    wide, deep = 125.0, 140.0
    columns = {
        "axial": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
        "coronal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
        "sagittal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    }[scan.plane]
    low = np.array([-wide, -deep, -scan.low])
    high = np.array([wide, deep, scan.high])
    turn = _turn(scan.oblique_degrees)
    affine = np.eye(4)
    counts = []
    corner = np.zeros(3)
    for axis, (direction, spacing) in enumerate(zip(columns, scan.spacing_mm, strict=True)):
        line = np.array(direction, dtype=np.float64)
        extent = float(np.abs(line) @ (high - low))
        count = int(extent // spacing)
        if axis == 0 and scan.is_reversed:
            line = -line
        middle = float(line @ (high + low)) / 2
        corner += line * (middle - (count - 1) / 2 * spacing)
        affine[:3, axis] = turn @ line * spacing
        counts.append(count)
    affine[:3, 3] = turn @ corner
    return affine, (counts[0], counts[1], counts[2])


def _body(affine: Affine, scan: HeadScan) -> npt.NDArray[np.float64]:
    """Return the (3, 4) matrix from voxels to (up, back, left) of the head."""
    matrix = _turn(scan.tilt_degrees).T @ affine[:3]
    return matrix[[2, 1, 0]]


def _turn(degrees: Vector) -> npt.NDArray[np.float64]:
    nod, lean, turn = np.radians(degrees)
    cos, sin = np.cos, np.sin
    about_x = np.array([[1, 0, 0], [0, cos(nod), -sin(nod)], [0, sin(nod), cos(nod)]])
    about_y = np.array([[cos(lean), 0, sin(lean)], [0, 1, 0], [-sin(lean), 0, cos(lean)]])
    about_z = np.array([[cos(turn), -sin(turn), 0], [sin(turn), cos(turn), 0], [0, 0, 1]])
    turned: npt.NDArray[np.float64] = about_z @ about_y @ about_x
    return turned


def _draw(
    anatomy: HeadAnatomy,
    body: npt.NDArray[np.float64],
    shape: tuple[int, int, int],
    *,
    scan: HeadScan,
) -> tuple[Values, Values]:
    """Return the image without noise, and the share of each voxel that is within the skin."""
    tissues = CONTRASTS[scan.contrast]
    voxel_mm = float(np.abs(np.linalg.det(body[:, :3])) ** (1 / 3))
    image = np.full(shape, tissues["air"], dtype=np.float32)
    skin = np.zeros(shape, dtype=np.float32)
    if scan.contrast == "CT" and scan.has_couch:
        _put_couch(image, body, shape)
    is_outer = True
    for part in anatomy.parts:
        box = _box(part, body, shape)
        if not image[box].size:
            continue
        share = np.clip(part.depth(_points(body, box)) / voxel_mm + 0.5, 0, 1).astype(np.float32)
        image[box] += share * (np.float32(tissues[part.tissue]) - image[box])
        is_outer = is_outer and part.tissue in {"skin", "air"}
        if is_outer:
            skin[box] += share * (np.float32(part.tissue == "skin") - skin[box])
    return image, skin


def _put_couch(image: Values, body: npt.NDArray[np.float64], shape: tuple[int, int, int]) -> None:
    """Put a flat couch under the head, and a holder that the head lies in."""
    up, back, left = _points(body, tuple(slice(0, count) for count in shape))
    couch = np.minimum(5 - np.abs(back - 135), 110 - np.abs(left))
    ring = np.sqrt((left / 1.05) ** 2 + (back - 10) ** 2)
    holder = np.minimum(4 - np.abs(ring - 112), back - 60) + 0 * up
    for depth, value in ((couch, _COUCH_HU), (holder, _HOLDER_HU)):
        image[depth > 0] = value


def _points(body: npt.NDArray[np.float64], box: tuple[slice, ...]) -> Points:
    slices, rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in box)
    up, back, left = (
        (
            np.float32(line[0]) * slices[:, None, None]
            + (np.float32(line[1]) * rows[None, :, None] + np.float32(line[3]))
            + np.float32(line[2]) * columns[None, None, :]
        )
        for line in body
    )
    return up, back, left


def _box(
    part: Part, body: npt.NDArray[np.float64], shape: tuple[int, int, int]
) -> tuple[slice, slice, slice]:
    """Return the voxels that may touch a part."""
    back = np.linalg.inv(np.vstack([body, [0, 0, 0, 1]]))
    corners = np.array(
        [
            (up, behind, left, 1)
            for up in (part.low[0], part.high[0])
            for behind in (part.low[1], part.high[1])
            for left in (part.low[2], part.high[2])
        ]
    )
    places = (corners @ back.T)[:, :3]
    low, high = places.min(axis=0), places.max(axis=0)
    first, second, third = (
        slice(max(0, int(start) - 2), max(0, min(count, int(stop) + 3)))
        for start, stop, count in zip(low, high, shape, strict=True)
    )
    return first, second, third


def _depth_of(part: Part, body: npt.NDArray[np.float64], shape: tuple[int, int, int]) -> Values:
    depth = np.full(shape, -1.0, dtype=np.float32)
    box = _box(part, body, shape)
    if depth[box].size:
        depth[box] = part.depth(_points(body, box))
    return depth


def _face(skin: Truth, anatomy: HeadAnatomy, body: npt.NDArray[np.float64]) -> Truth:
    """Return the skin's outermost voxels of the face: those that have air before them."""
    air_beside = np.zeros_like(skin)
    for axis in range(skin.ndim):
        for step in (-1, 1):
            beside = np.roll(~skin, step, axis=axis)
            edge = [slice(None)] * skin.ndim
            edge[axis] = slice(0, 1) if step == 1 else slice(-1, None)
            beside[tuple(edge)] = False
            air_beside |= beside
    up, back, _ = _points(body, tuple(slice(0, count) for count in skin.shape))
    is_face = (up < anatomy.brow_up) & (up > anatomy.chin_up) & (back < anatomy.face_back)
    return skin & air_beside & is_face


def _volume(
    image: Values, geometry: Geometry, scan: HeadScan, *, rng: np.random.Generator
) -> Volume:
    noise = rng.standard_normal((2, *image.shape), dtype=np.float32)
    if scan.contrast == "CT":
        hu = np.clip(image + noise[0] * np.float32(scan.noise), _INTERCEPT, 3071)
        voxels = np.rint(hu - _INTERCEPT).astype(np.int16)
        return Volume(
            voxels=voxels, geometry=geometry, modality="CT", intercept=_INTERCEPT, unit="HU"
        )
    brightest = max(CONTRASTS[scan.contrast].values())
    up, back, left = _points(
        geometry.matrix[:3][[2, 1, 0]], tuple(slice(0, count) for count in image.shape)
    )
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    way = up * direction[0] + back * direction[1] + left * direction[2]
    signal = image * (1 + np.float32(scan.bias) * np.sin(way / _BIAS_MM * np.pi / 2))
    spread = np.float32(scan.noise * brightest)
    # Rician, as magnitude images are.
    seen = np.hypot(signal + noise[0] * spread, noise[1] * spread)
    return Volume(voxels=np.rint(seen).astype(np.int16), geometry=geometry, modality="MR")
