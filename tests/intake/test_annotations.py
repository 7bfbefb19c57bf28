"""Experts' masks become Segmentations that hold exactly what was drawn."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.archive.archive import Archive
from sightline.archive.studies import series_of_study, study, study_of_series
from sightline.errors import BadFile, UnknownName, UnsoundSeries
from sightline.formats.dicom_image import read_volume
from sightline.formats.nifti import read_nifti_mask, write_nifti_mask
from sightline.formats.seg import SEGMENTATION_STORAGE, read_seg, read_seg_origin
from sightline.intake.annotations import MaskFile, annotate, annotate_all, read_table
from sightline.intake.files import import_path
from sightline.phantoms.campaign import wrap_images
from sightline.phantoms.people import visit
from sightline.phantoms.series import SeriesNames, WrittenSeries, wrap_volume
from sightline.phantoms.xray import chest_xray, write_xray
from sightline.values.geometry import Geometry
from sightline.values.identity import SeriesUid, StudyUid
from sightline.values.volume import Segmentation, Volume

CLASSES = ("anterior", "posterior")
SHAPE = (6, 10, 12)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A series of the archive, and a mask of it that is not yet there."""

    series: WrittenSeries
    truth: Segmentation
    mask: MaskFile


@pytest.fixture
def drawn(archive: Archive, tmp_path: Path) -> Drawn:
    affine = np.array([[0, 0, 2.0, -10], [0, 1.5, 0, 20], [3.0, 0, 0, 5], [0, 0, 0, 1]])
    geometry = Geometry.from_affine(SHAPE, affine)
    chance = np.random.default_rng(1)
    voxels = chance.integers(0, 500, SHAPE, dtype=np.int16)
    volume = Volume(voxels=voxels, geometry=geometry, modality="MR")
    series = wrap_volume(volume, tmp_path / "images", seed=1)
    import_path(archive, tmp_path / "images")
    mask = chance.integers(0, 3, SHAPE, dtype=np.uint8)
    truth = Segmentation(
        mask=mask, geometry=series.volume.geometry, classes=CLASSES, author="Reader^A"
    )
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(write_nifti_mask(truth))
    wanted = MaskFile(series_uid=series.series_uid, path=path, classes=CLASSES, author="Reader^A")
    return Drawn(series=series, truth=truth, mask=wanted)


def segmentations(archive: Archive, study_uid: StudyUid) -> list[bytes]:
    return [
        archive.objects.get(each.digest)
        for each in study(archive, study_uid).instances
        if each.sop_class_uid == SEGMENTATION_STORAGE
    ]


def test_the_mask_is_kept_voxel_for_voxel(archive: Archive, drawn: Drawn) -> None:
    arrival = annotate(archive, drawn.mask)
    assert (arrival.outcome, arrival.study_uid) == ("new", drawn.series.study_uid)
    (content,) = segmentations(archive, drawn.series.study_uid)
    kept = read_seg(content, drawn.series.volume.geometry)
    np.testing.assert_array_equal(kept.mask, drawn.truth.mask)
    assert kept.classes == CLASSES
    origin = read_seg_origin(content)
    assert origin.is_manual
    assert origin.author == "Reader^A"
    assert origin.source_series_uid == drawn.series.series_uid


def test_a_picture_is_a_mask_of_an_x_ray(archive: Archive, tmp_path: Path) -> None:
    images = tmp_path / "xray"
    series_uid = write_xray(chest_xray(1, size=48).picture, images / "1.dcm", visit=visit(1))
    import_path(archive, images)
    painted = np.zeros((48, 48), np.uint8)
    painted[10:30, 5:20] = 255
    path = tmp_path / "mask.png"
    Image.fromarray(painted).save(path)
    wanted = MaskFile(series_uid=series_uid, path=path, classes=("lung",), author="Reader^A")
    arrival = annotate(archive, wanted)
    (content,) = segmentations(archive, arrival.study_uid)
    kept = read_seg(content, read_volume([images / "1.dcm"]).geometry)
    assert np.array_equal(kept.mask[0] > 0, painted > 0)
    Image.fromarray(painted[:40]).save(path)
    with pytest.raises(BadFile, match="40 x 48 pixels"):
        annotate(archive, wanted)


def test_it_is_a_series_of_its_own_in_the_same_study(archive: Archive, drawn: Drawn) -> None:
    before = study(archive, drawn.series.study_uid).revision
    annotate(archive, drawn.mask)
    found = series_of_study(archive, drawn.series.study_uid)
    assert [(each.modality, each.instances) for each in found] == [("MR", SHAPE[0]), ("SEG", 1)]
    assert study(archive, drawn.series.study_uid).revision == before + 1


def test_a_repeat_is_a_duplicate(archive: Archive, drawn: Drawn) -> None:
    first = annotate(archive, drawn.mask)
    second = annotate(archive, drawn.mask)
    assert (second.uid, second.outcome) == (first.uid, "duplicate")
    assert len(segmentations(archive, drawn.series.study_uid)) == 1


@pytest.mark.parametrize("change", [{"author": "Reader^B"}, {"classes": ("head", "tail")}])
def test_another_reader_or_meaning_stands_beside(
    archive: Archive, drawn: Drawn, change: dict[str, object]
) -> None:
    annotate(archive, drawn.mask)
    assert annotate(archive, dataclasses.replace(drawn.mask, **change)).outcome == "new"
    assert len(segmentations(archive, drawn.series.study_uid)) == 2


