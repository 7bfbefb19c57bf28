"""One valid object of each of many information object definitions, of a patient with a story."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import highdicom as hd
import pydicom
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from sightline.phantoms.people import uid_of
from tests.deid.referring import write_referring
from tests.formats.sources import KINDS as SERIES

_CLASS = "1.2.840.10008.5.1.4.1.1."
_GEOMETRY = (
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "SliceThickness"),
    *("SpacingBetweenSlices", "PixelSpacing", "PatientPosition", "FrameOfReferenceUID"),
    *("PositionReferenceIndicator", "GantryDetectorTilt", "ConvolutionKernel", "RescaleType"),
    *("RescaleSlope", "RescaleIntercept", "KVP", "WindowCenter", "WindowWidth"),
)


def objects(folder: Path) -> Iterator[Dataset]:
    """Make one object of each kind."""
    story = [
        pydicom.dcmread(path) for path in sorted(write_referring(folder, patients=1).iterdir())
    ]
    later = max(dataset.StudyDate for dataset in story)
    found = {each.SOPClassUID: each for each in story if each.StudyDate == later}
    yield from found.values()
    images = {kind: _slices(folder.parent / kind, kind) for kind in ("axial CT", "sagittal MR")}
    yield images["sagittal MR"][0]
    yield _slices(folder.parent / "enhanced MR", "enhanced oblique MR")[0]
    for number, dataset in enumerate(_made(images, found)):
        dataset.SOPInstanceUID = uid_of(f"kinds/{number}")
        dataset.SeriesInstanceUID = uid_of(f"kinds/of/{number}")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        yield dataset


def _slices(folder: Path, kind: str) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in SERIES[kind](folder).files]


def _made(images: dict[str, list[Dataset]], found: dict[str, Dataset]) -> Iterator[Dataset]:
    ct, mr = images["axial CT"], images["sagittal MR"]
    pet = found[f"{_CLASS}128"]
    names = {"series_instance_uid": "2.25.1", "series_number": 1, "sop_instance_uid": "2.25.2"}
    yield hd.legacy.LegacyConvertedEnhancedCTImage(ct, instance_number=1, **names)
    yield hd.legacy.LegacyConvertedEnhancedMRImage(mr, instance_number=1, **names)
    yield hd.legacy.LegacyConvertedEnhancedPETImage([pet], instance_number=1, **names)
    names |= {"instance_number": 1, "manufacturer": "Phantom Works A"}
    for report in (hd.sr.ComprehensiveSR, hd.sr.EnhancedSR):
        yield report(evidence=ct[:2], content=_content(ct[:2]), **names)
    basic = copied(found[f"{_CLASS}88.34"])
    basic.SOPClassUID = f"{_CLASS}88.11"
    basic.ContentSequence = [_text("121071", "Finding", "lung"), _text("121077", "Conclusion", "")]
    basic.ContentSequence[1].TextValue = "chest"
    yield basic
    yield from _projections(ct[0])
    yield _nuclear(ct[0], pet)
    yield from _spatial(found[f"{_CLASS}66.1"], ct)


def _content(images: Sequence[Dataset]) -> Dataset:
    root = hd.sr.ContainerContentItem(
        name=hd.sr.CodedConcept("126000", "DCM", "Imaging Measurement Report")
    )
    root.ContentSequence = hd.sr.ContentSequence(
        [
            hd.sr.ImageContentItem(
                name=codes.DCM.SourceOfMeasurement,
                referenced_sop_class_uid=image.SOPClassUID,
                referenced_sop_instance_uid=image.SOPInstanceUID,
                relationship_type="CONTAINS",
            )
            for image in images
        ]
    )
    return root


def _text(code: str, meaning: str, value: str) -> Dataset:
    item, name = Dataset(), Dataset()
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", value
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = code, "DCM", meaning
    item.ConceptNameCodeSequence = [name]
    return item


def _flat(image: Dataset, sop_class: str, modality: str) -> Dataset:
    """Make a picture that lies nowhere in space."""
    flat = copied(image)
    for name in _GEOMETRY:
        if name in flat:
            delattr(flat, name)
    flat.SOPClassUID, flat.Modality = _CLASS + sop_class, modality
    flat.PatientOrientation, flat.Laterality = ["L", "F"], ""
    flat.PixelRepresentation = 0
    return flat


def _projections(image: Dataset) -> Iterator[Dataset]:
    capture = _flat(image, "7", "OT")
    capture.ConversionType, capture.ImageType = "WSD", ["DERIVED", "SECONDARY"]
    yield capture
    radiograph = _flat(image, "1", "CR")
    radiograph.ViewPosition, radiograph.KVP, radiograph.PlateID = "PA", "90", "1"
    radiograph.ImageType = ["ORIGINAL", "PRIMARY"]
    yield radiograph
    for sop_class, modality in (("1.1", "DX"), ("1.2", "MG")):
        yield _digital(_flat(image, sop_class, modality), modality)
    ultrasound = _flat(image, "6.1", "US")
    ultrasound.ImageType, ultrasound.BitsAllocated = ["ORIGINAL", "PRIMARY", "", "0001"], 8
    ultrasound.BitsStored, ultrasound.HighBit = 8, 7
    ultrasound.PixelData = bytes(ultrasound.Rows * ultrasound.Columns)
    yield ultrasound
    angiogram = _flat(image, "12.1", "XA")
    angiogram.ImageType = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]
    angiogram.PixelIntensityRelationship, angiogram.KVP, angiogram.Exposure = "LIN", "80", 10
    angiogram.XRayTubeCurrent, angiogram.ExposureTime, angiogram.RadiationSetting = 1, 1, "GR"
    angiogram.PositionerMotion, angiogram.PositionerPrimaryAngle = "STATIC", 0
    angiogram.PositionerSecondaryAngle = 0
    yield angiogram


def _digital(image: Dataset, modality: str) -> Dataset:
    image.ImageType = ["ORIGINAL", "PRIMARY", ""]
    image.PresentationIntentType, image.PresentationLUTShape = "FOR PRESENTATION", "IDENTITY"
    image.ImagerPixelSpacing, image.DetectorType = [0.1, 0.1], "DIRECT"
    image.PixelIntensityRelationship, image.PixelIntensityRelationshipSign = "LOG", -1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = 0, 1, "US"
    image.WindowCenter, image.WindowWidth = 500, 1000
    image.LossyImageCompression, image.BurnedInAnnotation = "00", "NO"
    image.ImageLaterality = "L" if modality == "MG" else "U"
    image.PositionerType = "MAMMOGRAPHIC" if modality == "MG" else "NONE"
    image.AcquisitionContextSequence, image.OrganExposed = [], "BREAST"
    image.DetectorConditionsNominalFlag = "YES"
    image.AnatomicRegionSequence = [_code("51185008", "Chest")]
    image.ViewCodeSequence = [_code("399348003", "antero-posterior")]
    image.ViewCodeSequence[0].ViewModifierCodeSequence = []
    if modality == "MG":
        image.AnatomicRegionSequence = [_code("76752008", "Breast")]
        image.ViewCodeSequence = [_code("399162004", "cranio-caudal")]
        image.ViewCodeSequence[0].ViewModifierCodeSequence = []
        image.PatientOrientation, image.BodyPartExamined = ["P", "L"], "BREAST"
    return image


def _nuclear(image: Dataset, pet: Dataset) -> Dataset:
    nuclear = _flat(image, "20", "NM")
    nuclear.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    nuclear.NumberOfFrames, nuclear.NumberOfEnergyWindows, nuclear.NumberOfDetectors = 1, 1, 1
    nuclear.FrameIncrementPointer = [0x00540010, 0x00540020]
    nuclear.EnergyWindowVector, nuclear.DetectorVector = 1, 1
    nuclear.EnergyWindowInformationSequence, nuclear.DetectorInformationSequence = [Dataset()], []
    nuclear.RadiopharmaceuticalInformationSequence = []
    nuclear.ActualFrameDuration, nuclear.PixelSpacing = 1000, [4, 4]
    nuclear.PatientOrientationCodeSequence = pet.PatientOrientationCodeSequence
    nuclear.PatientGantryRelationshipCodeSequence = pet.PatientGantryRelationshipCodeSequence
    detector = Dataset()
    detector.CollimatorType, detector.FieldOfViewShape = "PARA", "RECTANGLE"
    detector.ImagePositionPatient, detector.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    nuclear.DetectorInformationSequence = [detector]
    return nuclear


def _spatial(registration: Dataset, images: Sequence[Dataset]) -> Iterator[Dataset]:
    fiducials = copied(registration)
    del fiducials.RegistrationSequence
    fiducials.SOPClassUID, fiducials.Modality = f"{_CLASS}66.2", "FID"
    point, found, group = Dataset(), Dataset(), Dataset()
    found.FiducialIdentifier, found.ShapeType = "1", "POINT"
    found.FiducialIdentifierCodeSequence = [_code("51185008", "Chest")]
    point.ReferencedImageSequence = [_reference(images[0])]
    point.NumberOfContourPoints = point.NumberOfGraphicPoints = 1
    point.GraphicType = "POINT"
    point.GraphicData = [1.0, 1.0]
    found.GraphicCoordinatesDataSequence = [point]
    group.ReferencedImageSequence = [_reference(images[0])]
    group.FiducialSequence = [found]
    fiducials.FiducialSetSequence = [group]
    yield fiducials
    mapping = copied(fiducials)
    del mapping.FiducialSetSequence
    mapping.SOPClassUID, mapping.Modality = f"{_CLASS}67", "RWV"
    value, shown = Dataset(), Dataset()
    value.RealWorldValueFirstValueMapped, value.RealWorldValueLastValueMapped = 0, 4000
    value.RealWorldValueSlope, value.RealWorldValueIntercept = 1.0, 0.0
    value.LUTExplanation, value.LUTLabel = "feature", "1"
    value.MeasurementUnitsCodeSequence = [_code("1", "no units", "UCUM")]
    shown.ReferencedImageSequence = [_reference(images[0])]
    shown.RealWorldValueMappingSequence = [value]
    mapping.ReferencedImageRealWorldValueMappingSequence = [shown]
    yield mapping


def _reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return item


def _code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def copied(dataset: Dataset) -> pydicom.FileDataset:
    """Return the same object in its own memory."""
    with pydicom.filebase.DicomBytesIO() as file:
        pydicom.dcmwrite(file, dataset, enforce_file_format=True)
        file.seek(0)
        return pydicom.dcmread(file)
