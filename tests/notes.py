"""Key Object Selections made with pydicom alone, for tests of what they take back."""

from collections.abc import Iterable, Mapping

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, KeyObjectSelectionDocumentStorage

from tests.instances import part10_of


def note(
    code: str, *, study_uid: str, patient_id: str, uid: str, named: Mapping[str, Iterable[str]]
) -> bytes:
    """Write a note in `study_uid` with the title `code` on the instances named, by their study."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = KeyObjectSelectionDocumentStorage
    dataset.SOPInstanceUID = uid
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = f"{uid}.1"
    dataset.PatientID, dataset.PatientName = patient_id.partition(".")[0], "Probe^One"
    if "." in patient_id:
        dataset.IssuerOfPatientID = patient_id.partition(".")[2]
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20240131", "101500", "1"
    dataset.ReferringPhysicianName = dataset.Manufacturer = ""
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "KO", 99, 1
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = Sequence([_code(code)])
    dataset.CurrentRequestedProcedureEvidenceSequence = Sequence(
        [_evidence(study, uids) for study, uids in named.items()]
    )
    return part10_of(dataset)


def _code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", "Title"
    return item


def _evidence(study: str, uids: Iterable[str]) -> Dataset:
    item, series = Dataset(), Dataset()
    item.StudyInstanceUID = study
    series.SeriesInstanceUID = f"{study}.0"
    references = []
    for uid in uids:
        reference = Dataset()
        reference.ReferencedSOPClassUID = CTImageStorage
        reference.ReferencedSOPInstanceUID = uid
        references.append(reference)
    series.ReferencedSOPSequence = Sequence(references)
    item.ReferencedSeriesSequence = Sequence([series])
    return item
