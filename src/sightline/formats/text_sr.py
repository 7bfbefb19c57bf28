"""Reports of the hub that were no DICOM: a title and a text as Basic Text SR (PS3.3 A.35.1)."""

import io
import re

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from sightline.formats.dicom_file import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from sightline.values.report import DeidentifiedReport

BASIC_TEXT_SR_STORAGE = "1.2.840.10008.5.1.4.1.1.88.11"
_MANUFACTURER, _SERIES_NUMBER = "Sightline", 9001
_SERIES_DESCRIPTION = "Orders, reports and values"

# PS3.16 CID 7000, 7001 and 9509: what a document is, and what its text says.
_DOCUMENTS = {
    "order": (codes.DCM.Request, codes.DCM.IndicationsForProcedure),
    "report": (
        Code("18748-4", "LN", "Diagnostic Imaging Report"),
        codes.DCM.NarrativeSummary,
    ),
    "observation": (
        Code("30954-2", "LN", "Relevant Diagnostic Tests and/or Laboratory Data"),
        codes.DCM.Finding,
    ),
}
_TITLE = codes.DCM.DocumentTitle
_NOT_FINAL = frozenset({"P", "R", "S", "I", "registered", "partial", "preliminary"})
# PS3.5 6.1.3: of the control characters a text may have only these.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_NO_DATE = "19000101"


def write_text_sr(
    report: DeidentifiedReport, *, instance_uid: str, series_uid: str, study_date: str
) -> bytes:
    """Write a report as a Part 10 file; the same report gives the same bytes.

    Args:
        report: of a study of the hub.
        instance_uid: names the object.
        series_uid: of the study's reports.
        study_date: `YYYYMMDD`, as the study's images have it; empty where unknown.
    """
    dataset = pydicom.Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = BASIC_TEXT_SR_STORAGE, instance_uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = report.study_uid, series_uid
    dataset.StudyDate, dataset.StudyTime = study_date, ""
    # Nobody knows the hour; PS3.3 C.17.2 asks for one.
    dataset.ContentDate = report.date or study_date or _NO_DATE
    dataset.ContentTime = "000000"
    dataset.Modality, dataset.Manufacturer = "SR", _MANUFACTURER
    dataset.SeriesDescription = _SERIES_DESCRIPTION
    dataset.SeriesNumber, dataset.InstanceNumber = _SERIES_NUMBER, 1
    dataset.PatientName = dataset.PatientID = report.subject_id
    for keyword in ("PatientBirthDate", "PatientSex", "ReferringPhysicianName", "StudyID"):
        setattr(dataset, keyword, "")
    dataset.AccessionNumber = ""
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.PerformedProcedureCodeSequence = []
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY" if report.status in _NOT_FINAL else "FINAL"
    _add_content(dataset, report)
    return _part10(dataset)


def _add_content(dataset: pydicom.Dataset, report: DeidentifiedReport) -> None:
    kind, said = _DOCUMENTS[report.kind]
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = [_coded(kind)]
    items = ((_TITLE, report.title), (said, f"{report.text} {report.unit}".strip()))
    dataset.ContentSequence = [_text(name, text) for name, text in items if text]


def _text(name: Code, text: str) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = [_coded(name)]
    item.TextValue = _CONTROLS.sub(" ", text)
    return item


def _coded(code: Code) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator = code.value, code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def _part10(dataset: pydicom.Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = pydicom.uid.UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    with io.BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()
