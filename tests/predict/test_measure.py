import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.predict.measure import measure
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation

CLASSES = ("one", "two")


def _segmentation(mask: np.ndarray, spacing: tuple[float, ...]) -> Segmentation:
    affine = np.diag([*spacing, 1.0])[[2, 1, 0, 3]]
    geometry = Geometry.from_affine(mask.shape, affine)
    return Segmentation(mask=mask, geometry=geometry, classes=CLASSES, author="test")


def test_an_absent_class_measures_nothing() -> None:
    found = measure(_segmentation(np.zeros((3, 4, 5), np.uint8), (1, 1, 1)), "uid-{}".format)
    assert [(each.class_name, each.tracking_uid) for each in found] == [
        ("one", "uid-one"),
        ("two", "uid-two"),
    ]
    assert all((m.volume_ml, m.longest_diameter_mm, m.components) == (0, 0, 0) for m in found)


def test_parts_that_touch_at_a_corner_are_one() -> None:
    mask = np.zeros((6, 6, 6), np.uint8)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[4, 4, 4] = 2
    one, two = measure(_segmentation(mask, (2, 1, 1)), str)
    assert (one.components, two.components) == (0, 2)
    assert two.volume_ml == pytest.approx(3 * 2 / 1000)


@given(st.floats(4, 9), st.sampled_from((0.5, 0.8, 1.3)))
def test_a_disc_measures_its_diameter(radius_mm: float, spacing: float) -> None:
    size = int(24 / spacing)
    place = (np.indices((size, size)) - (size - 1) / 2) * spacing
    mask = np.zeros((3, size, size), np.uint8)
    mask[1, np.hypot(*place) <= radius_mm] = 1
    one, _ = measure(_segmentation(mask, (5, spacing, spacing)), str)
    assert one.longest_diameter_mm == pytest.approx(2 * radius_mm, abs=1.5 * spacing)


def test_the_largest_part_alone_is_measured_within_a_slice() -> None:
    mask = np.zeros((4, 30, 30), np.uint8)
    mask[0, 2, 1:29] = 1
    mask[1:4, 10:20, 10:20] = 1
    mask[0, 2, :] = 0
    mask[0, 2, 1:15] = 1
    one, _ = measure(_segmentation(mask, (3, 1, 2)), str)
    assert one.components == 2
    assert one.longest_diameter_mm == pytest.approx(np.hypot(9, 20), abs=1)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1)])
def test_one_voxel_measures_one_voxel(shape: tuple[int, int, int]) -> None:
    one, _ = measure(_segmentation(np.ones(shape, np.uint8), (3.0, 0.7, 0.9)), str)
    assert one.longest_diameter_mm == pytest.approx(0.9)
