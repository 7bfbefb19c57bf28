"""Key Object Selection documents: those that reject what they name (PS3.16 TID 2010)."""

from typing import Any

from sightline.errors import NotDicom
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset
from sightline.values.identity import InstanceUid, StudyUid
from sightline.values.rejection import TITLES, RejectionNote


def read_rejection(content: bytes) -> RejectionNote | None:
    """Read a Key Object Selection; None for one that rejects nothing, or that cannot be read."""
    try:
        dataset = open_dataset(content, with_pixels=False)
        with broken_values_are_not_dicom("read the selection"):
            code = _code(dataset)
            if code not in TITLES:
                return None
            return RejectionNote(
                note_uid=InstanceUid(str(dataset.SOPInstanceUID)),
                study_uid=StudyUid(str(dataset.StudyInstanceUID)),
                code=code,
                rejected=_named(dataset),
            )
    except NotDicom:
        return None


def _code(dataset: Any) -> str:  # noqa: ANN401 - pydicom's types are dynamic
    titles = dataset.get("ConceptNameCodeSequence") or []
    is_dcm = bool(titles) and titles[0].get("CodingSchemeDesignator") == "DCM"
    return str(titles[0].get("CodeValue")) if is_dcm else ""


def _named(dataset: Any) -> tuple[tuple[StudyUid, InstanceUid], ...]:  # noqa: ANN401 - pydicom's types are dynamic
    """List what the evidence names (PS3.3 C.17.2.1), each once."""
    named: dict[tuple[StudyUid, InstanceUid], None] = {}
    for study in dataset.get("CurrentRequestedProcedureEvidenceSequence") or []:
        for series in study.get("ReferencedSeriesSequence") or []:
            for instance in series.get("ReferencedSOPSequence") or []:
                uid = InstanceUid(str(instance.ReferencedSOPInstanceUID))
                named[StudyUid(str(study.StudyInstanceUID)), uid] = None
    return tuple(named)
