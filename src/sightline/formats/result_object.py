"""What the DICOM objects we publish have in common: sources, origin, marking and stable bytes."""

import dataclasses
import datetime as dt
import importlib.metadata
import io
import re
import uuid
from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from sightline.formats.dicom_dataset import open_dataset
from sightline.formats.dicom_file import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    Header,
    read_header,
)
from sightline.formats.patient_module import set_patient
from sightline.values.result import ResultIdentity

MANUFACTURER = "Sightline"
RESEARCH_ONLY = "RESEARCH USE ONLY"
_NAMESPACE = uuid.UUID("b0d5b3a0-6a3e-4d3c-8f5a-5a1a0a3c7d11")
_LONG_STRING = 64
_IDENTITY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_UNDECODED = ("InstitutionAddress", "InstitutionalDepartmentName")
_AGE = re.compile(r"\d{3}[DWMY]")
_ACQUISITION = codes.DCM.AcquisitionEquipment.value


def software_version() -> str:
    """Version of the installed package."""
    return importlib.metadata.version("sightline")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """The images that a result rests on.

    Attributes:
        images: their headers, without the patient, whose name highdicom would print.
        header: of the first, as the catalog reads it.
    """

    images: list[pydicom.FileDataset]
    header: Header


def read_sources(paths: Sequence[Path]) -> Sources:
    """Read the headers of the images that a result rests on.

    Raises:
        NotDicom: A file is broken.
        OSError: A file cannot be read.
    """
    contents = [path.read_bytes() for path in paths]
    return Sources(
        images=[_read_source(content) for content in contents], header=read_header(contents[0])
    )


def equipment(identity: ResultIdentity) -> hd.ContributingEquipment:
    """Say what made the result: model, version, weights and lineage, or the reader's program."""
    if not identity.model_version:
        description = "Drawn by a reader"
    else:
        description = (
            f"weights sha256 {identity.model_digest}; lineage {identity.lineage_id or 'none'}"
        )
    return hd.ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=identity.author[:_LONG_STRING],
        software_versions=identity.model_version or software_version(),
        contribution_datetime=_created(identity),
        contribution_description=description,
    )


def derived_uid(uid: str, name: str) -> str:
    """Derive a UID from another one, so that a repeat names the same thing (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, f'{uid}/{name}').int}"


def marked(text: str, identity: ResultIdentity) -> str:
    """Put `RESEARCH USE ONLY` before a text, as long as that holds; at most 64 characters."""
    return (f"{RESEARCH_ONLY} {text}" if identity.is_research_only else text)[:_LONG_STRING]


def to_bytes(dataset: pydicom.Dataset, sources: Sources, identity: ResultIdentity) -> bytes:
    """Write a result as Part 10; the same result at the same `created_at` gives the same bytes."""
    created = _created(identity)
    for name in ("InstanceCreation", "Content", "Series"):
        if f"{name}Date" in dataset or name == "Series":
            setattr(dataset, f"{name}Date", created.strftime("%Y%m%d"))
            setattr(dataset, f"{name}Time", created.strftime("%H%M%S"))
    for item in dataset.ContributingEquipmentSequence:
        if item.PurposeOfReferenceCodeSequence[0].CodeValue != _ACQUISITION:
            item.ContributionDateTime = created.strftime("%Y%m%d%H%M%S+0000")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SeriesDescription = marked(identity.series_description, identity)
    set_patient(dataset, identity.patient or sources.header.patient)
    _set_study(dataset, sources.header)
    meta = dataset.file_meta
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    with io.BytesIO() as file:
        pydicom.dcmwrite(file, dataset, enforce_file_format=True)
        return file.getvalue()


def _set_study(dataset: pydicom.Dataset, header: Header) -> None:
    dataset.StudyDate = header.study_date
    dataset.StudyTime = header.study_time
    dataset.StudyID = header.study_id
    dataset.StudyDescription = header.study_description
    dataset.AccessionNumber = header.accession_number
    dataset.ReferringPhysicianName = header.referring_physician


def _created(identity: ResultIdentity) -> dt.datetime:
    created = dt.datetime.fromisoformat(identity.created_at)
    return created.astimezone(dt.UTC) if created.tzinfo else created.replace(tzinfo=dt.UTC)


def _read_source(content: bytes) -> pydicom.FileDataset:
    header = read_header(content)
    dataset = open_dataset(content, with_pixels=False)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for name in _IDENTITY:
        setattr(dataset, name, "")
    # Decoded with the character set of the source, which the line above replaces.
    dataset.Manufacturer = header.manufacturer
    dataset.ManufacturerModelName = header.manufacturer_model
    dataset.InstitutionName = header.institution
    dataset.StationName = header.station
    for name in _UNDECODED:
        dataset.pop(name, None)
    if not _AGE.fullmatch(str(dataset.get("PatientAge", ""))):
        dataset.pop("PatientAge", None)
    if not dataset.get("FrameOfReferenceUID"):
        # Old images lack it and every result needs one; the series is the frame they share.
        dataset.FrameOfReferenceUID = derived_uid(header.series_uid, "frame of reference")
    return dataset
