"""Volumes as DICOM series: what a scanner would have sent, to the byte the same for a seed."""

import dataclasses
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from sightline.errors import BadFile
from sightline.formats.dicom_file import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from sightline.phantoms.people import Visit, uid_of, visit
from sightline.phantoms.scanner import AURORA, Scanner
from sightline.values.geometry import Geometry
from sightline.values.identity import Patient, SeriesUid, StudyUid
from sightline.values.volume import Volume

_ORTHOGONAL = 1e-4
_SIXTEEN_BITS = tuple(np.dtype(name) for name in ("i2", "u2"))
_STEPS = 65_535


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SeriesNames:
    """What a series calls itself."""

    number: int = 2
    description: str = "CHEST"
    body_part: str = "CHEST"
    study_description: str = "CT CHEST"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WrittenSeries:
    """A series on disk.

    Attributes:
        volume: what `read_volume` reads from the files.
    """

    files: tuple[Path, ...]
    volume: Volume
    patient: Patient
    study_uid: StudyUid
    series_uid: SeriesUid


def write_series(
    volume: Volume,
    folder: Path,
    *,
    visit: Visit,
    names: SeriesNames | None = None,
    scanner: Scanner = AURORA,
) -> WrittenSeries:
    """Write a CT or MR volume as single-frame images, one a slice.

    Raises:
        BadFile: The modality is another, or the axes are not perpendicular.
        OSError: A file cannot be written.
    """
    names = names or SeriesNames()
    volume = storable(volume)
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = SeriesUid(uid_of(f"{visit.study_uid}/{names.number}"))
    dataset = describe(volume, visit=visit, names=names, scanner=scanner)
    dataset.SeriesInstanceUID = series_uid
    affine, files = volume.geometry.matrix, []
    for number, pixels in enumerate(volume.voxels):
        position = affine @ [number, 0, 0, 1]
        dataset.SOPInstanceUID = uid_of(f"{series_uid}/{number}")
        dataset.InstanceNumber = number + 1
        dataset.ImagePositionPatient = decimals(position[:3])
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
        path = folder / f"{number + 1:04d}.dcm"
        save(dataset, path)
        files.append(path)
    return WrittenSeries(
        files=tuple(files),
        volume=volume,
        patient=visit.patient,
        study_uid=visit.study_uid,
        series_uid=series_uid,
    )


def wrap_volume(
    volume: Volume,
    folder: Path,
    *,
    seed: int,
    names: SeriesNames | None = None,
    scanner: Scanner = AURORA,
) -> WrittenSeries:
    """Write any volume, such as a NIfTI image, as a study of a made-up person.

    Raises:
        BadFile: The modality is neither CT nor MR, or the axes are not perpendicular.
        OSError: A file cannot be written.
    """
    return write_series(volume, folder, visit=visit(seed), names=names, scanner=scanner)


def storable(volume: Volume) -> Volume:
    """Return the volume as DICOM can hold it, changing as little as possible.

    Slices run along the normal of their planes, and voxels have 16 bits: wider ones become
    65,536 steps, with slope and intercept to match.

    Raises:
        BadFile: The axes are not perpendicular.
    """
    directions = volume.geometry.matrix[:3, :3] / volume.geometry.spacing_mm
    if np.abs(directions.T @ directions - np.eye(3)).max() > _ORTHOGONAL:
        raise BadFile(
            "the axes of the volume are not perpendicular", hint="Resample it to an upright grid."
        )
    if np.linalg.det(directions[:, [2, 1, 0]]) < 0:
        volume = _reversed(volume)
    return _in_16_bits(volume)


