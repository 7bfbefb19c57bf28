"""One small CT instance, made with pydicom alone; and series of every kind, from phantoms."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from sightline.phantoms.series import WrittenSeries
from tests.formats.sources import KINDS

ROOT = "1.2.826.0.1.3680043.10.999"


def encode(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Write a dataset as a Part 10 file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    with io.BytesIO() as file:
        pydicom.dcmwrite(file, dataset, enforce_file_format=True)
        return file.getvalue()


def small_ct(**attributes: object) -> Dataset:
    """Make a CT slice of 4 x 6 pixels; `attributes` replace what it says."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = f"{ROOT}.3"
    dataset.StudyInstanceUID = f"{ROOT}.1"
    dataset.SeriesInstanceUID = f"{ROOT}.2"
    dataset.StudyDate = "20240131"
    dataset.Modality = "CT"
    dataset.PatientID = "PHANTOM-1"
    dataset.PatientName = "Probe^Ä"
    dataset.SeriesNumber = 7
    dataset.InstanceNumber = 1
    dataset.ImagePositionPatient = [-10.0, -20.0, 30.0]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [2.0, 1.0]
    dataset.SliceThickness = 3.0
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = 4
    dataset.Columns = 6
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    dataset.RescaleSlope = 1
    dataset.RescaleIntercept = -1024
    dataset.add_new("PixelData", "OW", np.arange(24, dtype="<i2").tobytes())
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


@pytest.fixture
def make_ct() -> Callable[..., bytes]:
    """Give a function that writes a small CT slice; its arguments replace attributes."""

    def make(syntax: str = ExplicitVRLittleEndian, **attributes: object) -> bytes:
        return encode(small_ct(**attributes), syntax)

    return make


@pytest.fixture
def make_series(make_ct: Callable[..., bytes], tmp_path: Path) -> Callable[..., list[Path]]:
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


@pytest.fixture(scope="session", params=sorted(KINDS))
def series(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> object:
    """Give a written series of each kind in turn."""
    return KINDS[request.param](tmp_path_factory.mktemp("series"))


@pytest.fixture(scope="session")
def axial_ct(tmp_path_factory: pytest.TempPathFactory) -> WrittenSeries:
    """Give one written CT series."""
    return KINDS["axial CT"](tmp_path_factory.mktemp("axial"))
