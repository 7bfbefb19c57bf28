"""Surface distances, against every pair of surface voxels, and by hand."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from sightline.judge.surfaces import surface_distance

SPACING_MM = (2.5, 0.7, 0.9)


def by_pairs(one: np.ndarray, other: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Return the distance of each surface voxel of one to the nearest of the other."""
    points = [
        np.argwhere(mask & ~ndimage.binary_erosion(mask)) * np.array(spacing_mm)
        for mask in (one, other)
    ]
    return cdist(*points).min(axis=1)


def blob(seed: int, shape: tuple[int, int, int] = (9, 24, 22)) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, shape)
    smooth = ndimage.gaussian_filter(noise, 2)
    return smooth > np.quantile(smooth, 0.85)


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_every_pair_of_surface_voxels(seed: int) -> None:
    one, other = blob(seed), blob(seed + 100)
    there, back = by_pairs(one, other, SPACING_MM), by_pairs(other, one, SPACING_MM)
    found = surface_distance(one, other, spacing_mm=SPACING_MM, tolerance_mm=2.0)
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert found.hd95_mm == pytest.approx(expected, abs=1e-4)
    within = (there <= 2.0).sum() + (back <= 2.0).sum()
    assert found.nsd == pytest.approx(within / (len(there) + len(back)))


def test_a_moved_box_is_as_far_as_it_was_moved() -> None:
    one, other = np.zeros((8, 20, 20), bool), np.zeros((8, 20, 20), bool)
    one[2:5, 5:10, 5:10] = True
    other[2:5, 5:10, 8:13] = True
    found = surface_distance(one, other, spacing_mm=(1, 1, 1), tolerance_mm=0.5)
    assert found.hd95_mm == 3.0
    same = surface_distance(one, one, spacing_mm=(1, 1, 1), tolerance_mm=0.5)
    assert (same.hd95_mm, same.nsd) == (0.0, 1.0)


def test_a_flat_image_has_outlines() -> None:
    one, other = np.zeros((1, 20, 20), bool), np.zeros((1, 20, 20), bool)
    one[0, 5:15, 5:15] = True
    other[0, 7:13, 7:13] = True
    found = surface_distance(one, other, spacing_mm=(1, 1, 1), tolerance_mm=1)
    assert found.hd95_mm == pytest.approx(np.sqrt(8))
    assert found.nsd == 0.0


def test_where_one_is_empty_there_is_no_distance() -> None:
    full, empty = np.ones((2, 3, 3), bool), np.zeros((2, 3, 3), bool)
    for pair in ((full, empty), (empty, full)):
        found = surface_distance(*pair, spacing_mm=(1, 1, 1), tolerance_mm=1)
        assert (found.hd95_mm, found.nsd) == (None, 0.0)
    neither = surface_distance(empty, empty, spacing_mm=(1, 1, 1), tolerance_mm=1)
    assert (neither.hd95_mm, neither.nsd) == (None, None)
