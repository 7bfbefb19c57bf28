from pathlib import Path

import numpy as np
import pydicom
import pytest

from sightline.errors import BadFile
from sightline.formats.dicom_image import read_volume
from sightline.phantoms.people import visit
from sightline.phantoms.xray import chest_xray, pictures_in, write_xray


def test_a_seed_is_one_picture_and_about_half_hold_an_opacity() -> None:
    assert np.array_equal(chest_xray(3).picture, chest_xray(3).picture)
    found = [chest_xray(seed, size=16).has_opacity for seed in range(60)]
    assert 20 <= sum(found) <= 40


def test_it_is_a_volume_of_one_slice_on_a_plane_of_its_own(tmp_path: Path) -> None:
    made = chest_xray(1, size=36)
    write_xray(made.picture, tmp_path / "1.dcm", visit=visit(1))
    volume = read_volume([tmp_path / "1.dcm"])
    assert np.array_equal(volume.voxels[0], made.picture)
    assert volume.modality == "DX"
    assert volume.geometry.spacing_mm == pytest.approx((1, 10, 10))


def test_where_dark_is_dense_the_scale_turns_it_round(tmp_path: Path) -> None:
    made = chest_xray(1, size=16)
    write_xray(255 - made.picture, tmp_path / "1.dcm", visit=visit(1))
    dataset = pydicom.dcmread(tmp_path / "1.dcm")
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.save_as(tmp_path / "1.dcm")
    volume = read_volume([tmp_path / "1.dcm"])
    assert np.array_equal(volume.voxels[0] * volume.slope + volume.intercept, made.picture)


def test_without_a_pixel_spacing_it_is_refused(tmp_path: Path) -> None:
    write_xray(chest_xray(1, size=16).picture, tmp_path / "1.dcm", visit=visit(1))
    dataset = pydicom.dcmread(tmp_path / "1.dcm")
    del dataset.ImagerPixelSpacing
    dataset.save_as(tmp_path / "1.dcm")
    with pytest.raises(BadFile, match="no pixel spacing"):
        read_volume([tmp_path / "1.dcm"])


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no picture"):
        pictures_in(tmp_path)
