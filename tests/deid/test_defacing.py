"""Faces of heads in CT and MR go, and the brain stays as it is."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from sightline.deid.defacing import cleared, face_mask, mask_at
from sightline.deid.face_surface import find_face
from sightline.deid.solids import dilated, eroded, largest_piece
from sightline.errors import Refused
from sightline.formats.nifti import read_nifti_volume
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume
from tests.deid.heads import gate_head, share_gone

LEAST_GONE = 0.95


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
@pytest.mark.parametrize("number", range(38))
def test_faces_of_all_heads(number: int) -> None:
    """A head whose face cannot be cleared whole is refused, which is no failure of safety."""
    try:
        assert_only_the_face_goes(number)
    except Refused as error:
        pytest.skip(f"refused: {error.problem}")


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
    place = find_face(volume).place
    assert place is not None
    mask = mask_at(place, volume.geometry)
    tissue = volume.voxels > 60
    assert 0.01 < (mask & tissue).sum() / tissue.sum() < 0.15
    bright = volume.voxels > 0.6 * np.median(volume.voxels[volume.voxels > 200])
    loose = largest_piece(np.stack([eroded(slice_, 5) for slice_ in bright]))
    brain = np.stack([dilated(slice_, 5) for slice_ in loose]) & bright
    assert 1000 < brain.sum() * volume.geometry.voxel_ml < 1800
    assert not (brain & mask).any()
    # What is left of these faces, cut or blurred already, lies close before the brain.
    with pytest.raises(Refused, match="too much of the face"):
        face_mask(volume)
