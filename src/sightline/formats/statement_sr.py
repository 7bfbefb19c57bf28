"""What a reader says of a series as Comprehensive 3D SR, TID 1500 (PS3.16), and back.

One measurement group a class, by TID 1501: present, absent, or with a number; and one by TID 1411
for each place. The name of a class is its tracking identifier, as the label of a segment is.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from sightline.formats.class_codes import PRIVATE_SCHEME, meaning_of
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset
from sightline.formats.result_object import (
    MANUFACTURER,
    Sources,
    derived_uid,
    equipment,
    read_sources,
    to_bytes,
)
from sightline.formats.sr import COMPREHENSIVE_3D_SR_STORAGE
from sightline.values.result import ResultIdentity
from sightline.values.statement import Place, Statement, StatementKind

TITLES: dict[StatementKind, Code] = {
    "presence": Code("CLASSES", PRIVATE_SCHEME, "Annotation classes"),
    "numbers": Code("VALUES", PRIVATE_SCHEME, "Annotation values"),
    "places": Code("LOCATION", PRIVATE_SCHEME, "Annotation location"),
}
"""Title of the document by the kind of what it says; by it such a report is known."""

_TARGET = Code("TARGET", PRIVATE_SCHEME, "Target")
_IMAGING = Code("363679005", "SCT", "Imaging procedure")
_PRESENCE = Code("705057003", "SCT", "Presence")
_PRESENT = Code("52101004", "SCT", "Present")
_ABSENT = Code("2667000", "SCT", "Absent")
_NUMBER = Code("NUMBER", PRIVATE_SCHEME, "Number")
_TRACKING = codes.DCM.TrackingIdentifier
_GROUP = codes.DCM.MeasurementGroup
_READER = codes.DCM.PersonObserverName


_Group: TypeAlias = (
    hd.sr.MeasurementsAndQualitativeEvaluations
    | hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FoundStatement:
    """A statement as an object holds it.

    Attributes:
        series_uid: the series that it is about.
        number: of the author's statements of this target, from 1; the last counts.
    """

    statement: Statement
    series_uid: str
    number: int


def write_statement(
    statement: Statement, sources: Sequence[Path], *, identity: ResultIdentity, number: int
) -> bytes:
    """Write what a reader says of the series that `sources` are.

    Args:
        statement: what is said.
        sources: every file of the series.
        identity: names the object and its author.
        number: which of the author's statements of this target it is, from 1; the last counts.

    Raises:
        NotDicom: A source is broken.
        OSError: A source cannot be read.
    """
    read = read_sources(sources)
    with broken_values_are_not_dicom("write the values"):
        report = hd.sr.MeasurementReport(
            observation_context=hd.sr.ObservationContext(
                observer_person_context=hd.sr.ObserverContext(
                    observer_type=codes.DCM.Person,
                    observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
                        name=_person_name(identity.author)
                    ),
                )
            ),
            procedure_reported=_IMAGING,
            imaging_measurements=list(_groups(statement, read, identity)),
            title=TITLES[statement.kind],
        )
        report[0].ContentSequence.append(
            hd.sr.TextContentItem(
                name=_TARGET,
                value=statement.target,
                relationship_type=hd.sr.RelationshipTypeValues.CONTAINS,
            )
        )
        dataset = hd.sr.Comprehensive3DSR(
            evidence=read.images,
            content=report[0],
            series_instance_uid=identity.series_uid,
            series_number=identity.series_number,
            sop_instance_uid=identity.instance_uid,
            instance_number=number,
            manufacturer=MANUFACTURER,
            is_complete=True,
            contributing_equipment=[equipment(identity)],
        )
    return to_bytes(dataset, read, identity)


def read_statement(content: bytes) -> FoundStatement | None:
    """Read what `write_statement` wrote; None of any other structured report.

    Raises:
        NotDicom: The file is broken.
        BadFile: It contradicts itself.
    """
    dataset = open_dataset(content, with_pixels=False)
    with broken_values_are_not_dicom("read the values"):
        kind = next((kind for kind, title in TITLES.items() if _names(dataset, title)), None)
        if dataset.get("SOPClassUID") != COMPREHENSIVE_3D_SR_STORAGE or kind is None:
            return None
        statement = Statement(
            target=_text(dataset, _TARGET),
            author=next((str(each.PersonName) for each in _found(dataset, _READER)), ""),
            kind=kind,
            **_said(list(_found(dataset, _GROUP))),
        )
        evidence = dataset.CurrentRequestedProcedureEvidenceSequence[0]
        found = FoundStatement(
            statement=statement,
            series_uid=str(evidence.ReferencedSeriesSequence[0].SeriesInstanceUID),
            number=int(dataset.InstanceNumber),
        )
    statement.check()
    return found


def _groups(statement: Statement, read: Sources, identity: ResultIdentity) -> Iterator[_Group]:
    for index, name in enumerate(statement.classes):
        places = [each for each in statement.places if each.class_name == name]
        measurements, evaluations = None, None
        if statement.kind == "numbers":
            unit = Code(statement.units[index], "UCUM", statement.units[index])
            measured = hd.sr.Measurement(name=_NUMBER, value=statement.numbers[index], unit=unit)
            measurements = [measured]
        else:
            is_there = bool(places) or name in statement.present
            value = _PRESENT if is_there else _ABSENT
            evaluations = [hd.sr.QualitativeEvaluation(name=_PRESENCE, value=value)]
        yield hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(name, name, identity),
            finding_type=meaning_of(name).kind,
            measurements=measurements,
            qualitative_evaluations=evaluations,
        )
        for number, place in enumerate(places):
            yield _place_group(place, key=f"{name}/{number}", read=read, identity=identity)


def _place_group(
    place: Place, *, key: str, read: Sources, identity: ResultIdentity
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    centre, half = np.array(place.centre_mm), np.array(place.size_mm) / 2
    ends = [centre + side * half * (np.arange(3) == axis) for axis in range(3) for side in (-1, 1)]
    is_point = not half.any()
    kinds = hd.sr.GraphicTypeValues3D
    surface = hd.sr.VolumeSurface(
        graphic_type=kinds.POINT if is_point else kinds.ELLIPSOID,
        graphic_data=[centre[None] if is_point else np.array(ends)],
        frame_of_reference_uid=read.images[0].FrameOfReferenceUID,
        source_series=hd.sr.SourceSeriesForSegmentation(read.images[0].SeriesInstanceUID),
    )
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(place.class_name, key, identity),
        referenced_volume_surface=surface,
        finding_type=meaning_of(place.class_name).kind,
    )


def _tracking(name: str, key: str, identity: ResultIdentity) -> hd.sr.TrackingIdentifier:
    return hd.sr.TrackingIdentifier(uid=derived_uid(identity.instance_uid, key), identifier=name)


def _person_name(author: str) -> str:
    return author if "^" in author else f"{author}^"


def _said(groups: Sequence[pydicom.Dataset]) -> dict[str, Any]:
    plain = [group for group in groups if not any(_regions(group))]
    numbers = [item for group in plain for item in _items(group) if item.ValueType == "NUM"]
    measured = [item.MeasuredValueSequence[0] for item in numbers]
    return {
        "classes": tuple(_text(group, _TRACKING) for group in plain),
        "present": tuple(_text(group, _TRACKING) for group in plain if _is_present(group)),
        "numbers": tuple(float(each.NumericValue) for each in measured),
        "units": tuple(str(each.MeasurementUnitsCodeSequence[0].CodeValue) for each in measured),
        "places": tuple(
            _place(_text(group, _TRACKING), region)
            for group in groups
            for region in _regions(group)
        ),
    }


def _place(name: str, region: pydicom.Dataset) -> Place:
    ends = np.array(region.GraphicData, dtype=np.float64).reshape(-1, 3)
    x, y, z = ends.mean(axis=0).tolist()
    width, depth, height = (ends.max(axis=0) - ends.min(axis=0)).tolist()
    return Place(class_name=name, centre_mm=(x, y, z), size_mm=(width, depth, height))


def _is_present(group: pydicom.Dataset) -> bool:
    return any(
        item.ValueType == "CODE"
        and _names(item, _PRESENCE)
        and item.ConceptCodeSequence[0].CodeValue == _PRESENT.value
        for item in _items(group)
    )


def _regions(group: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    return (item for item in _items(group) if item.ValueType == "SCOORD3D")


def _found(item: pydicom.Dataset, concept: Code) -> Iterator[pydicom.Dataset]:
    """Give the items of a content tree that have a name."""
    for each in _items(item):
        if _names(each, concept):
            yield each
        yield from _found(each, concept)


def _text(item: pydicom.Dataset, concept: Code) -> str:
    return next((str(each.TextValue) for each in _found(item, concept)), "")


def _items(item: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    yield from item.get("ContentSequence") or ()


def _names(item: pydicom.Dataset, concept: Code) -> bool:
    name = (item.get("ConceptNameCodeSequence") or [pydicom.Dataset()])[0]
    return (name.get("CodeValue"), name.get("CodingSchemeDesignator")) == (
        concept.value,
        concept.scheme_designator,
    )
