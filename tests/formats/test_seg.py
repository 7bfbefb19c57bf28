"""Masks as DICOM Segmentation: exact on any grid, clean for the checker, readable elsewhere."""

import dataclasses
import io
import random
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from sightline.errors import BadFile, NotDicom, UnsoundSeries
from sightline.formats.dicom_image import read_grids, read_volume
from sightline.formats.seg import read_seg, read_seg_origin, write_seg
from sightline.phantoms.people import visit
from sightline.phantoms.series import WrittenSeries
from sightline.phantoms.xray import chest_xray, write_xray
from sightline.values.alignment import align_to_grid
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation
from tests.formats.sources import BY_HAND, CLASSES, IDENTITY, KINDS, drawn_on
from tests.verification import dicom_errors


def _empty(series: WrittenSeries) -> Segmentation:
    drawn = drawn_on(series)
    return dataclasses.replace(drawn, mask=np.zeros_like(drawn.mask))


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_mask_of_an_x_ray_lies_on_its_pixels(tmp_path: Path, is_empty: bool) -> None:
    path = tmp_path / "xray.dcm"
    write_xray(chest_xray(1, size=48).picture, path, visit=visit(1))
    (grid,) = read_grids([path])
    mask = np.zeros(grid.geometry.shape, np.uint8)
    mask[0, 10:30, 5:20], mask[0, 31:40, 5:9] = (0, 0) if is_empty else (1, 2)
    drawn = Segmentation(mask=mask, geometry=grid.geometry, classes=CLASSES[:2], author="x")
    content = write_seg(drawn, [path], identity=BY_HAND, is_manual=True)
    assert np.array_equal(read_seg(content, grid.geometry).mask, mask)
    assert dicom_errors(content) == []
    volume = dataclasses.replace(drawn, geometry=Geometry.from_affine((2, 48, 48), np.eye(4)))
    with pytest.raises(BadFile, match=r"PlanePosition|PixelMeasures"):
        read_seg(content, volume.geometry)


@pytest.mark.parametrize("is_manual", [False, True])
def test_reads_back_voxel_for_voxel_and_is_clean(series: WrittenSeries, is_manual: bool) -> None:
    drawn = drawn_on(series)
    identity = BY_HAND if is_manual else IDENTITY
    content = write_seg(drawn, series.files, identity=identity, is_manual=is_manual)
    read = read_seg(content, read_volume(series.files).geometry)
    assert np.array_equal(read.mask, drawn.mask)
    assert read.classes == CLASSES
    assert read.author == identity.author
    assert dicom_errors(content) == []


def test_highdicom_reads_the_same_voxels(series: WrittenSeries) -> None:
    drawn = drawn_on(series)
    content = write_seg(drawn, series.files, identity=IDENTITY, is_manual=False)
    read = hd.seg.segread(io.BytesIO(content)).get_volume(combine_segments=True)
    found = Segmentation(
        mask=read.array.astype(np.uint8),
        geometry=Geometry.from_affine(read.array.shape, read.affine),
        classes=CLASSES,
        author="highdicom",
    )
    first = 2
    inner = Segmentation(
        mask=drawn.mask[first:],
        geometry=_cropped(drawn.geometry, first),
        classes=CLASSES,
        author="",
    )
    assert np.array_equal(align_to_grid(found, inner.geometry).mask, inner.mask)


def _cropped(geometry: Geometry, first: int) -> Geometry:
    affine = geometry.matrix
    affine[:3, 3] += first * affine[:3, 0]
    slices, rows, columns = geometry.shape
    return Geometry.from_affine((slices - first, rows, columns), affine)


def test_an_empty_mask_is_one_empty_frame_a_class(series: WrittenSeries) -> None:
    empty = _empty(series)
    content = write_seg(empty, series.files, identity=IDENTITY, is_manual=False)
    assert int(pydicom.dcmread(io.BytesIO(content)).NumberOfFrames) == len(CLASSES)
    read = read_seg(content, series.volume.geometry)
    assert not read.mask.any()
    assert read.classes == CLASSES
    assert dicom_errors(content) == []


def test_frames_without_a_voxel_are_left_out(axial_ct: WrittenSeries) -> None:
    drawn = drawn_on(axial_ct)
    content = write_seg(drawn, axial_ct.files, identity=IDENTITY, is_manual=False)
    frames = int(pydicom.dcmread(io.BytesIO(content)).NumberOfFrames)
    assert frames == 2 * (drawn.mask.shape[0] - 2)


def test_the_same_result_is_the_same_bytes(series: WrittenSeries) -> None:
    for drawn in (drawn_on(series), _empty(series)):
        first = write_seg(drawn, series.files, identity=IDENTITY, is_manual=False)
        again = write_seg(drawn, series.files, identity=IDENTITY, is_manual=False)
        assert first == again


