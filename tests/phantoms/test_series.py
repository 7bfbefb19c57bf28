"""Volumes as DICOM series: read back exactly, clean for the checker, the same for another tool."""

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.errors import BadFile
from sightline.formats.dicom_file import read_header
from sightline.formats.dicom_image import read_volume
from sightline.formats.nifti import read_nifti_volume
from sightline.phantoms.chest import chest_ct
from sightline.phantoms.enhanced import write_enhanced
from sightline.phantoms.people import visit
from sightline.phantoms.scanner import BOREAS
from sightline.phantoms.series import SeriesNames, storable, wrap_volume, write_series
from sightline.values.alignment import align_to_grid
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation, Volume
from tests.verification import dicom_errors

BRAIN = SeriesNames(description="T1", body_part="BRAIN", study_description="MR BRAIN")


def _volume(voxels: np.ndarray, matrix: np.ndarray, modality: str = "MR") -> Volume:
    geometry = Geometry.from_affine(voxels.shape, matrix)
    return Volume(voxels=voxels, geometry=geometry, modality=modality)


def _rotation(angles: tuple[float, float, float]) -> np.ndarray:
    (a, b, c), turn = angles, np.eye(3)
    for angle, (first, second) in zip((a, b, c), ((0, 1), (0, 2), (1, 2)), strict=True):
        plane = np.eye(3)
        plane[[first, second], [first, second]] = np.cos(angle)
        plane[first, second], plane[second, first] = -np.sin(angle), np.sin(angle)
        turn = turn @ plane
    return turn


def test_a_phantom_study_reads_back(tmp_path: Path) -> None:
    phantom = chest_ct(1, shape=(12, 48, 48))
    written = write_series(phantom.volume, tmp_path, visit=visit(1))
    assert len(written.files) == 12
    read = read_volume(written.files)
    assert np.array_equal(read.voxels, phantom.volume.voxels)
    assert read.geometry == phantom.volume.geometry
    assert (read.slope, read.intercept, read.unit) == (1.0, -1024.0, "HU")
    header = read_header(written.files[0].read_bytes())
    assert header.patient == visit(1).patient
    assert header.study_uid == written.study_uid
    assert header.series_uid == written.series_uid
    assert header.manufacturer == "Phantom Works A"
    assert header.body_part == "CHEST"


def test_files_are_the_same_bytes_and_clean(tmp_path: Path) -> None:
    for scanner_folder in ("first", "again"):
        phantom = chest_ct(2, shape=(4, 32, 32), scanner=BOREAS)
        write_series(phantom.volume, tmp_path / scanner_folder, visit=visit(2), scanner=BOREAS)
    for path in sorted((tmp_path / "first").iterdir()):
        content = path.read_bytes()
        assert content == (tmp_path / "again" / path.name).read_bytes()
        assert dicom_errors(content) == []


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_enhanced_images_read_back_and_are_clean(tmp_path: Path, modality: str) -> None:
    turn = np.eye(4)
    turn[:3, :3] = _rotation((0.1, -0.2, 0.3)) @ np.array([[0, 0, 0.7], [0, 0.8, 0], [2.5, 0, 0]])
    volume = _volume(np.arange(120, dtype=np.int16).reshape(4, 5, 6), turn, modality)
    written = write_enhanced(volume, tmp_path, visit=visit(3), names=BRAIN)
    read = read_volume(written.files)
    assert np.array_equal(read.voxels, volume.voxels)
    assert read.geometry.is_same_grid(volume.geometry, tolerance_mm=1e-6)
    assert dicom_errors(written.files[0].read_bytes()) == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 8)] * 3),
    origin=st.tuples(*[st.floats(-900, 900)] * 3),
    dtype=st.sampled_from(["i2", "u2"]),
)
def test_any_upright_grid_survives(
    tmp_path: Path,
    angles: tuple[float, float, float],
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
    dtype: str,
) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = _rotation(angles) @ np.diag(spacing)
    matrix[:3, 3] = origin
    voxels = np.arange(60, dtype=dtype).reshape(3, 4, 5)
    volume = _volume(voxels, matrix)
    shutil.rmtree(tmp_path / "series", ignore_errors=True)
    written = wrap_volume(volume, tmp_path / "series", seed=1, names=BRAIN)
    read = read_volume(written.files)
    as_given = align_to_grid(
        Segmentation(mask=read.voxels, geometry=read.geometry, classes=(), author=""),
        volume.geometry,
    )
    assert np.array_equal(as_given.mask, voxels)
    assert read.geometry.is_same_grid(written.volume.geometry, tolerance_mm=1e-6)
    assert read.voxels.dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8"])
