"""Chest X-rays that nobody ever had, of which is known whether a lung holds an opacity.

And any picture as an X-ray of a made-up person.
"""

import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation

from sightline.errors import BadFile
from sightline.phantoms.people import Visit, uid_of, visit
from sightline.phantoms.scanner import AURORA, Scanner
from sightline.phantoms.series import (
    SeriesNames,
    decimals,
    describe_equipment,
    describe_visit,
    save,
)
from sightline.values.identity import SeriesUid

TARGET = "opacity"
"""What the truth is called in the table of values."""

_READER = "Phantom^Reader"
_COLUMNS = ("series_uid", "target", "classes", "present", "author")
_NAMES = SeriesNames(number=1, description="CHEST PA", study_description="X-RAY CHEST")
_WIDTH_MM = 360.0
_SHARE = 0.5
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})

Picture = npt.NDArray[np.uint8]
"""(rows, columns); what is dense is bright."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class XRay:
    """A picture and the truth about it."""

    picture: Picture
    has_opacity: bool


def chest_xray(seed: int, *, size: int = 64) -> XRay:
    """Make a frontal chest X-ray; about half of them hold opacities in an upper lung field."""
    random = np.random.default_rng((seed, 20))
    has_opacity = bool(random.random() < _SHARE)
    y, x = np.mgrid[:size, :size] / size * 2 - 1
    picture = 170 - 25 * (x**2 + y**2)
    shift = random.normal(0, 0.03, 2)
    for side in (-1, 1):
        away = ((x - side * 0.42 - shift[0]) / 0.3) ** 2 + ((y + 0.05 - shift[1]) / 0.62) ** 2
        picture -= 95 * _soft(1 - away)
    picture += 14 * (np.sin((y + 0.25 * np.abs(x)) * 24) > _SHARE)
    picture += 60 * _soft(1 - (x / 0.14) ** 2 - (y / 1.2) ** 2)
    if has_opacity:
        side = random.choice((-1, 1))
        for _ in range(int(random.integers(3, 6))):
            cx, cy = side * random.uniform(0.25, 0.55), random.uniform(-0.5, -0.1)
            picture += 70 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.012)
    picture += random.normal(0, 4, picture.shape)
    return XRay(picture=picture.clip(0, 255).astype(np.uint8), has_opacity=has_opacity)


def write_xray(
    picture: Picture,
    path: Path,
    *,
    visit: Visit,
    names: SeriesNames = _NAMES,
    scanner: Scanner = AURORA,
) -> SeriesUid:
    """Write a picture as a Digital X-Ray image; return its series.

    The detector is said to be 360 mm wide, which is an assumption.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    series_uid = SeriesUid(uid_of(f"{visit.study_uid}/{names.number}"))
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = uid_of(f"{series_uid}/0")
    dataset.SeriesInstanceUID = series_uid
    dataset.Modality = "DX"
    describe_visit(dataset, visit, names)
    del dataset.PatientPosition
    describe_equipment(dataset, scanner, names)
    _describe_projection(dataset, _WIDTH_MM / picture.shape[1])
    dataset.InstanceNumber = 1
    dataset.Rows, dataset.Columns = picture.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    pixels = picture.tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"
    save(dataset, path)
    return series_uid


def write_xrays(
    folder: Path, *, seeds: Sequence[int], size: int, on_progress: Callable[[int], None]
) -> Path:
    """Write one chest X-ray a seed under `folder`/dicom; return the table of what holds.

    Raises:
        OSError: A file cannot be written.
    """
    rows = []
    for done, seed in enumerate(seeds, start=1):
        made = chest_xray(seed, size=size)
        path = folder / "dicom" / f"{seed:04d}.dcm"
        series_uid = write_xray(made.picture, path, visit=visit(seed))
        rows.append((series_uid, TARGET, TARGET, TARGET if made.has_opacity else "", _READER))
        on_progress(done)
    return _write_table(folder / "values.csv", _COLUMNS, rows)


def wrap_pictures(
    pictures: Sequence[Path],
    folder: Path,
    *,
    names: SeriesNames,
    on_progress: Callable[[int], None],
) -> Path:
    """Write each picture as an X-ray of a made-up person under `folder`/dicom.

    Returns:
        a table of the series and the file that each was made of.

    Raises:
        BadFile: A file is no picture.
        OSError: A file cannot be read or written.
    """
    rows = []
    for done, source in enumerate(pictures, start=1):
        path = folder / "dicom" / f"{done:04d}.dcm"
        series_uid = write_xray(_read(source), path, visit=visit(done), names=names)
        rows.append((series_uid, source.name))
        on_progress(done)
    return _write_table(folder / "pictures.csv", ("series_uid", "file"), rows)


def pictures_in(folder: Path) -> list[Path]:
    """List the pictures of a folder.

    Raises:
        BadFile: There are none.
    """
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in _PICTURES)
    if not found:
        raise BadFile(f"{folder} holds no picture", hint="Give a folder of PNG or JPEG files.")
    return found


def _read(path: Path) -> Picture:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except UnidentifiedImageError as error:
        raise BadFile(f"{path.name} is no picture", hint="Give PNG or JPEG files.") from error


def _soft(inside: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray((inside * 4).clip(0, 1))


def _describe_projection(dataset: Dataset, pixel_mm: float) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ViewPosition, dataset.ImageLaterality = "PA", "U"
    dataset.PatientOrientation = ["L", "F"]
    dataset.DetectorType = "DIRECT"
    dataset.ImagerPixelSpacing = decimals(np.array([pixel_mm, pixel_mm]))
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape, dataset.BurnedInAnnotation = "IDENTITY", "NO"
    dataset.LossyImageCompression = "00"
    dataset.WindowCenter, dataset.WindowWidth = "128", "256"
    dataset.AcquisitionContextSequence = []
    chest = Dataset()
    chest.CodeValue, chest.CodingSchemeDesignator = "51185008", "SCT"
    chest.CodeMeaning = "Chest"
    dataset.AnatomicRegionSequence = [chest]


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)
    return path
