"""What is made of the images of a study: each kind of object that refers to them."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    ExplicitVRLittleEndian,
    RTDoseStorage,
    RTStructureSetStorage,
    SpatialRegistrationStorage,
)

from sightline.phantoms.people import uid_of

_FROM_IMAGE = (
    "SpecificCharacterSet",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyInstanceUID",
    "StudyID",
    "FrameOfReferenceUID",
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """The images that objects are made of.

    Attributes:
        stem: UIDs of the objects follow from it.
        before: the images of the study before; empty for a first one.
        moment: when the objects are made.
    """

    stem: str
    images: tuple[Dataset, ...]
    before: tuple[Dataset, ...]
    moment: dt.datetime

    def uid(self, number: int) -> str:
        """Return a UID of the study's objects."""
        return uid_of(f"{self.stem}/{number}")

    def names(self, number: int) -> dict[str, object]:
        """Return what highdicom asks of every object."""
        return {
            "series_instance_uid": self.uid(100 + number),
            "series_number": 100 + number,
            "sop_instance_uid": self.uid(200 + number),
            "instance_number": 1,
            "manufacturer": "Phantom Works A",
        }


def derived_objects(drawn: Drawn) -> Iterator[Dataset]:
    """Make one object of each kind; a registration where there is a study before."""
    made = (_report(drawn), _key_objects(drawn), _presentation(drawn), _map(drawn))
    registered = [_registration(drawn)] if drawn.before else []
    for dataset in (*made, _structures(drawn), _dose(drawn), *registered):
        _settle(dataset, drawn)
        yield dataset


def _report(drawn: Drawn) -> Dataset:
    concept = hd.sr.CodedConcept
    finding = concept("121071", "DCM", "Finding")
    root = hd.sr.ContainerContentItem(
        name=concept("126000", "DCM", "Imaging Measurement Report"), template_id="1500"
    )
    root.ContentSequence = hd.sr.ContentSequence(
        [
            hd.sr.ImageContentItem(
                name=finding,
                referenced_sop_class_uid=image.SOPClassUID,
                referenced_sop_instance_uid=image.SOPInstanceUID,
                relationship_type="CONTAINS",
            )
            for image in (*drawn.images[:2], *drawn.before[:2])
        ]
        + [
            hd.sr.DateTimeContentItem(
                name=concept("111526", "DCM", "DateTime Started"),
                value=drawn.moment,
                relationship_type="CONTAINS",
            )
        ]
    )
    evidence = [*drawn.images, *drawn.before]
    return hd.sr.Comprehensive3DSR(evidence=evidence, content=root, **drawn.names(1))


def _key_objects(drawn: Drawn) -> Dataset:
    images = list(drawn.images[:2])
    content = hd.ko.KeyObjectSelection(
        document_title=codes.DCM.OfInterest, referenced_objects=images
    )
    return hd.ko.KeyObjectSelectionDocument(evidence=images, content=content, **drawn.names(2))


def _presentation(drawn: Drawn) -> Dataset:
    window = hd.pr.SoftcopyVOILUTTransformation(window_center=40.0, window_width=400.0)
    return hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=list(drawn.images),
        manufacturer_model_name="Aurora 64",
        software_versions="phantom 1",
        device_serial_number="1",
        content_label="CHEST",
        voi_lut_transformations=[window],
        **drawn.names(3),
    )


def _map(drawn: Drawn) -> Dataset:
    pixels = np.stack([image.pixel_array for image in drawn.images]).astype(np.float32)
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="1",
        lut_explanation="feature",
        unit=codes.UCUM.NoUnits,
        value_range=(0.0, 4000.0),
        slope=1.0,
        intercept=0.0,
    )
    made = hd.pm.ParametricMap(
        source_images=list(drawn.images),
        pixel_array=pixels,
        manufacturer_model_name="Aurora 64",
        software_versions="phantom 1",
        device_serial_number="1",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=500, window_width=1000)],
        content_label="CHEST",
        **drawn.names(4),
    )
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = drawn.uid(300)
    for index in made.DimensionIndexSequence:
        index.DimensionOrganizationUID = drawn.uid(300)
    return made


def _structures(drawn: Drawn) -> Dataset:
    dataset = _object(drawn, 5, kind=(RTStructureSetStorage, "RTSTRUCT"))
    dataset.StructureSetLabel, dataset.ApprovalStatus = "CHEST", "UNAPPROVED"
    dataset.StructureSetDate = drawn.moment.strftime("%Y%m%d")
    dataset.StructureSetTime = drawn.moment.strftime("%H%M%S")
    series = Dataset()
    series.SeriesInstanceUID = drawn.images[0].SeriesInstanceUID
    series.ContourImageSequence = [_reference(image) for image in drawn.images]
    study = _named("1.2.840.10008.3.1.2.3.1", dataset.StudyInstanceUID)
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = dataset.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    region, contours, seen = Dataset(), Dataset(), Dataset()
    region.ROINumber, region.ROIName, region.ROIGenerationAlgorithm = 1, "LUNG", "AUTOMATIC"
    region.ReferencedFrameOfReferenceUID = dataset.FrameOfReferenceUID
    contours.ReferencedROINumber = seen.ReferencedROINumber = 1
    contours.ContourSequence = [_contour(image) for image in drawn.images]
    seen.ObservationNumber, seen.RTROIInterpretedType, seen.ROIInterpreter = 1, "ORGAN", ""
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [region], [contours]
    dataset.RTROIObservationsSequence = [seen]
    return dataset


