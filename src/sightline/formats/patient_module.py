"""The Patient module of what we write (PS3.3 C.7.1.1), and how it reads afterwards."""

import io

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from sightline.formats.dicom_file import read_header
from sightline.values.identity import Patient

_SEXES = frozenset({"M", "F", "O"})
_NOTHING = UID("2.25.1")


def set_patient(dataset: pydicom.Dataset, patient: Patient) -> None:
    """Say whom an object is about."""
    dataset.PatientName = patient.name
    dataset.PatientID = patient.patient_id
    if patient.issuer:
        dataset.IssuerOfPatientID = patient.issuer
    dataset.PatientBirthDate = patient.birth_date
    dataset.PatientSex = patient.sex if patient.sex in _SEXES else ""


def as_written(patient: Patient) -> Patient:
    """Return what a header reads of a patient whom `set_patient` wrote into it."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = _NOTHING
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = _NOTHING
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = _NOTHING
    set_patient(dataset, patient)
    with io.BytesIO() as file:
        pydicom.dcmwrite(file, dataset, enforce_file_format=True)
        return read_header(file.getvalue()).patient
