"""NIfTI in and out: the same voxels at the same place in the patient."""

import gzip
import random
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sightline.errors import BadFile
from sightline.formats.nifti import (
    read_nifti_mask,
    read_nifti_volume,
    write_nifti_mask,
    write_nifti_volume,
)
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation, Volume

MATRIX = np.array([[0.0, 0.0, 0.7, -90.0], [0.0, 0.7, 0.0, -80.0], [2.5, 0, 0, 30], [0, 0, 0, 1]])
SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)


def _volume(voxels: np.ndarray, slope: float = 1.0, intercept: float = 0.0) -> Volume:
    return Volume(
        voxels=voxels,
        geometry=Geometry.from_affine(voxels.shape, MATRIX),
        modality="CT",
        slope=slope,
        intercept=intercept,
        unit="HU",
    )


@settings(deadline=None)
@given(
    st.sampled_from(["u1", "i2", "u2", "i4"]).flatmap(lambda name: hnp.arrays(name, SHAPES)),
    st.sampled_from([(1.0, 0.0), (2.0, -1024.0)]),
)
def test_what_is_written_reads_back(voxels: np.ndarray, scale: tuple[float, float]) -> None:
    volume = _volume(voxels, *scale)
    read = read_nifti_volume(write_nifti_volume(volume), modality="CT")
    assert np.array_equal(read.voxels, voxels)
    assert read.voxels.dtype == voxels.dtype
    assert read.geometry.is_same_grid(volume.geometry)
    assert (read.slope, read.intercept, read.unit) == (*scale, "HU")


def test_lies_where_nibabel_says() -> None:
    """Voxel (i, j, k) at RAS (x, y, z) is our (k, j, i) at LPS (-x, -y, z)."""
    affine = np.array([[-2.0, 0.1, 0, 5], [0.2, 3, 0, -7], [0, 0, 4, 11], [0, 0, 0, 1]])
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    volume = read_nifti_volume(nib.Nifti1Image(values, affine).to_bytes(), modality="MR")
    assert volume.voxels.shape == (4, 3, 2)
    for i, j, k in np.ndindex(2, 3, 4):
        assert volume.voxels[k, j, i] == values[i, j, k]
        ras = (affine @ [i, j, k, 1])[:3]
        lps = (volume.geometry.matrix @ [k, j, i, 1])[:3]
        assert np.allclose(lps, ras * [-1, -1, 1], atol=1e-5)


def test_nibabel_reads_what_we_write() -> None:
    volume = _volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), 2.0, -100.0)
    image = nib.Nifti1Image.from_bytes(gzip.decompress(write_nifti_volume(volume)))
    assert np.array_equal(image.get_fdata().T, volume.voxels * 2.0 - 100.0)
    assert np.allclose(image.affine[:3, 3], [90.0, 80.0, 30.0])
    assert write_nifti_volume(volume) == write_nifti_volume(volume)


def test_reads_nifti2_big_endian_and_a_last_axis_of_one() -> None:
    values = np.arange(24, dtype=">i2").reshape(2, 3, 4, 1)
    header = nib.Nifti2Header(endianness=">")
    header.set_data_dtype(np.int16)
    content = nib.Nifti2Image(values, np.eye(4), header).to_bytes()
    volume = read_nifti_volume(content, modality="MR")
    assert np.array_equal(volume.voxels, values[..., 0].T)
    assert volume.voxels.dtype == np.int16


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([0.0, 7.0], "u1"), ([-3.0, 7.0], "i2"), ([0.0, 60000.0], "u2"), ([0.0, 1.7e6], "i4")],
)
def test_whole_floats_become_integers(values: list[float], dtype: str) -> None:
    content = nib.Nifti1Image(np.array([[values]], dtype=np.float32), np.eye(4)).to_bytes()
    volume = read_nifti_volume(content, modality="MR")
    assert volume.voxels.dtype == np.dtype(dtype)
    assert volume.voxels.ravel().tolist() == values


def test_fractions_are_quantised_to_half_a_step() -> None:
    values = np.random.default_rng(5).normal(size=(4, 5, 6)).astype(np.float32)
    volume = read_nifti_volume(nib.Nifti1Image(values, np.eye(4)).to_bytes(), modality="MR")
    assert volume.voxels.dtype == np.uint16
    error = np.abs(volume.voxels * volume.slope + volume.intercept - values.T)
    assert error.max() <= volume.slope * 0.51