def _contour(image: Dataset) -> Dataset:
    contour = Dataset()
    x, y, z = (float(value) for value in image.ImagePositionPatient)
    contour.ContourImageSequence = [_reference(image)]
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 3
    contour.ContourData = [x, y, z, x + 5, y, z, x, y + 5, z]
    return contour


def _dose(drawn: Drawn) -> Dataset:
    dataset = _object(drawn, 6, kind=(RTDoseStorage, "RTDOSE"))
    first = drawn.images[0]
    for name in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
        setattr(dataset, name, first[name].value)
    dataset.ImagePositionPatient = first.ImagePositionPatient
    dataset.NumberOfFrames = len(drawn.images)
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.GridFrameOffsetVector = [3.0 * place for place in range(len(drawn.images))]
    dataset.SliceThickness = "3"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    dataset.DoseGridScaling = "0.001"
    dataset.ReferencedImageSequence = [_reference(image) for image in drawn.images]
    dataset.ReferencedStructureSetSequence = [_named(RTStructureSetStorage, drawn.uid(205))]
    dataset.ReferencedRTPlanSequence = [_named("1.2.840.10008.5.1.4.1.1.481.5", drawn.uid(210))]
    rows, columns = first.Rows, first.Columns
    grid = np.random.default_rng(2).integers(0, 900, (len(drawn.images), rows, columns))
    dataset.add_new("PixelData", "OW", grid.astype("<u2").tobytes())
    return dataset


def _registration(drawn: Drawn) -> Dataset:
    dataset = _object(drawn, 7, kind=(SpatialRegistrationStorage, "REG"))
    dataset.ContentDate, dataset.ContentTime = dataset.StudyDate, dataset.StudyTime
    dataset.ContentLabel, dataset.ContentDescription = "CHEST", "CHEST"
    dataset.ContentCreatorName = ""
    dataset.SoftwareVersions, dataset.DeviceSerialNumber = "phantom 1", "1"
    dataset.RegistrationSequence = [_moved(drawn.images), _moved(drawn.before)]
    dataset.ReferencedSeriesSequence = [_series(drawn.images)]
    other = Dataset()
    other.StudyInstanceUID = drawn.before[0].StudyInstanceUID
    other.ReferencedSeriesSequence = [_series(drawn.before)]
    dataset.StudiesContainingOtherReferencedInstancesSequence = [other]
    return dataset


def _moved(images: Sequence[Dataset]) -> Dataset:
    item, step, matrix = Dataset(), Dataset(), Dataset()
    matrix.FrameOfReferenceTransformationMatrixType = "RIGID"
    matrix.FrameOfReferenceTransformationMatrix = [float(value) for value in np.eye(4).ravel()]
    step.MatrixSequence, step.RegistrationTypeCodeSequence = [matrix], []
    item.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    item.ReferencedImageSequence = [_reference(image) for image in images]
    item.MatrixRegistrationSequence = [step]
    return item


def _series(images: Sequence[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = images[0].SeriesInstanceUID
    item.ReferencedInstanceSequence = [_reference(image) for image in images]
    return item


def _object(drawn: Drawn, number: int, *, kind: tuple[str, str]) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for name in _FROM_IMAGE:
        setattr(dataset, name, drawn.images[0][name].value)
    dataset.PositionReferenceIndicator = ""
    dataset.SOPClassUID, dataset.Modality = kind
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = (
        drawn.uid(200 + number),
        drawn.uid(100 + number),
    )
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.OperatorsName = 100 + number, 1, ""
    dataset.Manufacturer, dataset.ManufacturerModelName = "Phantom Works A", "Aurora 64"
    return dataset


def _reference(image: Dataset) -> Dataset:
    return _named(image.SOPClassUID, image.SOPInstanceUID)


def _named(sop_class_uid: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, uid
    return item


def _settle(dataset: Dataset, drawn: Drawn) -> None:
    """Write the moment that the library took from the clock."""
    for equipment in dataset.get("ContributingEquipmentSequence", []):
        equipment.ContributionDateTime = drawn.moment.strftime("%Y%m%d%H%M%S")
    for name in ("Content", "InstanceCreation", "PresentationCreation", "Series"):
        for part, form in (("Date", "%Y%m%d"), ("Time", "%H%M%S")):
            if f"{name}{part}" in dataset:
                setattr(dataset, f"{name}{part}", drawn.moment.strftime(form))
