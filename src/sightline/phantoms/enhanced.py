"""Volumes as one enhanced multi-frame image, as newer scanners send them."""

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from sightline.phantoms.people import Visit, uid_of
from sightline.phantoms.scanner import AURORA, Scanner
from sightline.phantoms.series import (
    SeriesNames,
    WrittenSeries,
    decimals,
    describe,
    save,
    storable,
)
from sightline.values.identity import SeriesUid
from sightline.values.volume import Volume

# What single-frame images say themselves and enhanced ones in functional groups or not at all.
_SINGLE_FRAME_ONLY = (
    "BodyPartExamined",
    "ConvolutionKernel",
    "EchoTime",
    "EchoTrainLength",
    "FlipAngle",
    "ImageOrientationPatient",
    "KVP",
    "MRAcquisitionType",
    "PixelSpacing",
    "RepetitionTime",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "ScanOptions",
    "ScanningSequence",
    "SequenceVariant",
    "SliceThickness",
    "SpacingBetweenSlices",
    "WindowCenter",
    "WindowWidth",
)


def write_enhanced(
    volume: Volume,
    folder: Path,
    *,
    visit: Visit,
    names: SeriesNames | None = None,
    scanner: Scanner = AURORA,
) -> WrittenSeries:
    """Write a CT or MR volume as one enhanced multi-frame image.

    Raises:
        BadFile: The modality is another, or the axes are not perpendicular.
        OSError: The file cannot be written.
    """
    names = names or SeriesNames()
    volume = storable(volume)
    single = describe(volume, visit=visit, names=names, scanner=scanner)
    series_uid = SeriesUid(uid_of(f"{visit.study_uid}/{names.number}/enhanced"))
    dataset = _describe_enhanced(single, volume)
    dataset.SeriesInstanceUID = series_uid
    dataset.SOPInstanceUID = uid_of(f"{series_uid}/0")
    dataset.SharedFunctionalGroupsSequence = [_shared_groups(single, volume.modality)]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame_groups(volume, number) for number in range(volume.geometry.shape[0])
    ]
    _describe_dimension(dataset, uid_of(f"{series_uid}/dimensions"))
    little = volume.voxels.astype(volume.voxels.dtype.newbyteorder("<"))
    dataset.add_new("PixelData", "OW", little.tobytes())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "0001.dcm"
    save(dataset, path)
    return WrittenSeries(
        files=(path,),
        volume=volume,
        patient=visit.patient,
        study_uid=visit.study_uid,
        series_uid=series_uid,
    )


def _describe_enhanced(single: Dataset, volume: Volume) -> Dataset:
    dataset = Dataset()
    dataset.update(single)
    dataset.file_meta = single.file_meta
    for name in _SINGLE_FRAME_ONLY:
        dataset.pop(name, None)
    is_ct = volume.modality == "CT"
    dataset.SOPClassUID = EnhancedCTImageStorage if is_ct else EnhancedMRImageStorage
    dataset.ImageType = ["DERIVED", "PRIMARY", "VOLUME" if is_ct else "OTHER", "NONE"]
    dataset.InstanceNumber = 1
    dataset.NumberOfFrames = volume.geometry.shape[0]
    dataset.PixelPresentation = "MONOCHROME"
    dataset.VolumetricProperties = "VOLUME"
    dataset.VolumeBasedCalculationTechnique = "NONE"
    if not is_ct:
        dataset.ComplexImageComponent = "MAGNITUDE"
        dataset.AcquisitionContrast = "T1"
        dataset.ApplicableSafetyStandardAgency = "IEC"
    dataset.ContentQualification = "RESEARCH"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.AcquisitionDateTime = f"{single.AcquisitionDate}{single.AcquisitionTime}"
    dataset.AcquisitionDuration = 5.0
    dataset.AcquisitionContextSequence = []
    return dataset


def _shared_groups(single: Dataset, modality: str) -> Dataset:
    shared = Dataset()
    shared.PixelMeasuresSequence = [
        _item(single, "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")
    ]
    shared.PlaneOrientationSequence = [_item(single, "ImageOrientationPatient")]
    anatomy = Dataset()
    anatomy.AnatomicRegionSequence = [_code("51185008", "SCT", "Chest")]
    anatomy.FrameLaterality = "U"
    shared.FrameAnatomySequence = [anatomy]
    kind = Dataset()
    kind.FrameType = ["DERIVED", "PRIMARY", "VOLUME" if modality == "CT" else "OTHER", "NONE"]
    kind.PixelPresentation = "MONOCHROME"
    kind.VolumetricProperties = "VOLUME"
    kind.VolumeBasedCalculationTechnique = "NONE"
    transformation = Dataset()
    transformation.RescaleSlope = single.get("RescaleSlope", "1")
    transformation.RescaleIntercept = single.get("RescaleIntercept", "0")
    transformation.RescaleType = "HU" if modality == "CT" else "US"
    shared.PixelValueTransformationSequence = [transformation]
    if modality == "CT":
        shared.CTImageFrameTypeSequence = [kind]
        if "WindowCenter" in single:
            shared.FrameVOILUTSequence = [_item(single, "WindowCenter", "WindowWidth")]
        event = Dataset()
        event.IrradiationEventUID = uid_of(f"{single.StudyInstanceUID}/irradiation")
        shared.IrradiationEventIdentificationSequence = [event]
    else:
        kind.ComplexImageComponent = "MAGNITUDE"
        kind.AcquisitionContrast = "T1"
        shared.MRImageFrameTypeSequence = [kind]
    return shared


def _frame_groups(volume: Volume, number: int) -> Dataset:
    content = Dataset()
    content.FrameAcquisitionNumber = 1
    content.StackID = "1"
    content.InStackPositionNumber = number + 1
    content.DimensionIndexValues = [number + 1]
    position = Dataset()
    position.ImagePositionPatient = decimals((volume.geometry.matrix @ [number, 0, 0, 1])[:3])
    groups = Dataset()
    groups.FrameContentSequence = [content]
    groups.PlanePositionSequence = [position]
    return groups


def _describe_dimension(dataset: Dataset, uid: str) -> None:
    organization = Dataset()
    organization.DimensionOrganizationUID = uid
    dataset.DimensionOrganizationSequence = [organization]
    index = Dataset()
    index.DimensionOrganizationUID = uid
    index.DimensionIndexPointer = 0x00209057
    index.FunctionalGroupPointer = 0x00209111
    dataset.DimensionIndexSequence = [index]


def _item(source: Dataset, *names: str) -> Dataset:
    item = Dataset()
    for name in names:
        setattr(item, name, source[name].value)
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
