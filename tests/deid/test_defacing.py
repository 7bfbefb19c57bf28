"""Faces of heads in CT and MR go, and the brain stays as it is."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from sightline.deid.defacing import cleared, face_mask, mask_at
from sightline.deid.face_left import kept_share
from sightline.deid.face_skin import DEEPEST_MM, Skin, skin_of
from sightline.deid.face_surface import find_face
from sightline.deid.head_place import HeadPlace, places_of
from sightline.deid.solids import dilated, eroded, largest_piece
from sightline.errors import Refused
from sightline.formats.nifti import read_nifti_volume
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume
from tests.deid.heads import gate_head, share_gone

LEAST_GONE = 0.95
MOST_KEPT = 0.015


def assert_only_the_face_goes(number: int) -> None:
    head = gate_head(number)
    mask = face_mask(head.volume)
    assert mask is not None
    assert share_gone(head, mask) >= LEAST_GONE
    voxels = cleared(head.volume, mask)
    assert np.array_equal(voxels[head.brain], head.volume.voxels[head.brain])
    assert np.array_equal(voxels[~mask], head.volume.voxels[~mask])
    air = 24 if head.volume.modality == "CT" else 0
    assert np.ptp(voxels[mask]) == 0
    assert voxels[mask][0] <= max(air, int(head.volume.voxels.min()))


@pytest.mark.parametrize("number", [25, 8])
def test_the_face_goes_and_the_brain_stays(number: int) -> None:
    assert_only_the_face_goes(number)


@pytest.mark.gate
@pytest.mark.parametrize("number", range(40))
def test_faces_of_all_heads(number: int) -> None:
    """None is refused."""
    assert_only_the_face_goes(number)


def test_a_face_that_stays_is_noticed() -> None:
    """The cut alone, one side alone, and nothing: each leaves more than is let pass."""
    head = gate_head(25)
    geometry = head.volume.geometry
    place = find_face(head.volume).place
    assert place is not None
    skin = skin_of(head.volume, place)
    whole = mask_at(place, skin, geometry)
    assert kept_share(place, skin, whole, geometry=geometry) < MOST_KEPT
    one_side = whole.copy()
    one_side[..., : whole.shape[2] // 2] = False
    deep = dataclasses.replace(skin, depth_mm=np.full_like(skin.depth_mm, DEEPEST_MM))
    cut_alone = mask_at(place, deep, geometry)
    for mask, least in ((cut_alone, 0.05), (one_side, 0.3), (np.zeros_like(whole), 0.99)):
        gone = share_gone(head, mask)
        kept = kept_share(place, skin, mask, geometry=geometry)
        assert kept > least > MOST_KEPT
        assert kept > 0.9 * (1 - gone)


def test_a_face_that_would_stay_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.deid.defacing._SHELL_MM", 0.0)
    with pytest.raises(Refused, match="too much of the face would stay"):
        face_mask(gate_head(25).volume)


def test_a_head_taken_for_turned_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outline nods by 15 degrees more than the head: the second look sees it elsewhere."""
    volume = gate_head(8).volume
    found = find_face(volume)
    assert found.place is not None
    fit = dataclasses.replace(found.place.fit, nod_degrees=found.place.fit.nod_degrees + 15)
    place = dataclasses.replace(found.place, fit=fit)
    turned = dataclasses.replace(found, place=place)
    monkeypatch.setattr("sightline.deid.defacing.find_face", lambda _: turned)
    with pytest.raises(Refused, match="in another place"):
        face_mask(volume)


def depths(place: HeadPlace, skin: Skin, geometry: Geometry) -> np.ndarray:
    matrix = place.rotation @ geometry.matrix[:3]
    return np.stack([skin.depth_at(*points) for points in places_of(matrix, geometry.shape)])


