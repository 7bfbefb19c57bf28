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
    scaling = scaling_of(lambda: voxels, Intensity(scheme="robust"), slope=1, intercept=0)
    assert not scaling.apply(torch.from_numpy(voxels)).any()


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "i4", "u4"])
def test_every_stored_type_becomes_a_tensor_of_the_same_values(kind: str) -> None:
    voxels = np.array([[[np.iinfo(kind).max, 0]]], dtype=kind)
    assert as_tensor(voxels).double().tolist() == voxels.astype(float).tolist()


RESCALES = ((1.0, 0.0), (2.0, -1024.0), (-0.5, 30.0))


def _scaled(values: np.ndarray, intensity: Intensity, rescale: tuple[float, float]) -> np.ndarray:
    """Scale what is stored of values under a rescale."""
    slope, intercept = rescale
    stored = np.round((values - intercept) / slope).astype(np.int32)
    scaling = scaling_of(lambda: stored, intensity, slope=slope, intercept=intercept)
    return scaling.apply(torch.from_numpy(stored)).numpy()


@pytest.mark.parametrize("rescale", RESCALES)
def test_fixed_intensities_are_clipped_centred_and_divided(rescale: tuple[float, float]) -> None:
    values = np.arange(-1000.0, 1000.0, 8).reshape(5, 5, 10)
    intensity = Intensity(scheme="fixed", window=(-200.0, 304.0), centre=40.0, width=80.0)
    wanted = (values.clip(-200, 304) - 40) / 80
    assert _scaled(values, intensity, rescale) == pytest.approx(wanted, abs=1e-5)
    unclipped = Intensity(scheme="fixed", centre=40.0, width=80.0)
    wanted = (values - 40) / 80
    assert _scaled(values, unclipped, rescale) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("rescale", RESCALES)
def test_deviation_counts_all_or_the_box_or_what_is_not_zero(rescale: tuple[float, float]) -> None:
    values = np.zeros((9, 9, 9))
    values[2:6, 3:7, 1:8] = 2 * np.random.default_rng(3).integers(-50, 400, (4, 4, 7))
    values[3, 4, 4] = 0  # within the box
    inside, rest = values[2:6, 3:7, 1:8], values != 0

    def scaled(counted: str) -> np.ndarray:
        intensity = Intensity(scheme="deviation", counted=counted)  # type: ignore[arg-type]
        return _scaled(values, intensity, rescale)

    assert scaled("all") == pytest.approx((values - values.mean()) / values.std(), abs=1e-4)
    assert scaled("box") == pytest.approx((values - inside.mean()) / inside.std(), abs=1e-4)
    kept = np.where(rest, (values - values[rest].mean()) / values[rest].std(), 0)
    assert scaled("nonzero") == pytest.approx(kept, abs=1e-4)


@pytest.mark.parametrize("rescale", RESCALES)
def test_range_maps_what_a_volume_covers_to_0_and_1(rescale: tuple[float, float]) -> None:
    values = np.arange(-40.0, 460.0, 4).reshape(5, 5, 5)
    wanted = (values - values.min()) / (values.max() - values.min())
    assert _scaled(values, Intensity(scheme="range"), rescale) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("counted", ["all", "box", "nonzero"])
def test_an_empty_volume_becomes_zero_by_deviation(counted: str) -> None:
    intensity = Intensity(scheme="deviation", counted=counted)  # type: ignore[arg-type]
    assert not _scaled(np.zeros((3, 4, 5)), intensity, (1.0, 0.0)).any()


def test_scaling_leaves_what_it_is_given_as_it_was() -> None:
    values = torch.tensor([-2000.0, 0.0, 2000.0])
    window_scaling(WINDOW, slope=1.0, intercept=0.0).apply(values)
    assert values.tolist() == [-2000.0, 0.0, 2000.0]


def test_a_robust_scaling_turns_round_what_is_stored_inverted() -> None:
    voxels = np.random.default_rng(1).integers(0, 200, (4, 8, 8)).astype(np.uint8)
    plain = robust_scaling(voxels).apply(torch.from_numpy(voxels))
    inverted = 255 - voxels
    turned = robust_scaling(inverted, slope=-1.0).apply(torch.from_numpy(inverted))
    torch.testing.assert_close(turned, plain, atol=1e-4, rtol=0)
