"""Series to volumes: what is sound is exact, what is not is named."""

import itertools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import NotDicom, UnsoundSeries
from sightline.formats.dicom_image import decode_volumes, read_grids, read_volume, read_volumes
from sightline.formats.nifti import read_nifti_volume
from sightline.values.volume import Volume
from tests.formats.references import Reference, on_grid_of, time_points

MakeSeries = Callable[..., list[Path]]
ROOT = "1.2.826.0.1.3680043.10.999"
# NIfTI keeps affines in single precision, and DICOM positions have some ten digits.
TOLERANCE_MM = 1e-3


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


def test_a_single_slice_takes_its_thickness(make_series: MakeSeries) -> None:
    assert read_volume(make_series(1)).geometry.spacing_mm == (3.0, 2.0, 1.0)


def _shift(number: int, **attributes: object) -> Callable[[int], dict[str, object]]:
    return lambda index: attributes if index == number else {}


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("several series", _shift(1, SeriesInstanceUID=f"{ROOT}.9")),
        ("frames of reference", _shift(1, FrameOfReferenceUID=f"{ROOT}.9")),
        ("image 2 does not say where it lies: no position", _shift(1, ImagePositionPatient=None)),
        ("no pixel spacing", _shift(1, PixelSpacing=["1", "nan"])),
        ("in colour .image 2", _shift(1, SamplesPerPixel=3)),
        (
            "image 2 is a mosaic .* CSA header .* is not there",
            _shift(1, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]),
        ),
        ("image 2 is a multi-frame image without positions", _shift(1, NumberOfFrames=2)),
        ("is no image", _shift(1, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")),
        ("image 2 has a rescale slope .* no scale", _shift(1, RescaleSlope="0")),
        ("image 2 has a rescale .* no scale", _shift(1, RescaleIntercept="nan")),
        ("image 1 has 12 bits", lambda _: {"BitsAllocated": 12}),
        ("image 1 has no rows", lambda _: {"Rows": 0}),
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


def test_refuses_more_voxels_than_memory_holds(make_series: MakeSeries) -> None:
    with pytest.raises(UnsoundSeries, match="voxels are too many"):
        read_volume(make_series(Rows=65535, Columns=65535))


def test_small_rounding_is_no_fault(make_series: MakeSeries) -> None:
    def rounded(number: int) -> dict[str, object]:
        return {"ImagePositionPatient": [-10, -20, round(30 + number * 0.625, 2)]}

    volume = read_volume(make_series(20, rounded))
    assert volume.geometry.spacing_mm[0] == pytest.approx(0.625, abs=1e-3)


def _echoes(number: int) -> dict[str, object]:
    return {
        "EchoTime": 2.46 if number % 2 else 4.92,
        "ImagePositionPatient": [-10, -20, 30 + 3 * (number // 2)],
    }


def test_several_volumes_are_read_by_name_and_never_as_one(make_series: MakeSeries) -> None:
    paths = make_series(8, _echoes)
    with pytest.raises(UnsoundSeries, match=r"2 volumes: echo time 2.46; echo time 4.92") as caught:
        read_volume(paths)
    assert "series of their own" in caught.value.hint
    series = read_volumes(paths)
    assert [volume.stack for volume in series.volumes] == ["echo time 2.46", "echo time 4.92"]
    assert [volume.voxels[:, 0, 0].tolist() for volume in series.volumes] == [
        [1, 3, 5, 7],
        [0, 2, 4, 6],
    ]
    assert series.grids == read_grids(paths)
    assert [grid.files for grid in series.grids] == [(1, 3, 5, 7), (0, 2, 4, 6)]


def test_bytes_are_decoded_as_files_are(make_series: MakeSeries) -> None:
    paths = make_series(8, _echoes)
    decoded = decode_volumes([path.read_bytes() for path in paths])
    for one, other in zip(decoded.volumes, read_volumes(paths).volumes, strict=True):
        assert np.array_equal(one.voxels, other.voxels)
        assert (one.geometry, one.stack) == (other.geometry, other.stack)


def test_a_part_that_is_no_volume_is_named(make_series: MakeSeries) -> None:
    def scout(number: int) -> dict[str, object]:
        if number < 4:
            return {}
        return {"Rows": 6, "Columns": 4, "ImagePositionPatient": [0, 0, [0, 5, 6.5][number - 4]]}

    paths = make_series(7, scout)
    series = read_volumes(paths)
    assert [volume.voxels.shape for volume in series.volumes] == [(4, 4, 6)]
    assert [(each.name, each.reason[:22]) for each in series.refused] == [
        ("6 x 4 pixels", "unequal slice spacing,")
    ]
    with pytest.raises(UnsoundSeries, match="a part of it is no volume: 6 x 4 pixels: unequal"):
        read_volume(paths)


def test_rescale_of_each_slice_stays_beside_the_acquired_integers(make_series: MakeSeries) -> None:
    slopes = ["0.0010346139", "0.0010206557", "0.001298346", "0.0029214132"]

    def pet(number: int) -> dict[str, object]:
        return {"RescaleSlope": slopes[number], "RescaleIntercept": number}

    volume = read_volume(make_series(4, pet, Modality="PT"))
    assert volume.voxels.dtype == np.int16
    assert volume.slice_rescale == tuple((float(s), float(n)) for n, s in enumerate(slopes))
    assert (volume.slope, volume.intercept) == (1.0, 0.0)
    even = volume.evened()
    assert (even.voxels.dtype, even.slice_rescale) == (np.float32, ())
    expected = [number * float(slope) + number for number, slope in enumerate(slopes)]
    assert even.voxels[:, 0, 0].tolist() == np.float32(expected).tolist()
    assert even.evened() is even


# What dcm2niix made: the Ref, the files it was made of, and which of our volumes its time points
# are, in order. A row without files says why there is nothing to compare.
DCM2NIIX = {
    "dcmqa_nih/Ref/DCM2NIIX_regression_test_4": ("dcmqa_nih/In/20180918GE/mr_0004", range(10)),
    "dcmqa_nih/Ref/EPI_PE=AP_3": ("dcmqa_nih/In/20180918Si/mr_0003", range(2)),
    "dcmqa_nih/Ref/EPI_PE=PA_4": ("dcmqa_nih/In/20180918Si/mr_0004", range(2)),
    "dcmqa_nih/Ref/EPI_PE=RL_5": ("dcmqa_nih/In/20180918Si/mr_0005", range(2)),
    "dcmqa_nih/Ref/EPI_PE=LR_6": ("dcmqa_nih/In/20180918Si/mr_0006", range(2)),
    "dcmqa_enh/Ref/Siemens_REST1_w_SMS_PF7-8_6": ("dcmqa_enh/In/Siemens/XA10", range(4)),
    "dcmqa_enh/Ref/Philips_WIP_B0_NS_801_e1": ("dcmqa_enh/In/Philips", [1]),
    "dcmqa_enh/Ref/Philips_WIP_B0_NS_801_e2_fieldmaphz": ("dcmqa_enh/In/Philips", [0]),
}
NO_IMAGE_SHIPPED = {
    "dcmqa_enh/Ref/Canon_DTI_PA-ortho_9000",
    "dcmqa_enh/Ref/Philips_WIP_AnatBrain_T1W3D_301",
    "dcmqa_enh/Ref/Philips_WIP_AnatBrain_T1W3D_301_ph",
    "dcmqa_enh/Ref/Philips_WIP_resting_state_1001_e1",
    "dcmqa_enh/Ref/Philips_WIP_resting_state_1001_e2",
}


def test_the_table_lists_every_reference_of_dcm2niix(test_data: Path) -> None:
    folder = test_data / "dicom"
    stems = {str(path.relative_to(folder).with_suffix("")) for path in folder.glob("dcmqa_*/Ref/*")}
    assert stems == DCM2NIIX.keys() | NO_IMAGE_SHIPPED
    assert len(DCM2NIIX) == 8
    # Of these the Ref holds a description only, and the images were not published with it.
    assert not [stem for stem in NO_IMAGE_SHIPPED if (folder / f"{stem}.nii").exists()]


@pytest.mark.parametrize("name", sorted(DCM2NIIX))
def test_equals_dcm2niix(test_data: Path, name: str) -> None:
    folder, numbers = DCM2NIIX[name]
    references = time_points(test_data / "dicom" / f"{name}.nii")
    volumes = read_volumes(_images(test_data / "dicom" / folder)).volumes
    assert len(references) == len(numbers)
    assert len(volumes) == (2 if "Philips" in name else len(numbers))
    for reference, number in zip(references, numbers, strict=True):
        volume = volumes[number]
        _assert_same_grid_and_values(volume, reference)
        if volume.philips_scale:
            # dcm2niix scales to Philips' floating-point values: (RS * stored + RI) / (RS * SS).
            (scale, _), slope = volume.philips_scale[0], volume.slope
            assert reference.slope == pytest.approx(1 / scale, rel=1e-5)
            assert reference.intercept == pytest.approx(
                volume.intercept / (slope * scale), rel=1e-5
            )
        else:
            assert (reference.slope, reference.intercept) == (volume.slope, volume.intercept)


@pytest.mark.parametrize("archive", ["Agfa", "Siemens"])
def test_equals_an_installed_dcm2niix(test_data: Path, tmp_path: Path, archive: str) -> None:
    """An archive's rewriting has no Ref, so the converter itself is asked."""
    folder = test_data / "dicom" / "dcmqa_agfa" / archive
    converter = shutil.which("dcm2niix")
    if converter is None:
        pytest.skip("dcm2niix is not installed")
    subprocess.run(
        [converter, "-o", tmp_path, "-f", "image", folder], check=True, capture_output=True
    )
    references = time_points(tmp_path / "image.nii")
    volumes = read_volumes(_images(folder)).volumes
    assert len(references) == len(volumes) == 4
    for reference, volume in zip(references, volumes, strict=True):
        _assert_same_grid_and_values(volume, reference)


# What dicom2nifti made of each folder: how many volumes, or what is answered instead.
DICOM2NIFTI: dict[str, int | str] = {
    "anatomical/001": 1,
    "anatomical/001_implicit": 1,
    "ge/anatomical/001": 1,
    "ge/anatomical/001_implicit": 1,
    "ge/anatomical/001_single_slice": "one slice of unknown thickness",
    "ge/dti/001": 2,
    "ge/dti/001_implicit": 2,
    "ge/dti/002": 4,
    "ge/fmri/001": 2,
    "ge/fmri/001_implicit": 2,
    "generic/anatomical/001": 1,
    "generic/anatomical/001_implicit": 1,
    "generic/anatomical/002_non_isotropic": 1,
    "generic/compressed/001": 1,
    "generic/compressed_j2k/001": 1,
    "generic/compressed_jpeg/001": 1,
    "generic/compressed_jpegls/001": 1,
    "generic/compressed_rle/001": 1,
    "generic/rgb/001": "in colour",
    "hitachi/anatomical/001": 1,
    "hitachi/anatomical/001_implicit": 1,
    "hyperfine/anatomical/001": 1,
}


def test_the_table_lists_every_ground_truth_of_dicom2nifti(test_data: Path) -> None:
    folder = test_data / "dicom" / "dicom2nifti"
    truths = {
        str(path.relative_to(folder)).removesuffix("_ground_truth.nii.gz")
        for path in folder.rglob("*_ground_truth.nii.gz")
    }
    assert truths == DICOM2NIFTI.keys()
    assert len(truths) == 22
    assert sum(isinstance(count, int) for count in DICOM2NIFTI.values()) == 20


@pytest.mark.parametrize("suffix", ["", "_reoriented"])
@pytest.mark.parametrize("name", sorted(DICOM2NIFTI))
def test_equals_the_ground_truth_of_dicom2nifti(test_data: Path, name: str, suffix: str) -> None:
    folder = test_data / "dicom" / "dicom2nifti" / name
    answer = DICOM2NIFTI[name]
    if isinstance(answer, str):
        with pytest.raises(UnsoundSeries, match=answer):
            read_volumes(_images(folder))
        return
    references = time_points(folder.with_name(f"{folder.name}_ground_truth{suffix}.nii.gz"))
    volumes = read_volumes(_images(folder)).volumes
    assert len(volumes) == len(references) == answer
    for reference, volume in zip(references, volumes, strict=True):
        _assert_same_grid_and_values(volume, reference)


COMPRESSED = sorted(name for name in DICOM2NIFTI if name.startswith("generic/compressed"))


def test_every_compression_of_a_real_series_gives_the_same_voxels(test_data: Path) -> None:
    """JPEG 2000 twice, JPEG Lossless, JPEG-LS and RLE of one series; no plain copy was published."""
    folder = test_data / "dicom" / "dicom2nifti"
    first, *others = (read_volume(_images(folder / name)) for name in COMPRESSED)
    assert len(others) == 4
    for other in others:
        assert other.voxels.dtype == first.voxels.dtype
        assert np.array_equal(other.voxels, first.voxels)
        assert other.geometry == first.geometry


def test_a_real_ct_lies_on_the_grid_of_its_masks(test_data: Path) -> None:
    folder = test_data / "ct_organs" / "reference_files"
    volume = read_volume(_images(folder / "example_ct_dicom"))
    assert (volume.voxels.shape, volume.voxels.dtype) == ((20, 512, 512), np.uint16)
    assert (volume.slope, volume.intercept, volume.unit) == (1.0, -1024.0, "HU")
    (masks,) = time_points(folder / "example_seg_dicom.nii.gz")
    drawn, apart_mm = on_grid_of(volume, masks)
    assert apart_mm < TOLERANCE_MM
    hounsfield = volume.voxels * volume.slope + volume.intercept
    assert hounsfield.min() >= -1024
    # Whatever organ the masks mark is soft tissue, lung or bone, and what they leave out holds air.
    assert -900 < hounsfield[drawn > 0].mean() < 300
    assert hounsfield[drawn == 0].min() < -900


def test_a_real_ct_keeps_its_hounsfield_units_through_nifti(test_data: Path) -> None:
    folder = test_data / "ct_organs" / "reference_files"
    path = folder / "example_ct.nii.gz"
    volume = read_nifti_volume(path.read_bytes(), modality="CT")
    (reference,) = time_points(path)
    stored, apart_mm = on_grid_of(volume, reference)
    assert apart_mm < TOLERANCE_MM
    assert np.array_equal(volume.voxels * volume.slope + volume.intercept, stored)


def _images(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.read_bytes()[128:132] == b"DICM"
    ]


def _assert_same_grid_and_values(volume: Volume, reference: Reference) -> None:
    stored, apart_mm = on_grid_of(volume, reference)
    assert apart_mm < TOLERANCE_MM
    if volume.slice_rescale:
        # The converter scaled each slice; so do we, in the same precision.
        scale = np.array(volume.slice_rescale)[:, :, None, None]
        values = volume.voxels * scale[:, 0] + scale[:, 1]
        assert stored.dtype == np.float64
        assert np.array_equal(values, stored)
    else:
        assert stored.dtype.kind in "iu"
        assert np.array_equal(volume.voxels, stored)