def test_metres_and_microns_become_millimetres() -> None:
    for unit, length_mm in (("meter", 2000.0), ("mm", 2.0), ("micron", 0.002), ("unknown", 2.0)):
        image = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.diag([2, 2, 2, 1]))
        image.header.set_xyzt_units(unit)
        spacing = read_nifti_volume(image.to_bytes(), modality="MR").geometry.spacing_mm
        assert spacing == pytest.approx((length_mm,) * 3)


def test_masks_keep_classes_and_refuse_strange_values() -> None:
    mask = np.array([[[0, 1], [2, 0]]], dtype=np.uint8)
    drawn = Segmentation(
        mask=mask,
        geometry=Geometry.from_affine(mask.shape, MATRIX),
        classes=("lung", "lesion"),
        author="R1",
    )
    read = read_nifti_mask(write_nifti_mask(drawn), classes=drawn.classes, author="R1")
    assert np.array_equal(read.mask, mask)
    assert (read.classes, read.author) == (drawn.classes, "R1")
    with pytest.raises(BadFile, match="values from 0 to 2 for 1 classes") as caught:
        read_nifti_mask(write_nifti_mask(drawn), classes=("lung",), author="R1")
    assert "1 is lung" in caught.value.hint


def _image(values: np.ndarray, **header: object) -> bytes:
    image = nib.Nifti1Image(values, np.eye(4))
    content = bytearray(image.to_bytes())
    fields = np.ndarray((), nib.nifti1.header_dtype, content)
    for name, value in header.items():
        fields[name] = value
    return bytes(content)


SMALL = np.zeros((2, 3, 4), np.int16)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x1f\x8b",
        b"hello" * 300,
        _image(SMALL)[:-1],
        _image(np.zeros((2, 3, 4, 5), np.int16)),
        _image(np.zeros((2, 3), np.int16)),
        _image(SMALL, datatype=9999),
        _image(SMALL, dim=[3, -1, 3, 4, 1, 1, 1, 1]),
        _image(SMALL, dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]),
        _image(SMALL, vox_offset=-5),
        _image(SMALL, vox_offset=np.nan),
        _image(SMALL, srow_x=[0, 0, 0, 0]),
        _image(np.full((2, 2, 2), np.nan, np.float32)),
        _image(np.zeros((2, 2, 2), np.complex64)),
        gzip.compress(_image(SMALL), mtime=0)[:-60],
    ],
)
def test_broken_files_are_bad_files(content: bytes) -> None:
    with pytest.raises(BadFile) as caught:
        read_nifti_volume(content, modality="MR")
    assert caught.value.hint


def test_a_gzip_bomb_is_inflated_no_further_than_it_claims() -> None:
    bomb = gzip.compress(_image(SMALL) + bytes(300 << 20), compresslevel=1)
    assert read_nifti_volume(bomb, modality="MR").voxels.shape == (4, 3, 2)


@pytest.mark.parametrize("is_gzipped", [False, True])
def test_mutants_end_in_a_volume_or_a_bad_file(is_gzipped: bool) -> None:
    chance = random.Random(7)  # noqa: S311 - a seeded test, no secret
    original = _image(SMALL)
    for _ in range(400):
        mutant = bytearray(original)
        for _ in range(chance.randint(1, 5)):
            struct.pack_into("B", mutant, chance.randrange(348), chance.randrange(256))
        content = gzip.compress(bytes(mutant), 1) if is_gzipped else bytes(mutant)
        try:
            read_nifti_volume(content, modality="MR")
        except BadFile as error:
            assert error.hint  # noqa: PT017 - some mutants are fine


def test_reads_real_images_and_masks(test_data: Path) -> None:
    folder = test_data / "hippocampus" / "TrainingSet"
    for image in sorted((folder / "images").iterdir())[:20]:
        volume = read_nifti_volume(image.read_bytes(), modality="MR")
        values = np.asanyarray(nib.load(image).dataobj)
        restored = volume.voxels * volume.slope + volume.intercept
        assert np.allclose(restored, values.T, rtol=1e-6, atol=1e-6 * values.max())
        mask = read_nifti_mask(
            (folder / "labels" / image.name).read_bytes(),
            classes=("anterior", "posterior"),
            author="R1",
        )
        assert mask.geometry.is_same_grid(volume.geometry)
        assert set(np.unique(mask.mask)) == {0, 1, 2}