def test_depth_is_that_under_the_skin() -> None:
    """Airways are no outside, and the brain is never close under the skin."""
    head = gate_head(8)
    geometry = head.volume.geometry
    place = find_face(head.volume).place
    assert place is not None
    depth = depths(place, skin_of(head.volume, place), geometry)
    matrix = place.rotation @ geometry.matrix[:3]
    back, up = (
        np.stack(each)
        for each in zip(
            *(
                place.fit.template_place(*points[1:])
                for points in places_of(matrix, geometry.shape)
            ),
            strict=True,
        )
    )
    front = (back < -30) & (up < 0)
    assert np.median(depth[head.face]) < 2
    assert np.percentile(depth[head.face], 99) < 6
    airways = head.skin & (head.volume.voxels < 200) & front
    assert airways.sum() > 1000
    assert np.median(depth[airways]) > 8
    assert depth[head.brain & front].min() > 10


def test_a_cleared_head_shows_no_face() -> None:
    head = gate_head(8)
    mask = face_mask(head.volume)
    assert mask is not None
    assert find_face(head.volume).area_cm2 > 100
    again = dataclasses.replace(head.volume, voxels=cleared(head.volume, mask))
    assert not find_face(again).stands


def test_a_crop_of_the_brain_shows_no_face() -> None:
    voxels = np.random.default_rng(1).integers(200, 900, (40, 50, 35), dtype=np.int16)
    crop = Volume(
        voxels=voxels, geometry=Geometry.from_affine(voxels.shape, np.eye(4)), modality="MR"
    )
    assert not find_face(crop).stands
    assert face_mask(crop) is None


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_what_is_no_head_is_refused(modality: str) -> None:
    """A block that fills the image, and noise: nothing says where a brain would lie."""
    noise = np.random.default_rng(2).normal(0, 9, (80, 80, 80))
    geometry = Geometry.from_affine(noise.shape, np.diag([3.0, 3.0, 3.0, 1.0])[[2, 1, 0, 3]])
    for value in (1064, 24) if modality == "CT" else (500, 0):
        volume = Volume(
            voxels=np.rint(noise + value).clip(0).astype(np.int16),
            geometry=geometry,
            modality=modality,
            intercept=-1024.0 if modality == "CT" else 0.0,
        )
        with pytest.raises(Refused, match="cannot be removed with certainty"):
            face_mask(volume)


def test_other_modalities_are_refused() -> None:
    voxels = np.zeros((50, 50, 50), dtype=np.int16)
    geometry = Geometry.from_affine(voxels.shape, np.diag([4.0, 4.0, 4.0, 1.0]))
    with pytest.raises(Refused, match="'PT'"):
        find_face(Volume(voxels=voxels, geometry=geometry, modality="PT"))


@pytest.mark.gate
@pytest.mark.parametrize("study", ["study1", "study2"])
def test_real_heads(study: str) -> None:
    """No truth of the brain exists, so it is told in a way that the method does not use.

    In FLAIR skull and fluid are dark: what is bright, cut loose by 5 pixels in each slice, is brain.
    """
    if "SIGHTLINE_TEST_DATA" not in os.environ:
        pytest.skip("SIGHTLINE_TEST_DATA names no folder of real data")
    folder = Path(os.environ["SIGHTLINE_TEST_DATA"]) / "ms_longitudinal/longitudinal/raw/patient12"
    volume = read_nifti_volume((folder / f"{study}_FLAIR.nii.gz").read_bytes(), modality="MR")
    mask = face_mask(volume)
    assert mask is not None
    tissue = volume.voxels > 60
    assert 0.01 < (mask & tissue).sum() / tissue.sum() < 0.15
    bright = volume.voxels > 0.6 * np.median(volume.voxels[volume.voxels > 200])
    loose = largest_piece(np.stack([eroded(slice_, 5) for slice_ in bright]))
    brain = np.stack([dilated(slice_, 5) for slice_ in loose]) & bright
    assert 1000 < brain.sum() * volume.geometry.voxel_ml < 1800
    assert not (brain & mask).any()
    again = dataclasses.replace(volume, voxels=cleared(volume, mask))
    assert not find_face(again).stands
