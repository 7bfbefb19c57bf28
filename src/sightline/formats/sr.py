"""Structured reports: measurements of a finding as Comprehensive 3D SR, TID 1500 (PS3.16)."""

import dataclasses
import io
from collections.abc import Sequence

import highdicom as hd
import pydicom
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from sightline.errors import BadFile
from sightline.formats.class_codes import LONG_AXIS, PARTS, VOLUME, meaning_of
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset
from sightline.formats.dicom_file import read_header
from sightline.formats.result_items import caution_lines
from sightline.formats.result_object import (
    MANUFACTURER,
    RESEARCH_ONLY,
    Sources,
    derived_uid,
    equipment,
    software_version,
    to_bytes,
)
from sightline.formats.seg import SEGMENTATION_STORAGE, SegOrigin, read_seg_origin
from sightline.values.finding import Finding, Measurement
from sightline.values.result import ResultIdentity

COMPREHENSIVE_3D_SR_STORAGE = "1.2.840.10008.5.1.4.1.1.88.34"

_MILLILITRE = Code("ml", "UCUM", "milliliter")
_MILLIMETRE = Code("mm", "UCUM", "millimeter")
_ONE = Code("1", "UCUM", "no units")
_IMAGING = Code("363679005", "SCT", "Imaging procedure")
_COMMENT = codes.DCM.Comment
_MARK = f"{RESEARCH_ONLY}. "


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a structured report of ours says.

    Attributes:
        words: the finding in a line; without the research mark.
        cautions: why it is to be taken with caution, a sentence each.
        device: name of the model.
        model_version: `NAME@N`.
        seg_uid: SOP Instance UID of the segmentation that was measured.
    """

    measurements: tuple[Measurement, ...]
    words: str
    cautions: tuple[str, ...]
    device: str
    model_version: str
    seg_uid: str
    is_research_only: bool


def write_sr(finding: Finding, sources: Sources, seg: bytes, *, identity: ResultIdentity) -> bytes:
    """Write the measurements of a finding, one group a class.

    Each group carries the tracking identifier of its segment in `seg` and refers to it.

    Args:
        finding: its classes are those of `seg`.
        sources: the images that were measured.
        seg: the segmentation that was measured, as `write_seg` made it.
        identity: names the object and what made it.

    Raises:
        BadFile: A measured class is no segment of `seg`.
        NotDicom: A source is broken.
    """
    with broken_values_are_not_dicom("write the report"):
        segmentation = pydicom.dcmread(io.BytesIO(seg), stop_before_pixels=True)
        report = hd.sr.MeasurementReport(
            observation_context=hd.sr.ObservationContext(observer_device_context=_device(identity)),
            procedure_reported=_IMAGING,
            imaging_measurements=_groups(finding, seg, identity),
            title=codes.DCM.ImagingMeasurementReport,
        )
        report[0].ContentSequence.extend(_comments(finding, identity))
        dataset = hd.sr.Comprehensive3DSR(
            evidence=[*sources.images, segmentation],
            content=report[0],
            series_instance_uid=identity.series_uid,
            series_number=identity.series_number,
            sop_instance_uid=identity.instance_uid,
            instance_number=1,
            manufacturer=MANUFACTURER,
            is_complete=True,
            contributing_equipment=[equipment(identity)],
        )
    return to_bytes(dataset, sources, identity)


def read_sr(content: bytes) -> Report:
    """Read a report that `write_sr` made.

    Raises:
        NotDicom: The file is broken.
        BadFile: No measurement report of ours.
    """
    dataset = open_dataset(content, with_pixels=False)
    with broken_values_are_not_dicom("read the report"):
        if dataset.get("SOPClassUID") != COMPREHENSIVE_3D_SR_STORAGE:
            raise BadFile("no Comprehensive 3D SR", hint="Give a report that Sightline published.")
        report = hd.sr.Comprehensive3DSR.from_dataset(dataset).content
        if not isinstance(report, hd.sr.MeasurementReport):
            raise BadFile("no measurement report", hint="Give a report that Sightline published.")
        groups = report.get_volumetric_roi_measurement_groups()
        said = [str(item.value) for item in report[0].ContentSequence if item.name == _COMMENT]
        comment, *cautions = said
        maker = next(
            item
            for item in dataset.ContributingEquipmentSequence
            if item.get("Manufacturer") == MANUFACTURER
        )
        return Report(
            measurements=tuple(_read_measurement(group) for group in groups),
            words=comment.removeprefix(_MARK),
            cautions=tuple(cautions),
            device=str(maker.ManufacturerModelName),
            model_version=str(maker.SoftwareVersions),
            seg_uid=_seg_uid(groups),
            is_research_only=comment.startswith(RESEARCH_ONLY),
        )


def _device(identity: ResultIdentity) -> hd.sr.ObserverContext:
    attributes = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=derived_uid(identity.model_digest or identity.author, "device"),
        name=identity.model_version or identity.author,
        manufacturer_name=MANUFACTURER,
        model_name=identity.author,
        serial_number=identity.model_digest or software_version(),
    )
    return hd.sr.ObserverContext(
        observer_type=codes.DCM.Device, observer_identifying_attributes=attributes
    )


def _comments(finding: Finding, identity: ResultIdentity) -> list[hd.sr.TextContentItem]:
    """Write the finding in a line, and then why it is to be taken with caution."""
    mark = _MARK if identity.is_research_only else ""
    return [
        hd.sr.TextContentItem(
            name=_COMMENT, value=text, relationship_type=hd.sr.RelationshipTypeValues.CONTAINS
        )
        for text in (f"{mark}{finding.words}", *caution_lines(finding))
    ]


def _groups(
    finding: Finding, seg: bytes, identity: ResultIdentity
) -> list[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations]:
    origin = read_seg_origin(seg)
    for measurement in finding.measurements:
        if measurement.class_name not in origin.classes:
            raise BadFile(
                f"{measurement.class_name!r} is no class of the segmentation",
                hint=f"It holds {', '.join(origin.classes)}.",
            )
    algorithm = hd.sr.AlgorithmIdentification(
        name=identity.author, version=identity.model_version or software_version()
    )
    return [
        hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(measurement, origin),
            referenced_segment=_segment(measurement, origin, read_header(seg).instance_uid),
            finding_category=meaning_of(measurement.class_name).category,
            finding_type=meaning_of(measurement.class_name).kind,
            algorithm_id=algorithm,
            measurements=_numbers(measurement),
        )
        for measurement in finding.measurements
    ]


def _tracking(measurement: Measurement, origin: SegOrigin) -> hd.sr.TrackingIdentifier:
    uid = origin.tracking_uids[origin.classes.index(measurement.class_name)]
    return hd.sr.TrackingIdentifier(uid=uid, identifier=measurement.class_name)


def _segment(measurement: Measurement, origin: SegOrigin, seg_uid: str) -> hd.sr.ReferencedSegment:
    return hd.sr.ReferencedSegment(
        sop_class_uid=SEGMENTATION_STORAGE,
        sop_instance_uid=seg_uid,
        segment_number=origin.classes.index(measurement.class_name) + 1,
        source_series=hd.sr.SourceSeriesForSegmentation(origin.source_series_uid),
    )


def _numbers(measurement: Measurement) -> list[hd.sr.Measurement]:
    return [
        hd.sr.Measurement(name=VOLUME, value=measurement.volume_ml, unit=_MILLILITRE),
        hd.sr.Measurement(name=LONG_AXIS, value=measurement.longest_diameter_mm, unit=_MILLIMETRE),
        hd.sr.Measurement(name=PARTS, value=measurement.components, unit=_ONE),
    ]


def _seg_uid(groups: Sequence[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations]) -> str:
    for group in groups:
        if group.referenced_segment is not None:
            return str(group.referenced_segment.referenced_sop_instance_uid)
    return ""


def _read_measurement(
    group: hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations,
) -> Measurement:
    values = {item.name.value: float(item.value) for item in group.get_measurements()}
    return Measurement(
        class_name=str(group.tracking_identifier),
        volume_ml=values[VOLUME.value],
        longest_diameter_mm=values[LONG_AXIS.value],
        components=int(values[PARTS.value]),
        tracking_uid=str(group.tracking_uid),
    )
