"""Patients whose studies refer to each other in every way that objects refer to objects.

To the studies of the benchmark come a plan, key objects and a presentation state over two studies,
a report that replaces another, and an image that says of each image what it was made of.
"""

from collections.abc import Sequence
from pathlib import Path

import pydicom
from benchmarks.deid.story import write_story
from pydicom.dataset import Dataset
from pydicom.uid import RTPlanStorage

from sightline.phantoms.people import uid_of

_PATIENT_STUDY = (
    *("SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber"),
    *("ReferringPhysicianName", "PatientName", "PatientID", "IssuerOfPatientID"),
    *("PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "FrameOfReferenceUID"),
)
_REPORT = "1.2.840.10008.5.1.4.1.1.88.34"
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"


def write_referring(folder: Path, *, patients: int, visits: int = 2) -> Path:
    """Write all patients into a flat folder."""
    write_story(folder, patients=patients, visits=visits)
    before: dict[str, list[Dataset]] = {}
    for study in _studies(folder):
        patient_id = study[0].PatientID
        for number, dataset in enumerate(_more(study, before.get(patient_id, []))):
            dataset.SOPInstanceUID = uid_of(f"{study[0].StudyInstanceUID}/more/{number}")
            dataset.SeriesInstanceUID = uid_of(f"{study[0].StudyInstanceUID}/of/{number}")
            _name_plan(dataset, study)
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
            path = folder / f"{patient_id}-{study[0].StudyDate}-more-{number}.dcm"
            dataset.save_as(path, enforce_file_format=True)
        before[patient_id] = study
    return folder


def _studies(folder: Path) -> list[list[Dataset]]:
    found: dict[str, list[Dataset]] = {}
    for path in sorted(folder.iterdir()):
        dataset = pydicom.dcmread(path)
        found.setdefault(dataset.StudyInstanceUID, []).append(dataset)
    return sorted(found.values(), key=lambda study: (study[0].PatientID, study[0].StudyDate))


def _more(study: Sequence[Dataset], before: Sequence[Dataset]) -> list[Dataset]:
    images = _of(study, "CT")[:4]
    earlier = _of(before, "CT")[:4]
    made = [_plan(study, before), _image(images, earlier, study), _report(study, before)]
    return [*made, _keys(study, images, earlier), _presentation(study, images, earlier)]


def _of(study: Sequence[Dataset], modality: str) -> list[Dataset]:
    return [each for each in study if each.Modality == modality]


def _copy(dataset: Dataset) -> pydicom.FileDataset:
    with pydicom.filebase.DicomBytesIO() as file:
        pydicom.dcmwrite(file, dataset, enforce_file_format=True)
        file.seek(0)
        return pydicom.dcmread(file)


def _plan(study: Sequence[Dataset], before: Sequence[Dataset]) -> Dataset:
    (dose,), (structures,) = _of(study, "RTDOSE"), _of(study, "RTSTRUCT")
    plan = Dataset()
    plan.file_meta = pydicom.dataset.FileMetaDataset()
    plan.file_meta.TransferSyntaxUID = dose.file_meta.TransferSyntaxUID
    for name in _PATIENT_STUDY:
        setattr(plan, name, dose[name].value)
    plan.SOPClassUID, plan.Modality, plan.RTPlanLabel = RTPlanStorage, "RTPLAN", "CHEST"
    plan.RTPlanDate, plan.RTPlanTime = dose.StudyDate, dose.StudyTime
    plan.RTPlanGeometry, plan.ApprovalStatus, plan.PlanIntent = "PATIENT", "UNAPPROVED", "RESEARCH"
    plan.SeriesNumber, plan.OperatorsName, plan.PositionReferenceIndicator = 110, "", ""
    plan.Manufacturer = dose.Manufacturer
    plan.ReferencedStructureSetSequence = [_reference(structures)]
    plan.ReferencedDoseSequence = [_reference(dose)]
    earlier = [*_of(before, "RTDOSE"), *_of(before, "RTSTRUCT")]
    plan.ReferencedRTPlanSequence = [_predecessor(dose) for dose in _of(before, "RTDOSE")]
    beam, image = Dataset(), _reference(_of(study, "CT")[0])
    image.ReferenceImageNumber = 1
    beam.BeamNumber, beam.BeamName, beam.BeamType, beam.RadiationType = 1, "1", "STATIC", "PHOTON"
    beam.TreatmentMachineName, beam.NumberOfWedges = "", 0
    beam.ReferencedReferenceImageSequence = [image]
    beam.ReferencedDoseSequence = [_reference(each) for each in (dose, *earlier)]
    plan.BeamSequence = [beam]
    return plan


def _predecessor(dose: Dataset) -> Dataset:
    (plan,) = dose.ReferencedRTPlanSequence
    item = _named(plan.ReferencedSOPClassUID, plan.ReferencedSOPInstanceUID)
    item.RTPlanRelationship = "PREDECESSOR"
    return item


def _name_plan(dataset: Dataset, study: Sequence[Dataset]) -> None:
    """Give a plan the name by which the dose refers to it."""
    if dataset.Modality == "RTPLAN":
        (dose,) = _of(study, "RTDOSE")
        dataset.SOPInstanceUID = dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID


def _image(
    images: Sequence[Dataset], earlier: Sequence[Dataset], study: Sequence[Dataset]
) -> Dataset:
    image = _copy(images[0])
    image.InstanceNumber = 99
    image.ReferencedStudySequence = [_named(_STUDY_CLASS, image.StudyInstanceUID)]
    image.ReferencedImageSequence = [_reference(each) for each in (*images, *earlier)]
    image.SourceImageSequence = [_reference(each) for each in images]
    image.ReferencedInstanceSequence = [_reference(each) for each in study]
    for item in image.ReferencedInstanceSequence:
        item.PurposeOfReferenceCodeSequence = [_code("121311", "Localizer")]
    related = [_series_of(each) for each in ([images[0]], [earlier[0]] if earlier else []) if each]
    image.RelatedSeriesSequence = [item for items in related for item in items]
    image.StudiesContainingOtherReferencedInstancesSequence = _studies_of(earlier)
    image.SourceImageEvidenceSequence = _studies_of([*images, *earlier])
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepID = "1", "1"
    request.StudyInstanceUID = image.StudyInstanceUID
    request.ReferencedStudySequence = [_named(_STUDY_CLASS, image.StudyInstanceUID)]
    image.RequestAttributesSequence = [request]
    return image


def _series_of(images: Sequence[Dataset]) -> list[Dataset]:
    items = []
    for image in images:
        item = Dataset()
        item.StudyInstanceUID = image.StudyInstanceUID
        item.SeriesInstanceUID = image.SeriesInstanceUID
        item.PurposeOfReferenceCodeSequence = []
        items.append(item)
    return items


def _report(study: Sequence[Dataset], before: Sequence[Dataset]) -> Dataset:
    first = next(each for each in study if each.SOPClassUID == _REPORT)
    report = _copy(first)
    replaced = [each for each in (*study, *before) if each.SOPClassUID == _REPORT]
    report.PredecessorDocumentsSequence = _studies_of(replaced)
    report.IdenticalDocumentsSequence = _studies_of([first])
    request = Dataset()
    request.StudyInstanceUID = report.StudyInstanceUID
    request.ReferencedStudySequence = [_named(_STUDY_CLASS, report.StudyInstanceUID)]
    request.AccessionNumber = request.RequestedProcedureID = ""
    request.PlacerOrderNumberImagingServiceRequest = ""
    request.FillerOrderNumberImagingServiceRequest = ""
    request.RequestedProcedureDescription, request.RequestedProcedureCodeSequence = "", []
    report.ReferencedRequestSequence = [request]
    frame = study[0].FrameOfReferenceUID
    content = list(report.ContentSequence)
    content += [_uid_item("112040", each) for each in (study[0].SeriesInstanceUID, frame)]
    content += [_uid_item("110180", each.StudyInstanceUID) for each in before[:1]]
    content += [_composite(each) for each in (*_of(study, "RTDOSE"), *_of(before, "SEG"))]
    content.append(_point(frame))
    report.ContentSequence = content
    return report


def _item(kind: str, concept: Dataset) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = [concept]
    return item


def _uid_item(code: str, uid: str) -> Dataset:
    item = _item("UIDREF", _code(code, "Tracking Unique Identifier"))
    item.UID = uid
    return item


def _composite(dataset: Dataset) -> Dataset:
    item = _item("COMPOSITE", _code("121071", "Finding"))
    item.ReferencedSOPSequence = [_reference(dataset)]
    return item


def _point(frame_of_reference_uid: str) -> Dataset:
    item = _item("SCOORD3D", _code("111010", "Center"))
    item.GraphicType, item.GraphicData = "POINT", [1.0, 2.0, 3.0]
    item.ReferencedFrameOfReferenceUID = frame_of_reference_uid
    return item


def _keys(
    study: Sequence[Dataset], images: Sequence[Dataset], earlier: Sequence[Dataset]
) -> Dataset:
    keys = _copy(_of(study, "KO")[0])
    keys.CurrentRequestedProcedureEvidenceSequence = _studies_of([*images, *earlier])
    content = list(keys.ContentSequence)
    for image in (*images, *earlier):
        item = Dataset()
        item.RelationshipType, item.ValueType = "CONTAINS", "IMAGE"
        item.ReferencedSOPSequence = [_reference(image)]
        content.append(item)
    keys.ContentSequence = content
    keys.IdenticalDocumentsSequence = _studies_of(_of(study, "KO"))
    return keys


def _presentation(
    study: Sequence[Dataset], images: Sequence[Dataset], earlier: Sequence[Dataset]
) -> Dataset:
    state = _copy(_of(study, "PR")[0])
    shown, area, drawn = [*images, *earlier], Dataset(), Dataset()
    state.ReferencedSeriesSequence = [
        item for item in (_instances_of(each) for each in (images, earlier)) if item is not None
    ]
    area.ReferencedImageSequence = [_reference(image) for image in shown]
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [1, 1], [8, 8]
    area.PresentationSizeMode, area.PresentationPixelAspectRatio = "SCALE TO FIT", [1, 1]
    state.DisplayedAreaSelectionSequence = [area]
    graphic, layer = Dataset(), Dataset()
    graphic.GraphicAnnotationUnits, graphic.GraphicDimensions = "PIXEL", 2
    graphic.NumberOfGraphicPoints, graphic.GraphicData = 1, [1.0, 1.0]
    graphic.GraphicType, graphic.GraphicFilled = "POINT", "N"
    drawn.ReferencedImageSequence = [_reference(image) for image in shown]
    drawn.GraphicLayer, drawn.GraphicObjectSequence = "1", [graphic]
    state.GraphicAnnotationSequence = [drawn]
    layer.GraphicLayer, layer.GraphicLayerOrder = "1", 1
    state.GraphicLayerSequence = [layer]
    return state


def _instances_of(images: Sequence[Dataset]) -> Dataset | None:
    if not images:
        return None
    item = Dataset()
    item.SeriesInstanceUID = images[0].SeriesInstanceUID
    item.ReferencedImageSequence = [_reference(image) for image in images]
    return item


def _studies_of(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Name instances under their series and studies (PS3.3 C.17.2.1)."""
    found: dict[str, dict[str, list[Dataset]]] = {}
    for each in datasets:
        series = found.setdefault(each.StudyInstanceUID, {})
        series.setdefault(each.SeriesInstanceUID, []).append(_reference(each))
    studies = []
    for study_uid, series in found.items():
        study = Dataset()
        study.StudyInstanceUID, study.ReferencedSeriesSequence = study_uid, []
        for series_uid, references in series.items():
            item = Dataset()
            item.SeriesInstanceUID, item.ReferencedSOPSequence = series_uid, references
            study.ReferencedSeriesSequence.append(item)
        studies.append(study)
    return studies


def _reference(dataset: Dataset) -> Dataset:
    return _named(dataset.SOPClassUID, dataset.SOPInstanceUID)


def _named(sop_class_uid: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, uid
    return item


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