def test_says_who_made_it_and_of_what(axial_ct: WrittenSeries) -> None:
    content = write_seg(
        drawn_on(axial_ct),
        axial_ct.files,
        identity=IDENTITY,
        is_manual=False,
        tracking_uids={"anterior": "2.25.77"},
    )
    origin = read_seg_origin(content)
    assert (origin.author, origin.model_version) == ("lung", "lung@3")
    assert not origin.is_manual
    assert origin.source_series_uid == axial_ct.series_uid
    assert origin.tracking_uids[1] == "2.25.77"
    assert len(set(origin.tracking_uids)) == 3
    dataset = pydicom.dcmread(io.BytesIO(content))
    maker = dataset.ContributingEquipmentSequence[1]
    assert maker.ManufacturerModelName == "lung"
    assert maker.SoftwareVersions == "lung@3"
    assert IDENTITY.model_digest in maker.ContributionDescription
    assert str(IDENTITY.lineage_id) in maker.ContributionDescription
    assert dataset.SeriesDescription == "RESEARCH USE ONLY lung@3 SEG"
    assert dataset.ContentDescription.startswith("RESEARCH USE ONLY")
    assert dataset.PatientName == axial_ct.patient.name
    assert dataset.PatientID == axial_ct.patient.patient_id
    assert dataset.StudyInstanceUID == axial_ct.study_uid
    assert dataset.SeriesDate == "20261101"


def test_the_research_mark_goes_when_a_site_says_so(axial_ct: WrittenSeries) -> None:
    cleared = dataclasses.replace(IDENTITY, is_research_only=False)
    content = write_seg(drawn_on(axial_ct), axial_ct.files, identity=cleared, is_manual=False)
    assert b"RESEARCH USE ONLY" not in content


def test_classes_have_codes(axial_ct: WrittenSeries) -> None:
    content = write_seg(drawn_on(axial_ct), axial_ct.files, identity=IDENTITY, is_manual=False)
    segments = pydicom.dcmread(io.BytesIO(content)).SegmentSequence
    kinds = [segment.SegmentedPropertyTypeCodeSequence[0] for segment in segments]
    assert [kind.CodingSchemeDesignator for kind in kinds] == ["DCM", "SCT", "99SIGHTLINE"]
    assert [kind.CodeMeaning for kind in kinds] == [
        "Ground glass opacity",
        "Hippocampus",
        "something else",
    ]
    modifier = kinds[1].SegmentedPropertyTypeModifierCodeSequence[0]
    assert modifier.CodeMeaning == "Anterior"


def test_a_flipped_mask_is_turned_back(series: WrittenSeries) -> None:
    drawn = drawn_on(series)
    affine = drawn.geometry.matrix
    affine[:, 3] += affine[:, 1] * (drawn.mask.shape[1] - 1)
    affine[:, 1] *= -1
    flipped = dataclasses.replace(
        drawn,
        mask=np.flip(drawn.mask, 1),
        geometry=Geometry.from_affine(drawn.mask.shape, affine),
    )
    content = write_seg(flipped, series.files, identity=IDENTITY, is_manual=False)
    assert np.array_equal(read_seg(content, series.volume.geometry).mask, drawn.mask)


def test_another_grid_is_refused(axial_ct: WrittenSeries) -> None:
    drawn = drawn_on(axial_ct)
    content = write_seg(drawn, axial_ct.files, identity=IDENTITY, is_manual=False)
    affine = drawn.geometry.matrix
    affine[0, 3] += 0.3
    moved = Geometry.from_affine(drawn.mask.shape, affine)
    with pytest.raises(BadFile, match="beside the grid"):
        read_seg(content, moved)
    with pytest.raises(BadFile, match="another grid"):
        write_seg(
            dataclasses.replace(drawn, geometry=moved),
            axial_ct.files,
            identity=IDENTITY,
            is_manual=False,
        )


def test_what_is_no_segmentation_is_refused(axial_ct: WrittenSeries) -> None:
    geometry = axial_ct.volume.geometry
    with pytest.raises(BadFile, match="no segmentation"):
        read_seg(axial_ct.files[0].read_bytes(), geometry)
    with pytest.raises(NotDicom):
        read_seg(b"hello", geometry)


def test_a_volume_of_two_multi_frame_images_is_refused(tmp_path: Path) -> None:
    written = KINDS["enhanced oblique MR"](tmp_path)
    whole = written.files[0].read_bytes()
    paths = []
    for number, frames in enumerate((slice(0, 3), slice(3, 6))):
        dataset = pydicom.dcmread(io.BytesIO(whole))
        groups = dataset.PerFrameFunctionalGroupsSequence
        dataset.PerFrameFunctionalGroupsSequence = list(groups)[frames]
        dataset.PixelData = dataset.pixel_array[frames].tobytes()
        dataset.NumberOfFrames = 3
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}"
        paths.append(tmp_path / f"half-{number}.dcm")
        dataset.save_as(paths[-1])
    volume = read_volume(paths)
    assert np.array_equal(volume.voxels, written.volume.voxels)
    drawn = Segmentation(
        mask=np.ones(volume.geometry.shape, np.uint8),
        geometry=volume.geometry,
        classes=("a",),
        author="",
    )
    with pytest.raises(UnsoundSeries, match="several multi-frame images"):
        write_seg(drawn, paths, identity=IDENTITY, is_manual=False)