def test_wider_and_narrower_integers_fit_without_loss(tmp_path: Path, dtype: str) -> None:
    voxels = np.arange(60, dtype=dtype).reshape(3, 4, 5)
    matrix = np.diag([2.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    read = read_volume(wrap_volume(_volume(voxels, matrix), tmp_path, seed=1, names=BRAIN).files)
    assert np.array_equal(read.voxels, voxels)
    assert read.voxels.dtype.itemsize == 2


def test_what_16_bits_cannot_hold_is_scaled(tmp_path: Path) -> None:
    voxels = np.linspace(0, 1_700_000, 60).astype("i4").reshape(3, 4, 5)
    matrix = np.diag([2.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    read = read_volume(wrap_volume(_volume(voxels, matrix), tmp_path, seed=1, names=BRAIN).files)
    restored = read.voxels * read.slope + read.intercept
    assert np.abs(restored - voxels).max() <= read.slope / 2 * 1.001


def test_sheared_axes_and_other_modalities_are_refused(tmp_path: Path) -> None:
    voxels = np.zeros((3, 4, 5), np.int16)
    sheared = np.diag([2.0, 1.0, 1.0, 1.0])
    sheared[1, 0] = 0.2
    with pytest.raises(BadFile, match="not perpendicular"):
        storable(_volume(voxels, sheared))
    with pytest.raises(BadFile, match="no phantom of modality 'US'"):
        wrap_volume(_volume(voxels, np.eye(4), "US"), tmp_path, seed=1)


def test_dcm2niix_sees_the_same_volume(tmp_path: Path) -> None:
    converter = shutil.which("dcm2niix")
    if converter is None:
        pytest.skip("dcm2niix is not installed")
    phantom = chest_ct(3, shape=(10, 40, 40))
    written = write_series(phantom.volume, tmp_path / "dicom", visit=visit(3))
    (tmp_path / "nifti").mkdir()
    command = [converter, "-o", tmp_path / "nifti", "-f", "image", tmp_path / "dicom"]
    subprocess.run(command, check=True, capture_output=True)
    other = read_nifti_volume((tmp_path / "nifti" / "image.nii").read_bytes(), modality="CT")
    drawn = Segmentation(mask=other.voxels, geometry=other.geometry, classes=(), author="")
    aligned = align_to_grid(drawn, written.volume.geometry).mask
    mine = written.volume
    assert np.array_equal(
        aligned * other.slope + other.intercept, mine.voxels * mine.slope + mine.intercept
    )


def test_real_nifti_images_become_mr_series(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "hippocampus" / "TrainingSet" / "images"
    for number, path in enumerate(sorted(folder.iterdir())[:5]):
        volume = read_nifti_volume(path.read_bytes(), modality="MR")
        written = wrap_volume(volume, tmp_path / str(number), seed=number + 1, names=BRAIN)
        read = read_volume(written.files)
        assert np.array_equal(read.voxels, volume.voxels)
        assert read.geometry.is_same_grid(volume.geometry, tolerance_mm=1e-6)
        assert read.slope == pytest.approx(volume.slope, rel=1e-12)
        values = np.asanyarray(nib.load(path).dataobj).T
        assert np.allclose(read.voxels * read.slope + read.intercept, values, rtol=1e-6)
        assert dicom_errors(written.files[0].read_bytes()) == []


def test_a_left_handed_image_is_turned_and_its_mask_finds_it(tmp_path: Path) -> None:
    matrix = np.diag([2.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    matrix[:, 0] *= -1
    volume = _volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), matrix)
    written = wrap_volume(volume, tmp_path, seed=4, names=BRAIN)
    read = read_volume(written.files)
    assert np.array_equal(read.voxels, volume.voxels[::-1])
    mask = Segmentation(
        mask=(volume.voxels > 30).astype(np.uint8),
        geometry=volume.geometry,
        classes=("a",),
        author="",
    )
    assert np.array_equal(align_to_grid(mask, read.geometry).mask, read.voxels > 30)
