"""Folders of phantom studies: series, masks, and the table that ties them together."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import BadFile
from sightline.formats.dicom_file import read_header
from sightline.formats.dicom_image import read_volume
from sightline.formats.nifti import read_nifti_mask, write_nifti_mask, write_nifti_volume
from sightline.phantoms.campaign import wrap_images, write_chests
from sightline.phantoms.chest import CLASSES, chest_ct
from sightline.phantoms.people import visit
from sightline.phantoms.scanner import BOREAS
from sightline.phantoms.series import SeriesNames
from sightline.testing.formats import example_mask, example_volume
from sightline.values.alignment import align_to_grid

SHAPE = (16, 48, 48)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_chests_masks_and_table_belong_together(tmp_path: Path) -> None:
    done: list[int] = []
    table = write_chests(
        tmp_path, seeds=range(3, 5), scanner=BOREAS, shape=SHAPE, on_progress=done.append
    )
    assert done == [1, 2]
    for seed, row in zip(range(3, 5), _rows(table), strict=True):
        files = sorted((tmp_path / "dicom" / f"{seed:04d}").iterdir())
        header = read_header(files[0].read_bytes())
        assert header.series_uid == row["series_uid"]
        assert header.patient == visit(seed).patient
        assert header.manufacturer == BOREAS.manufacturer
        classes = tuple(row["classes"].split(","))
        assert classes == CLASSES
        content = Path(row["mask"]).read_bytes()
        mask = read_nifti_mask(content, classes=classes, author=row["author"])
        aligned = align_to_grid(mask, read_volume(files).geometry)
        truth = chest_ct(seed, shape=SHAPE, scanner=BOREAS).truth.mask
        assert np.array_equal(aligned.mask, truth)


def test_images_are_wrapped_with_their_masks(tmp_path: Path) -> None:
    image, mask = tmp_path / "one.nii.gz", tmp_path / "mask.nii.gz"
    image.write_bytes(write_nifti_volume(example_volume()))
    mask.write_bytes(write_nifti_mask(example_mask()))
    table = wrap_images(
        [(image, mask), (image, None)],
        tmp_path / "out",
        modality="MR",
        classes=("lung", "lesion"),
        names=SeriesNames(description="T1"),
        on_progress=lambda _: None,
    )
    (row,) = _rows(table)
    folders = sorted((tmp_path / "out" / "dicom").iterdir())
    assert len(folders) == 2
    volume = read_volume(sorted(folders[0].iterdir()))
    assert np.array_equal(volume.voxels, example_volume().voxels)
    assert (volume.slope, volume.intercept) == (2.0, -100.0)
    drawn = read_nifti_mask(Path(row["mask"]).read_bytes(), classes=("lung", "lesion"), author="")
    assert np.array_equal(align_to_grid(drawn, volume.geometry).mask, example_mask().mask)


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    image = tmp_path / "broken.nii"
    image.write_bytes(b"hello")
    with pytest.raises(BadFile, match=r"broken\.nii: "):
        wrap_images(
            [(image, None)],
            tmp_path / "out",
            modality="MR",
            classes=(),
            names=SeriesNames(),
            on_progress=lambda _: None,
        )
