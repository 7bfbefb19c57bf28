"""Series to volumes: what is sound is exact, what is not is named."""

import itertools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from sightline.errors import NotDicom, UnsoundSeries
from sightline.formats.dicom_file import read_header
from sightline.formats.dicom_image import read_volume
from sightline.formats.nifti import read_nifti_volume
from sightline.values.alignment import align_to_grid
from sightline.values.volume import Segmentation, Volume

MakeSeries = Callable[..., list[Path]]
ROOT = "1.2.826.0.1.3680043.10.999"


@pytest.fixture
def make_series(make_ct: Callable[..., bytes], tmp_path: Path) -> MakeSeries:
    """Give a function that writes slices; `change` says what one of them has instead."""

    def make(
        count: int = 4,
        change: Callable[[int], dict[str, object]] = lambda _: {},
        **attributes: object,
    ) -> list[Path]:
        paths = []
        for number in range(count):
            slice_attributes: dict[str, object] = {
                "SOPInstanceUID": f"{ROOT}.3.{number + 1}",
                "InstanceNumber": number + 1,
                "ImagePositionPatient": [-10.0, -20.0, 30.0 + 3.0 * number],
                "PixelData": np.full(24, number, dtype="<i2").tobytes(),
            }
            path = tmp_path / f"{number}.dcm"
            path.write_bytes(make_ct(**(slice_attributes | attributes | change(number))))
            paths.append(path)
        return paths

    return make


def test_reads_a_series_in_any_order_of_files(make_series: MakeSeries) -> None:
    paths = make_series()
    for shuffled in itertools.permutations(paths):
        volume = read_volume(shuffled)
        assert volume.voxels.dtype == np.int16
        assert volume.voxels[:, 0, 0].tolist() == [0, 1, 2, 3]
        assert volume.geometry.matrix.tolist() == [
            [0, 0, 1, -10],
            [0, 2, 0, -20],
            [3, 0, 0, 30],
            [0, 0, 0, 1],
        ]
        assert (volume.slope, volume.intercept, volume.unit) == (1.0, -1024.0, "HU")
        assert volume.modality == "CT"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_reads_other_encodings(make_ct: Callable[..., bytes], tmp_path: Path, syntax: str) -> None:
    pixels = np.arange(24, dtype=">i2" if syntax == ExplicitVRBigEndian else "<i2")
    path = tmp_path / "0.dcm"
    path.write_bytes(make_ct(syntax, PixelData=pixels.tobytes()))
    assert np.array_equal(read_volume([path]).voxels.ravel(), np.arange(24))


def test_a_single_slice_takes_its_thickness(make_series: MakeSeries) -> None:
    assert read_volume(make_series(1)).geometry.spacing_mm == (3.0, 2.0, 1.0)


def _shift(number: int, **attributes: object) -> Callable[[int], dict[str, object]]:
    return lambda index: attributes if index == number else {}


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("1 slices are missing", _shift(3, ImagePositionPatient=[-10, -20, 42])),
        ("unequal slice spacing", _shift(3, ImagePositionPatient=[-10, -20, 40.1])),
        ("share a place", _shift(3, ImagePositionPatient=[-10, -20, 30])),
        ("gantry tilt", lambda n: {"ImagePositionPatient": [-10, -20 + n, 30 + 3 * n]}),
        ("not lie on one line", _shift(1, ImagePositionPatient=[-9, -20, 33])),
        ("differ in size", _shift(2, Rows=3)),
        ("differ in orientation", _shift(2, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])),
        ("differ in pixel spacing", _shift(2, PixelSpacing=[2, 2])),
        ("no pair of perpendicular", lambda _: {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}),
        ("not positive", lambda _: {"PixelSpacing": [0, 0]}),
        ("differ in rescale", _shift(1, RescaleSlope=2)),
        ("differ in pixel type", _shift(1, PixelRepresentation=0)),
        ("several series", _shift(1, SeriesInstanceUID=f"{ROOT}.9")),
        ("frames of reference", _shift(1, FrameOfReferenceUID=f"{ROOT}.9")),
        ("where it lies", _shift(1, ImagePositionPatient=None)),
        ("where it lies", _shift(1, PixelSpacing=["1", "nan"])),
        ("in colour", _shift(1, SamplesPerPixel=3)),
        ("mosaics", _shift(1, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])),
        ("multi-frame image without positions", _shift(1, NumberOfFrames=2)),
        ("is no image", _shift(1, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")),
        ("12 bits", lambda _: {"BitsAllocated": 12}),
        ("without rows", lambda _: {"Rows": 0}),
    ],
)
def test_names_why_a_series_is_no_volume(
    make_series: MakeSeries, why: str, change: Callable[[int], dict[str, object]]
) -> None:
    with pytest.raises(UnsoundSeries, match=why) as caught:
        read_volume(make_series(change=change))
    assert caught.value.hint


