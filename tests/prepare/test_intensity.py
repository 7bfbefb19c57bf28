import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.prepare.intensity import (
    as_tensor,
    robust_scaling,
    scaling_of,
    window_scaling,
)
from sightline.values.plan import Intensity

WINDOW = Intensity(scheme="window", window=(-1000.0, 300.0))


@given(st.sampled_from((1.0, 0.5, 2.0, -1.0)), st.integers(-2048, 100))
def test_a_window_maps_its_edges_to_0_and_1_whatever_the_rescale(
    slope: float, intercept: int
) -> None:
    scaling = window_scaling(WINDOW, slope=slope, intercept=intercept)
    units = torch.tensor([-3000.0, -1000.0, -350.0, 300.0, 3000.0])
    stored = (units - intercept) / slope
    assert scaling.apply(stored).tolist() == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-4)


@given(st.integers(1, 1000), st.integers(-5000, 5000))
def test_a_robust_scaling_does_not_see_scale_and_offset(factor: int, offset: int) -> None:
    voxels = np.random.default_rng(1).integers(0, 500, (8, 9, 10)).astype(np.int32)
    plain = robust_scaling(voxels).apply(torch.from_numpy(voxels))
    moved = voxels * factor + offset
    again = robust_scaling(moved).apply(torch.from_numpy(moved))
    assert again.numpy() == pytest.approx(plain.numpy(), abs=1e-3)


def test_a_few_extreme_voxels_change_little() -> None:
    voxels = np.random.default_rng(2).integers(100, 500, (20, 20, 20)).astype(np.int32)
    spoilt = voxels.copy()
    spoilt[0, 0, :5] = 1_700_000
    plain = robust_scaling(voxels).apply(torch.from_numpy(voxels))
    again = robust_scaling(spoilt).apply(torch.from_numpy(spoilt))
    assert again[1:].numpy() == pytest.approx(plain[1:].numpy(), abs=0.05)


def test_a_constant_volume_becomes_zero() -> None:
    voxels = np.full((4, 4, 4), 7, np.int16)
    scaling = scaling_of(voxels, Intensity(scheme="robust"), slope=1, intercept=0)
    assert not scaling.apply(torch.from_numpy(voxels)).any()


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "i4", "u4"])
def test_every_stored_type_becomes_a_tensor_of_the_same_values(kind: str) -> None:
    voxels = np.array([[[np.iinfo(kind).max, 0]]], dtype=kind)
    assert as_tensor(voxels).double().tolist() == voxels.astype(float).tolist()