def describe(volume: Volume, *, visit: Visit, names: SeriesNames, scanner: Scanner) -> Dataset:
    """Return what all images of a series say; still without UIDs, place and pixels.

    Raises:
        BadFile: The modality is neither CT nor MR.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.Modality = volume.modality
    describe_visit(dataset, visit, names)
    describe_equipment(dataset, scanner, names)
    if volume.modality == "CT":
        _describe_ct(dataset, scanner, unit=volume.unit)
    elif volume.modality == "MR":
        _describe_mr(dataset)
    else:
        raise BadFile(f"no phantom of modality {volume.modality!r}", hint="Give CT or MR.")
    dataset.FrameOfReferenceUID = uid_of(f"{visit.study_uid}/frame of reference")
    dataset.PositionReferenceIndicator = ""
    _describe_pixels(dataset, volume)
    return dataset


def decimals(values: np.ndarray) -> list[str]:
    """Write numbers as decimal strings, as exactly as 16 characters allow."""
    return [format_number_as_ds(float(value) + 0.0) for value in values]


def save(dataset: Dataset, path: Path) -> None:
    """Write a file whose meta information follows from the dataset.

    Raises:
        OSError: The file cannot be written.
    """
    meta = dataset.file_meta
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dcmwrite(path, dataset, enforce_file_format=True)


def _reversed(volume: Volume) -> Volume:
    affine = volume.geometry.matrix
    affine[:, 3] += affine[:, 0] * (volume.geometry.shape[0] - 1)
    affine[:, 0] *= -1
    return dataclasses.replace(
        volume,
        voxels=np.ascontiguousarray(volume.voxels[::-1]),
        geometry=Geometry.from_affine(volume.geometry.shape, affine),
    )


def _in_16_bits(volume: Volume) -> Volume:
    voxels = volume.voxels
    low, high = float(voxels.min()), float(voxels.max())
    if voxels.dtype in _SIXTEEN_BITS:
        return volume
    if voxels.dtype.kind in "iu":
        for dtype in _SIXTEEN_BITS:
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return dataclasses.replace(volume, voxels=voxels.astype(dtype))
    step = (high - low) / _STEPS or 1.0
    return dataclasses.replace(
        volume,
        voxels=np.rint((voxels - low) / step).astype(np.uint16),
        slope=volume.slope * step,
        intercept=volume.slope * low + volume.intercept,
    )


def describe_visit(dataset: Dataset, visit: Visit, names: SeriesNames) -> None:
    """Say whose it is, when it was made and what it is called."""
    dataset.PatientName = visit.patient.name
    dataset.PatientID = visit.patient.patient_id
    dataset.IssuerOfPatientID = visit.patient.issuer
    dataset.PatientBirthDate = visit.patient.birth_date
    dataset.PatientSex = visit.patient.sex
    dataset.PatientAge = visit.age
    dataset.StudyInstanceUID = visit.study_uid
    dataset.StudyID = visit.study_id
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = visit.study_date
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = visit.study_time
    dataset.ContentDate, dataset.ContentTime = visit.study_date, visit.study_time
    dataset.AccessionNumber = visit.accession_number
    dataset.ReferringPhysicianName = visit.referring_physician
    dataset.StudyDescription = names.study_description
    dataset.SeriesNumber = names.number
    dataset.SeriesDescription = names.description
    dataset.BodyPartExamined = names.body_part
    dataset.ProtocolName = names.description
    dataset.PatientPosition = "HFS"
    dataset.AcquisitionNumber = 1


def describe_equipment(dataset: Dataset, scanner: Scanner, names: SeriesNames) -> None:
    """Say what it was made with, and that nobody was scanned."""
    dataset.Manufacturer = scanner.manufacturer
    dataset.ManufacturerModelName = scanner.model
    dataset.InstitutionName = scanner.institution
    dataset.StationName = scanner.station
    dataset.DeviceSerialNumber = f"{scanner.station}-{names.number}"
    dataset.SoftwareVersions = "phantom 1"
    dataset.ImageComments = "Phantom: nobody was scanned"


def _describe_ct(dataset: Dataset, scanner: Scanner, *, unit: str) -> None:
    dataset.SOPClassUID = CTImageStorage
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.KVP = "120"
    dataset.ConvolutionKernel = scanner.kernel
    dataset.RescaleType = unit or "US"
    if unit == "HU":
        dataset.WindowCenter, dataset.WindowWidth = "-600", "1500"


def _describe_mr(dataset: Dataset) -> None:
    dataset.SOPClassUID = MRImageStorage
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.ScanningSequence = "GR"
    dataset.SequenceVariant = "SP"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "3D"
    dataset.RepetitionTime, dataset.EchoTime, dataset.FlipAngle = "8", "3", "12"
    dataset.EchoTrainLength = 1
    dataset.MagneticFieldStrength = "3"


def _describe_pixels(dataset: Dataset, volume: Volume) -> None:
    affine, spacing_mm = volume.geometry.matrix, volume.geometry.spacing_mm
    along_row, along_column = affine[:3, 2] / spacing_mm[2], affine[:3, 1] / spacing_mm[1]
    dataset.ImageOrientationPatient = decimals(np.concatenate([along_row, along_column]))
    dataset.PixelSpacing = decimals(np.array(spacing_mm[1:]))
    dataset.SliceThickness = dataset.SpacingBetweenSlices = decimals(np.array(spacing_mm))[0]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = volume.geometry.shape[1:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = int(volume.voxels.dtype.kind == "i")
    if volume.modality == "CT" or (volume.slope, volume.intercept) != (1.0, 0.0):
        scale = decimals(np.array([volume.slope, volume.intercept]))
        dataset.RescaleSlope, dataset.RescaleIntercept = scale