def test_refuses_no_files_and_thin_air(make_series: MakeSeries) -> None:
    with pytest.raises(UnsoundSeries, match="no files"):
        read_volume([])
    with pytest.raises(UnsoundSeries, match="unknown thickness"):
        read_volume(make_series(1, SliceThickness=None))


def test_refuses_pixels_that_are_not_there(make_series: MakeSeries) -> None:
    with pytest.raises(NotDicom, match="do not fit"):
        read_volume(make_series(PixelData=bytes(46)))


def test_small_rounding_is_no_fault(make_series: MakeSeries) -> None:
    def rounded(number: int) -> dict[str, object]:
        return {"ImagePositionPatient": [-10, -20, round(30 + number * 0.625, 2)]}

    volume = read_volume(make_series(20, rounded))
    assert volume.geometry.spacing_mm[0] == pytest.approx(0.625, abs=1e-3)


REFERENCES = [
    "anatomical/001",
    "anatomical/001_implicit",
    "ge/anatomical/001",
    "ge/anatomical/001_implicit",
    "generic/anatomical/001",
    "generic/anatomical/001_implicit",
    "generic/compressed/001",
    "generic/compressed_j2k/001",
    "generic/compressed_jpeg/001",
    "generic/compressed_jpegls/001",
    "generic/compressed_rle/001",
    "hitachi/anatomical/001",
    "hitachi/anatomical/001_implicit",
    "hyperfine/anatomical/001",
]
REFUSED = {
    "ge/anatomical/001_single_slice": "unknown thickness",
    "ge/dti/001": "share a place",
    "ge/dti/001_implicit": "share a place",
    "ge/dti/002": "share a place",
    "ge/fmri/001": "share a place",
    "ge/fmri/001_implicit": "share a place",
    "generic/anatomical/002_non_isotropic": "differ in rescale",
    "generic/rgb/001": "in colour",
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_reference_of_another_converter(test_data: Path, name: str) -> None:
    folder = test_data / "dicom" / "dicom2nifti" / name
    reference = folder.with_name(f"{folder.name}_ground_truth.nii.gz")
    _assert_same(
        read_volume(sorted(folder.iterdir())),
        read_nifti_volume(reference.read_bytes(), modality="MR"),
    )


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refuses_real_series_that_are_no_volume(test_data: Path, name: str) -> None:
    folder = test_data / "dicom" / "dicom2nifti" / name
    with pytest.raises(UnsoundSeries, match=REFUSED[name]):
        read_volume(sorted(folder.iterdir()))


def _assert_same(volume: Volume, reference: Volume) -> None:
    """Voxels equal, and affines within a twentieth of a voxel at every corner."""
    drawn = Segmentation(
        mask=reference.voxels, geometry=reference.geometry, classes=(), author="reference"
    )
    assert np.array_equal(align_to_grid(drawn, volume.geometry).mask, volume.voxels)


def _time_point(reference: Path, number: int) -> Volume:
    """One time point of a NIfTI in four dimensions, as a NIfTI of three."""
    image = nib.load(reference)
    values = np.asanyarray(image.dataobj)[..., number]
    single = nib.Nifti1Image(values, image.affine, dtype=values.dtype)
    return read_nifti_volume(single.to_bytes(), modality="MR")


@pytest.mark.parametrize("number", range(4))
def test_enhanced_multi_frame_equals_dcm2niix(test_data: Path, number: int) -> None:
    folder = test_data / "dicom" / "dcmqa_enh"
    volume = read_volume([folder / "In" / "Siemens" / "XA10" / f"6_{number + 1}.dcm"])
    reference = folder / "Ref" / "Siemens_REST1_w_SMS_PF7-8_6.nii"
    _assert_same(volume, _time_point(reference, number))


def test_time_points_of_one_series_equal_dcm2niix(test_data: Path) -> None:
    folder = test_data / "dicom" / "dcmqa_nih"
    paths = sorted((folder / "In" / "20180918GE" / "mr_0004").glob("*.dcm"))
    numbers = {path: read_header(path.read_bytes()).instance_number or 0 for path in paths}
    for point in range(10):
        chosen = [path for path, number in numbers.items() if (number - 1) // 15 == point]
        reference = _time_point(folder / "Ref" / "DCM2NIIX_regression_test_4.nii", point)
        _assert_same(read_volume(chosen), reference)


@pytest.mark.parametrize("archive", ["Agfa", "Siemens"])
def test_rewritten_multi_frame_equals_dcm2niix(
    test_data: Path, tmp_path: Path, archive: str
) -> None:
    folder = test_data / "dicom" / "dcmqa_agfa" / archive
    converter = shutil.which("dcm2niix")
    if converter is None:
        pytest.skip("dcm2niix is not installed")
    subprocess.run(
        [converter, "-o", tmp_path, "-f", "image", folder], check=True, capture_output=True
    )
    for number, path in enumerate(sorted(folder.iterdir())):
        _assert_same(read_volume([path]), _time_point(tmp_path / "image.nii", number))
