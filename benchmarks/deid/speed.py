"""Folders for the speed: CT slices with the header of a real scanner, small ones and large ones.

The header is that of pydicom's own test file `CT_small.dcm`: 262 elements, a third of them
private. Ten patients, one study and series each, share the slices.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file

from sightline.phantoms.people import uid_of

PATIENTS = 10


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """One folder to be timed.

    Attributes:
        size: rows and columns of 16 bits; None keeps the 128 x 128 pixels of the header's own file.
        files: how many are timed: enough that one process of ours works for seconds, because
            starting and ending two of them takes tens of milliseconds.
    """

    name: str
    size: int | None
    files: int


LOADS = {
    "small": Load(name="objects of 39 KB", size=None, files=4000),
    "large": Load(name="CT slices of 0.5 MB", size=512, files=2000),
}


def write_load(folder: Path, load: Load, count: int) -> Path:
    """Write `count` slices into a flat folder, the same for the same count."""
    folder.mkdir()
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    for number in range(count):
        _name(dataset, number)
        if load.size:
            _draw(dataset, load.size, number)
        dataset.save_as(folder / f"{number:05d}.dcm")
    return folder


def _name(dataset: pydicom.FileDataset, number: int) -> None:
    patient = number % PATIENTS
    dataset.PatientID, dataset.PatientName = f"SPEED-{patient}", f"Speed^Patient{patient}"
    dataset.StudyInstanceUID = uid_of(f"speed/{patient}")
    dataset.SeriesInstanceUID = uid_of(f"speed/{patient}/1")
    dataset.SOPInstanceUID = uid_of(f"speed/{patient}/1/{number}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.InstanceNumber = number + 1


def _draw(dataset: pydicom.FileDataset, size: int, number: int) -> None:
    rng = np.random.default_rng(number)
    noise = rng.integers(0, 200, (size, size), dtype=np.int16)
    ramp = np.linspace(0, 1500, size, dtype=np.int16)
    dataset.Rows = dataset.Columns = size
    dataset.PixelData = (noise + ramp).astype("<i2").tobytes()
