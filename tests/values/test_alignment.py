"""A mask comes onto its image's grid exactly, or is refused with the difference named."""

import itertools

import numpy as np
import pytest

from sightline.errors import BadFile
from sightline.values.alignment import align_to_grid
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation

# Oblique, anisotropic, with 3 x 4 x 5 voxels.
TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
MATRIX = np.eye(4)
MATRIX[:3, :3] = TURN @ np.diag([2.5, 0.7, 0.9])
MATRIX[:3, 3] = [-100.0, 40.0, 7.5]
GRID = Geometry.from_affine((3, 4, 5), MATRIX)
MASK = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)


def _drawn(mask: np.ndarray, matrix: np.ndarray) -> Segmentation:
    geometry = Geometry.from_affine(mask.shape, matrix)
    return Segmentation(mask=mask, geometry=geometry, classes=("lesion",), author="R1")


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=3)))
def test_every_swap_and_flip_is_undone(axes: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    mask, matrix = MASK.transpose(axes), MATRIX[:, [*axes, 3]]
    for axis in range(3):
        if flips[axis]:
            matrix = matrix.copy()
            matrix[:, 3] += matrix[:, axis] * (mask.shape[axis] - 1)
            matrix[:, axis] *= -1
            mask = np.flip(mask, axis)
    aligned = align_to_grid(_drawn(mask, matrix), GRID)
    assert np.array_equal(aligned.mask, MASK)
    assert aligned.geometry == GRID
    assert (aligned.classes, aligned.author) == (("lesion",), "R1")


def test_rounded_affines_are_the_same_grid() -> None:
    assert align_to_grid(_drawn(MASK, MATRIX.astype(np.float32)), GRID).geometry == GRID
    assert align_to_grid(_drawn(MASK, np.round(MATRIX, 3)), GRID).geometry == GRID


@pytest.mark.parametrize(
    ("mask", "matrix"),
    [
        (MASK[1:], MATRIX),
        (MASK, MATRIX + np.array([[0, 0, 0, 0.4], [0] * 4, [0] * 4, [0] * 4])),
        (MASK, MATRIX @ np.diag([0.5, 1, 1, 1])),
        (MASK, np.eye(4)),
        (MASK, np.diag([-1, -1, 1, 1]) @ MATRIX),
    ],
    ids=["cropped", "moved", "other spacing", "unrotated", "RAS taken for LPS"],
)
def test_other_grids_are_refused(mask: np.ndarray, matrix: np.ndarray) -> None:
    with pytest.raises(BadFile, match=r"another grid.*; the series has 3 x 4 x 5") as caught:
        align_to_grid(_drawn(mask, matrix), GRID)
    assert caught.value.hint
