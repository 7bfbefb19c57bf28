"""Chest phantoms: the truth is true, a seed is a patient, and two sites differ."""

import time

import numpy as np
import pytest

from sightline.phantoms.chest import CLASSES, Phantom, chest_ct
from sightline.phantoms.scanner import AURORA, BOREAS
from sightline.values.arrays import Voxels

SMALL = (24, 64, 64)


def _hu(phantom: Phantom) -> Voxels:
    return phantom.volume.voxels * phantom.volume.slope + phantom.volume.intercept


def test_a_seed_is_the_same_phantom_to_the_bit() -> None:
    first, again = chest_ct(5, shape=SMALL), chest_ct(5, shape=SMALL)
    assert np.array_equal(first.volume.voxels, again.volume.voxels)
    assert np.array_equal(first.truth.mask, again.truth.mask)
    assert not np.array_equal(first.volume.voxels, chest_ct(6, shape=SMALL).volume.voxels)


def test_the_default_is_quick_and_of_the_promised_size() -> None:
    start = time.process_time()
    phantom = chest_ct(1)
    assert time.process_time() - start < 1.5
    assert phantom.volume.voxels.shape == (48, 128, 128)
    assert phantom.volume.voxels.dtype == np.int16
    assert phantom.volume.geometry.spacing_mm == pytest.approx((3.0, 3.0, 3.0))
    assert (phantom.volume.modality, phantom.volume.unit) == ("CT", "HU")
    assert phantom.truth.geometry == phantom.volume.geometry
    assert phantom.truth.classes == CLASSES


@pytest.mark.parametrize("scanner", [AURORA, BOREAS])
def test_tissues_have_their_densities(scanner: object) -> None:
    phantom = chest_ct(2, scanner=scanner, is_healthy=True)
    hu = _hu(phantom)
    assert np.median(hu[:, :8, :8]) == pytest.approx(-1000, abs=20)
    lung = hu[24, 50:80, 30:42]
    assert np.median(lung) == pytest.approx(-850, abs=40)
    assert 300 < np.percentile(hu, 99.9) < 700


def test_lesions_are_where_the_truth_says() -> None:
    for seed in range(1, 9):
        phantom, healthy = chest_ct(seed), chest_ct(seed, is_healthy=True)
        assert not healthy.truth.mask.any()
        change = _hu(phantom) - _hu(healthy)
        mask = phantom.truth.mask
        assert (mask == 1).sum() > 50
        assert np.median(change[mask == 1]) > 150
        assert np.abs(change[mask == 0]).mean() < 5
        assert (mask == 2).sum() > 5
        assert np.median(_hu(phantom)[mask == 2]) > -250


def test_patients_differ_in_lesions_and_build() -> None:
    phantoms = [chest_ct(seed, shape=SMALL) for seed in range(1, 13)]
    volumes = {int((phantom.truth.mask > 0).sum()) for phantom in phantoms}
    bodies = {int((_hu(phantom) > -300).sum()) for phantom in phantoms}
    assert len(volumes) > 8
    assert len(bodies) > 8


def test_the_next_visit_shows_the_same_body_with_a_grown_lesion() -> None:
    first = chest_ct(3)
    later = chest_ct(3, time_point=1, growth=1.3)
    assert (later.truth.mask > 0).sum() > 1.3 * (first.truth.mask > 0).sum()
    same = (first.truth.mask == 0) & (later.truth.mask == 0)
    difference = (_hu(first) - _hu(later))[same]
    assert difference.std() == pytest.approx(AURORA.noise_hu * np.sqrt(2), rel=0.25)
    assert abs(difference.mean()) < 2


def test_noise_has_the_strength_and_grain_of_the_kernel() -> None:
    for scanner in (AURORA, BOREAS):
        pair = [
            _hu(chest_ct(4, scanner=scanner, time_point=point, is_healthy=True))[:, 40:90, 40:90]
            for point in (0, 1)
        ]
        noise = (pair[0] - pair[1]) / np.sqrt(2)
        assert noise.std() == pytest.approx(scanner.noise_hu, rel=0.15)
        grain = np.corrcoef(noise[:, :, :-1].ravel(), noise[:, :, 1:].ravel())[0, 1]
        assert grain > 0.5 if scanner.softness else abs(grain) < 0.1


def test_more_voxels_show_the_same_patient() -> None:
    coarse, fine = chest_ct(3, shape=SMALL), chest_ct(3, shape=(48, 128, 128))
    share = (coarse.truth.mask > 0).mean() / (fine.truth.mask > 0).mean()
    assert share == pytest.approx(1.0, abs=0.15)