# Series that are several volumes, and where their frames lie: in files of their own, in one file,
# in the tiles of a mosaic.
SPLIT = {
    "dicom/dcmqa_nih/In/20180918GE/mr_0004": 15,
    "dicom/dcmqa_nih/In/20180918Si/mr_0003": 1,
    "dicom/dcmqa_enh/In/Siemens/XA10": 1,
    "dicom/dcmqa_enh/In/Philips": 1,
}


@pytest.mark.parametrize("name", sorted(SPLIT))
def test_a_mask_lies_on_the_volume_that_it_was_drawn_on(test_data: Path, name: str) -> None:
    paths = sorted((test_data / name).glob("*.dcm"))
    for grid in read_grids(paths)[-2:]:
        mask = np.random.default_rng(0).integers(0, 2, grid.geometry.shape, dtype=np.uint8)
        mask[0] = 0
        drawn = Segmentation(mask=mask, geometry=grid.geometry, classes=("lesion",), author="")
        for each in (drawn, dataclasses.replace(drawn, mask=np.zeros_like(mask))):
            content = write_seg(each, paths, identity=IDENTITY, is_manual=False, stack=grid.name)
            assert np.array_equal(read_seg(content, grid.geometry).mask, each.mask)
            assert dicom_errors(content) == []
        sources = {pydicom.dcmread(paths[file]).SOPInstanceUID for file in grid.files}
        assert len(sources) == SPLIT[name]
        content = write_seg(drawn, paths, identity=IDENTITY, is_manual=False, stack=grid.name)
        references = pydicom.dcmread(io.BytesIO(content)).ReferencedSeriesSequence
        named = {each.ReferencedSOPInstanceUID for each in references[0].ReferencedInstanceSequence}
        assert named == sources


def test_a_mask_without_a_volume_s_name_takes_the_first_that_fits(test_data: Path) -> None:
    paths = sorted((test_data / "dicom/dcmqa_enh/In/Siemens/XA10").glob("*.dcm"))
    grids = read_grids(paths)
    drawn = Segmentation(
        mask=np.ones(grids[0].geometry.shape, np.uint8),
        geometry=grids[0].geometry,
        classes=("a",),
        author="",
    )
    content = write_seg(drawn, paths, identity=IDENTITY, is_manual=False)
    first = write_seg(drawn, paths, identity=IDENTITY, is_manual=False, stack=grids[0].name)
    assert content == first
    with pytest.raises(UnsoundSeries, match="no volume 'time point 9'"):
        write_seg(drawn, paths, identity=IDENTITY, is_manual=False, stack="time point 9")


REAL = [
    "hippocampus/TestVolumes/Study1/13_HCropVolume",
    "dicom/dicom2nifti/ge/anatomical/001",
    "dicom/dicom2nifti/hitachi/anatomical/001",
    "dicom/dicom2nifti/hyperfine/anatomical/001",
    "dicom/dicom2nifti/generic/compressed_j2k/001",
]


@pytest.mark.parametrize("name", REAL)
def test_real_series_round_trip(test_data: Path, name: str) -> None:
    paths = sorted((test_data / name).iterdir())
    geometry = read_volume(paths).geometry
    mask = np.random.default_rng(0).integers(0, 2, geometry.shape, dtype=np.uint8)
    drawn = Segmentation(mask=mask, geometry=geometry, classes=("lesion",), author="")
    content = write_seg(drawn, paths, identity=IDENTITY, is_manual=False)
    assert np.array_equal(read_seg(content, geometry).mask, mask)
    assert dicom_errors(content) == []


def test_reads_another_maker_s_segmentation(test_data: Path) -> None:
    folder = test_data / "dicom" / "dcmqi" / "segmentations" / "24x38x3"
    volume = read_volume(sorted((folder / "image").iterdir()))
    content = next((folder / "seg").iterdir()).read_bytes()
    read = read_seg(content, volume.geometry)
    reference = hd.seg.segread(io.BytesIO(content)).get_volume(combine_segments=True)
    assert read.mask.any()
    assert int(read.mask.sum()) == int(reference.array.sum())


def test_mutants_end_in_a_mask_or_in_a_bad_file(axial_ct: WrittenSeries) -> None:
    chance = random.Random(4)  # noqa: S311 - a seeded test, no secret
    original = write_seg(drawn_on(axial_ct), axial_ct.files, identity=IDENTITY, is_manual=False)
    for _ in range(150):
        mutant = bytearray(original)
        for _ in range(chance.randint(1, 20)):
            mutant[chance.randrange(132, len(mutant))] = chance.randrange(256)
        try:
            read_seg(bytes(mutant), axial_ct.volume.geometry)
        except BadFile as error:
            assert error.hint  # noqa: PT017 - most mutants are fine