def test_a_mask_of_another_grid_is_refused(archive: Archive, drawn: Drawn, tmp_path: Path) -> None:
    shifted = drawn.series.volume.geometry.matrix
    shifted[0, 3] += 1.0
    elsewhere = dataclasses.replace(drawn.truth, geometry=Geometry.from_affine(SHAPE, shifted))
    path = tmp_path / "elsewhere.nii.gz"
    path.write_bytes(write_nifti_mask(elsewhere))
    with pytest.raises(BadFile, match="another grid"):
        annotate(archive, dataclasses.replace(drawn.mask, path=path))
    assert segmentations(archive, drawn.series.study_uid) == []


def test_a_mask_with_too_few_class_names_is_refused(archive: Archive, drawn: Drawn) -> None:
    with pytest.raises(BadFile, match="values from 0 to 2"):
        annotate(archive, dataclasses.replace(drawn.mask, classes=("anterior",)))


def test_a_series_that_is_not_there(archive: Archive, drawn: Drawn) -> None:
    with pytest.raises(UnknownName, match=r"no series 1\.2\.3"):
        annotate(archive, dataclasses.replace(drawn.mask, series_uid=SeriesUid("1.2.3")))


def test_a_series_with_a_missing_slice_is_no_volume(
    archive: Archive, drawn: Drawn, tmp_path: Path
) -> None:
    series = wrap_volume(drawn.series.volume, tmp_path / "gap", seed=2)
    series.files[3].unlink()
    import_path(archive, tmp_path / "gap")
    with pytest.raises(UnsoundSeries):
        annotate(archive, dataclasses.replace(drawn.mask, series_uid=series.series_uid))


def test_one_bad_mask_stops_no_other(archive: Archive, drawn: Drawn, tmp_path: Path) -> None:
    missing = dataclasses.replace(drawn.mask, path=tmp_path / "missing.nii")
    seen: list[int] = []
    report = annotate_all(
        archive, [missing, drawn.mask, drawn.mask], lambda: seen.append(len(seen))
    )
    assert (report.new, report.duplicates, report.conflicts) == (1, 1, 0)
    ((refused, reason),) = report.refused
    assert refused == missing
    assert "cannot be read" in reason
    assert seen == [0, 1, 2]


def table(folder: Path, *lines: str) -> Path:
    path = folder / "masks.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_table_gives_what_a_line_leaves_out(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "mask,series_uid,author,classes",
        'a.nii,1.2,,"one,two"',
        "sub/b.nii,1.3,Reader^B,one;two",
        "/abs/c.nii,1.4,,",
    )
    assert read_table(path, classes=("other",), author="Reader^A") == [
        MaskFile(
            series_uid=SeriesUid("1.2"),
            path=tmp_path / "a.nii",
            classes=("one", "two"),
            author="Reader^A",
        ),
        MaskFile(
            series_uid=SeriesUid("1.3"),
            path=tmp_path / "sub/b.nii",
            classes=("one", "two"),
            author="Reader^B",
        ),
        MaskFile(
            series_uid=SeriesUid("1.4"),
            path=Path("/abs/c.nii"),
            classes=("other",),
            author="Reader^A",
        ),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ("series_uid,mask", "1.2,a.nii"),
        ("series,mask,classes,author", "1.2,a.nii,one,me"),
        ("series_uid,mask,classes,author", "1.2,,one,me"),
    ],
)
def test_a_line_that_lacks_something_is_named(tmp_path: Path, lines: Sequence[str]) -> None:
    with pytest.raises(BadFile, match=r"line 2 of masks\.csv is incomplete"):
        read_table(table(tmp_path, *lines), classes=(), author="")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        read_table(tmp_path / "none.csv", classes=("a",), author="me")


def test_real_masks_of_the_hippocampus(archive: Archive, test_data: Path, tmp_path: Path) -> None:
    training = test_data / "hippocampus/TrainingSet"
    images = sorted((training / "images").glob("*.nii.gz"))[:4]
    pairs = [(image, training / "labels" / image.name) for image in images]
    written = wrap_images(
        pairs,
        tmp_path / "wrapped",
        modality="MR",
        classes=CLASSES,
        names=SeriesNames(description="HIPPOCAMPUS"),
        on_progress=lambda _done: None,
    )
    import_path(archive, tmp_path / "wrapped" / "dicom")
    masks = read_table(written, classes=(), author="")
    report = annotate_all(archive, masks)
    assert (report.new, report.refused) == (4, ())
    for mask in masks:
        owner = study(archive, study_of_series(archive, mask.series_uid))
        sources = [each.digest for each in owner.instances if each.series_uid == mask.series_uid]
        (content,) = segmentations(archive, owner.uid)
        with archive.objects.local_copies(sources) as files:
            kept = read_seg(content, read_volume(files).geometry)
        expert = read_nifti_mask(mask.path.read_bytes(), classes=CLASSES, author="")
        for number in (1, 2):
            assert int((kept.mask == number).sum()) == int((expert.mask == number).sum()) > 0
