"""DICOM instances made with pydicom alone, for tests of what receives them."""

import io
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.10.1234"
STUDY, SERIES = f"{ROOT}.1", f"{ROOT}.1.1"


def uid(number: int) -> str:
    return f"{SERIES}.{number}"


def slice_of(number: int, *, size: int = 16, **attributes: object) -> Dataset:
    """Make the slice `number` of a CT series; `attributes` replace what it says."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = uid(number)
    dataset.StudyInstanceUID = STUDY
    dataset.SeriesInstanceUID = SERIES
    dataset.StudyDate = "20240131"
    dataset.StudyTime = "101500"
    dataset.AccessionNumber = "A1"
    dataset.Modality = "CT"
    dataset.Manufacturer = "Phantom"
    dataset.StudyDescription = "Chest"
    dataset.PatientID = "PHANTOM-1"
    dataset.PatientName = "Probe^One"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = number
    dataset.FrameOfReferenceUID = f"{ROOT}.9"
    dataset.ImagePositionPatient = [-10.0, -20.0, 2.0 * number]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [1.0, 1.0]
    dataset.SliceThickness = 2.0
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = size
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    noise = np.random.default_rng(number).integers(0, 2000, size * size, dtype=np.int16)
    dataset.add_new("PixelData", "OW", noise.astype("<i2").tobytes())
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def part10_of(
    dataset: Dataset,
    syntax: str = ExplicitVRLittleEndian,
    **meta: object,
) -> bytes:
    """Write a dataset as a file; `meta` replaces what its file meta says."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for name, value in meta.items():
        setattr(dataset.file_meta, name, value)
    with io.BytesIO() as file:
        dcmwrite(file, dataset, enforce_file_format=True)
        return file.getvalue()


def write_series(folder: Path, count: int, *, size: int = 16, **attributes: object) -> list[Path]:
    """Write a series of `count` slices and return its files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(1, count + 1):
        path = folder / f"{number:04}.dcm"
        path.write_bytes(part10_of(slice_of(number, size=size, **attributes)))
        files.append(path)
    return files
