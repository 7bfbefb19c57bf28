"""What every message about a result says, in coded items: how it was made, what was measured."""

import dataclasses

from pydicom.sr.coding import Code

from sightline.formats.class_codes import LONG_AXIS, PARTS, PRIVATE_SCHEME, VOLUME
from sightline.values.clinical_result import ClinicalResult
from sightline.values.finding import Finding

NOTICE = "RESEARCH USE ONLY. Not for diagnosis or treatment."
COMMENT = Code("121106", "DCM", "Comment")
FINDING = Code("121071", "DCM", "Finding")
IMAGING_STUDY = Code("18748-4", "LN", "Diagnostic imaging study")

_PROBABILITY = Code("PROBABILITY", PRIVATE_SCHEME, "Probability")
_MODEL = Code("111001", "DCM", "Algorithm Name")
_VERSION = Code("111003", "DCM", "Algorithm Version")
_LINEAGE = Code("LINEAGE", PRIVATE_SCHEME, "Lineage id")
_STUDY = Code("110180", "DCM", "Study Instance UID")
_SERIES = Code("112002", "DCM", "Series Instance UID")
_INSTANCE = Code("SOP-INSTANCE", PRIVATE_SCHEME, "SOP Instance UID")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """One number of a finding.

    Attributes:
        name: a word for ids.
        unit: in UCUM.
    """

    name: str
    code: Code
    value: float
    unit: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """What was said of one class."""

    class_name: str
    numbers: tuple[Number, ...]


def groups_of(finding: Finding) -> list[Group]:
    """Return the numbers of a finding by class: those that were measured, then the probable."""
    measured = [
        Group(
            class_name=each.class_name,
            numbers=(
                Number(name="volume", code=VOLUME, value=each.volume_ml, unit="ml"),
                Number(name="long-axis", code=LONG_AXIS, value=each.longest_diameter_mm, unit="mm"),
                Number(name="parts", code=PARTS, value=each.components, unit="1"),
            ),
        )
        for each in finding.measurements
    ]
    probable = [
        Group(
            class_name=each.class_name,
            numbers=(
                Number(name="probability", code=_PROBABILITY, value=each.probability, unit="1"),
            ),
        )
        for each in finding.probabilities
    ]
    return measured + probable


def caution_lines(finding: Finding) -> list[str]:
    """Say why a finding is to be taken with caution, a sentence each."""
    return [f"CAUTION: {each}." for each in finding.cautions]


def origin_of(result: ClinicalResult) -> list[tuple[Code, str]]:
    """Return what a result was made by and of, and the objects it was published as."""
    prediction = result.prediction
    name, version = model_of(result)
    return [
        (_MODEL, name),
        (_VERSION, version),
        (_LINEAGE, prediction.lineage_id),
        (_STUDY, prediction.study_uid),
        (_SERIES, prediction.series_uid),
        *((_INSTANCE, each.instance_uid) for each in result.instances),
    ]


def model_of(result: ClinicalResult) -> tuple[str, str]:
    """Return name and version of the model."""
    name, _, version = result.prediction.model_version.rpartition("@")
    return name, version


def decimal(value: float) -> str:
    """Write a number without exponent, to four places, as HL7 and FHIR take it."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def name_groups(name: str) -> list[list[str]]:
    """Return the groups of a DICOM name (alphabetic, ideographic, phonetic), five parts each.

    A group that says nothing is an empty list (PS3.5 6.2.1.2).
    """
    groups = [group.split("^")[:5] for group in name.split("=")[:3]]
    return [[*parts, *[""] * (5 - len(parts))] if any(parts) else [] for parts in groups]
