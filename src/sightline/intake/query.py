"""C-FIND without the network: what an identifier asks for, matched against the archive.

The models are those of PS3.4 C.6.1 (patient root) and C.6.2 (study root); matching is by single
value, list of UIDs, wildcard, range and universal (C.2.2.2), as far as the archive keeps the
attribute. What is asked for besides comes back empty.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from sightline.archive.archive import Archive
from sightline.archive.search import (
    Found,
    FoundInstance,
    FoundSeries,
    FoundStudy,
    Matches,
    Window,
    search_instances,
    search_series,
    search_studies,
)
from sightline.archive.search_keys import Keys, Range
from sightline.intake.query_identifiers import (
    INSTANCE_UID,
    PATIENT_ID,
    SERIES_UID,
    STUDY_UID,
    Identifier,
    Level,
    Value,
    is_wild,
)

Match: TypeAlias = Mapping[int, Value]
"""Values by tag, of what the archive keeps."""

_PAGE = 500
_WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_RANGE_VRS = frozenset({"DA", "TM"})


def matches(archive: Archive, identifier: Identifier) -> Iterator[Match]:
    """Give what matches, page by page, so that memory does not grow with the answer."""
    readers = {
        "PATIENT": _patients,
        "STUDY": _studies,
        "SERIES": _series,
        "IMAGE": _instances,
    }
    for match in readers[identifier.level](archive, _search_keys(identifier)):
        if all(_is_match(tag, identifier, match) for tag in identifier.vrs):
            yield match


def found_instances(archive: Archive, identifier: Identifier) -> Iterator[FoundInstance]:
    """Give the instances that a retrieval names by its unique keys (PS3.4 C.4.2.2.1)."""
    keys = Keys(
        study_uids=identifier.uids(STUDY_UID),
        series_uids=identifier.uids(SERIES_UID),
        instance_uids=identifier.uids(INSTANCE_UID),
    )
    wanted = set(filter(None, identifier.keys.get(PATIENT_ID, "").split("\\")))
    for found in _pages(search_instances, archive, keys):
        if not wanted or found.series.study.patient.patient_id in wanted:
            yield found


def is_wholly_supported(identifier: Identifier) -> bool:
    """Tell whether the archive keeps every attribute that is asked for at this level."""
    return all(
        (about := _ATTRIBUTES.get(tag)) is not None and identifier.level in about.levels
        for tag in identifier.vrs
    )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Attribute:
    """An attribute that the archive keeps; `levels` are those at which it is answered."""

    vr: str
    levels: frozenset[Level]


def _at(vr: str, *levels: Level) -> _Attribute:
    return _Attribute(vr=vr, levels=frozenset(levels))


_BELOW_PATIENT: tuple[Level, ...] = ("STUDY", "SERIES", "IMAGE")
_EVERYWHERE: tuple[Level, ...] = ("PATIENT", *_BELOW_PATIENT)
_ATTRIBUTES: dict[int, _Attribute] = {
    0x00080054: _at("AE", *_EVERYWHERE),
    0x00080056: _at("CS", *_BELOW_PATIENT),
    0x00100010: _at("PN", *_EVERYWHERE),
    PATIENT_ID: _at("LO", *_EVERYWHERE),
    0x00100021: _at("LO", *_EVERYWHERE),
    0x00100030: _at("DA", *_EVERYWHERE),
    0x00100040: _at("CS", *_EVERYWHERE),
    0x00201200: _at("IS", "PATIENT"),
    0x00201202: _at("IS", "PATIENT"),
    0x00201204: _at("IS", "PATIENT"),
    STUDY_UID: _at("UI", *_BELOW_PATIENT),
    0x00080020: _at("DA", *_BELOW_PATIENT),
    0x00080030: _at("TM", *_BELOW_PATIENT),
    0x00080050: _at("SH", *_BELOW_PATIENT),
    0x00081030: _at("LO", *_BELOW_PATIENT),
    0x00080061: _at("CS", *_BELOW_PATIENT),
    0x00201206: _at("IS", *_BELOW_PATIENT),
    0x00201208: _at("IS", *_BELOW_PATIENT),
    SERIES_UID: _at("UI", "SERIES", "IMAGE"),
    0x00080060: _at("CS", "SERIES", "IMAGE"),
    0x00200011: _at("IS", "SERIES", "IMAGE"),
    0x0008103E: _at("LO", "SERIES", "IMAGE"),
    0x00180015: _at("CS", "SERIES", "IMAGE"),
    0x00080070: _at("LO", "SERIES", "IMAGE"),
    0x00081090: _at("LO", "SERIES", "IMAGE"),
    0x00201209: _at("IS", "SERIES", "IMAGE"),
    INSTANCE_UID: _at("UI", "IMAGE"),
    0x00080016: _at("UI", "IMAGE"),
    0x00083002: _at("UI", "IMAGE"),
    0x00200013: _at("IS", "IMAGE"),
    0x00280008: _at("IS", "IMAGE"),
    0x00280010: _at("US", "IMAGE"),
    0x00280011: _at("US", "IMAGE"),
}
# Told, and never matched: numbers of what is below, and where it can be had.
_RETURNED_ONLY = frozenset(
    {0x00080054, 0x00080056, 0x00083002, 0x00201200, 0x00201202, 0x00201204, 0x00201206}
    | {0x00201208, 0x00201209}
)


def _patients(archive: Archive, keys: Keys) -> Iterator[Match]:
    counts: dict[tuple[str, str], list[int]] = {}
    about: dict[tuple[str, str], Match] = {}
    for study in _pages(search_studies, archive, keys):
        patient = (study.patient.patient_id, study.patient.issuer)
        about.setdefault(patient, _of_patient(study))
        total = counts.setdefault(patient, [0, 0, 0])
        for place, more in enumerate((1, study.series, study.instances)):
            total[place] += more
    for patient in sorted(about):
        numbers = dict(zip((0x00201200, 0x00201202, 0x00201204), counts[patient], strict=True))
        yield {**about[patient], **numbers}


def _studies(archive: Archive, keys: Keys) -> Iterator[Match]:
    for study in _pages(search_studies, archive, keys):
        yield _of_study(study)


def _series(archive: Archive, keys: Keys) -> Iterator[Match]:
    for series in _pages(search_series, archive, keys):
        yield _of_series(series)


def _instances(archive: Archive, keys: Keys) -> Iterator[Match]:
    for instance in _pages(search_instances, archive, keys):
        yield _of_instance(instance)


def _pages(
    search: Callable[[Archive, Keys, Window], Matches[Found]], archive: Archive, keys: Keys
) -> Iterator[Found]:
    offset = 0
    while True:
        page = search(archive, keys, Window(offset=offset, limit=_PAGE))
        yield from page.found
        if not page.has_more:
            return
        offset += _PAGE


def _of_patient(study: FoundStudy) -> dict[int, Value]:
    patient = study.patient
    return {
        0x00100010: patient.name,
        PATIENT_ID: patient.patient_id,
        0x00100021: patient.issuer,
        0x00100030: patient.birth_date,
        0x00100040: patient.sex,
    }


def _of_study(study: FoundStudy) -> dict[int, Value]:
    return _of_patient(study) | {
        STUDY_UID: study.uid,
        0x00080020: study.date,
        0x00080030: study.time,
        0x00080050: study.accession_number,
        0x00080056: "ONLINE",
        0x00081030: study.description,
        0x00080061: "\\".join(study.modalities),
        0x00201206: study.series,
        0x00201208: study.instances,
    }


def _of_series(series: FoundSeries) -> dict[int, Value]:
    return _of_study(series.study) | {
        SERIES_UID: series.uid,
        0x00080060: series.modality,
        0x00200011: _number(series.number),
        0x0008103E: series.description,
        0x00180015: series.body_part,
        0x00080070: series.manufacturer,
        0x00081090: series.manufacturer_model,
        0x00201209: series.instances,
    }


def _of_instance(instance: FoundInstance) -> dict[int, Value]:
    return _of_series(instance.series) | {
        INSTANCE_UID: instance.uid,
        0x00080016: instance.sop_class_uid,
        0x00083002: instance.transfer_syntax_uid,
        0x00200013: _number(instance.number),
        0x00280008: _number(instance.frames),
        0x00280010: _number(instance.rows),
        0x00280011: _number(instance.columns),
    }


def _number(value: int | None) -> Value:
    return "" if value is None else value


def _search_keys(identifier: Identifier) -> Keys:
    """Ask the catalog for what it can tell apart; `_is_match` decides on the rest."""
    text = {
        tag: identifier.keys[tag] if _is_asked(tag, identifier) else "" for tag in identifier.keys
    }

    def of(tag: int) -> str:
        return text.get(tag, "")

    def plain(tag: int) -> tuple[str, ...]:
        return () if is_wild(of(tag)) else tuple(filter(None, of(tag).split("\\")))

    return Keys(
        patient_name=of(0x00100010),
        patient_id=of(PATIENT_ID),
        birth_date=_range(of(0x00100030)),
        study_uids=plain(STUDY_UID),
        study_date=_range(of(0x00080020)),
        study_time=_range(of(0x00080030)),
        accession_number=of(0x00080050),
        study_description=of(0x00081030),
        modalities_in_study=plain(0x00080061),
        series_uids=plain(SERIES_UID),
        modalities=plain(0x00080060),
        series_description=of(0x0008103E),
        instance_uids=plain(INSTANCE_UID),
        sop_class_uids=plain(0x00080016),
    )


def _is_asked(tag: int, identifier: Identifier) -> bool:
    """Tell whether a key is matched at this level; others come back as they are, or empty."""
    about = _ATTRIBUTES.get(tag)
    return about is not None and identifier.level in about.levels and tag not in _RETURNED_ONLY


def _is_match(tag: int, identifier: Identifier, match: Match) -> bool:
    key = identifier.keys.get(tag, "")
    if not key or not _is_asked(tag, identifier):
        return True
    vr, value = _ATTRIBUTES[tag].vr, str(match.get(tag, ""))
    if vr == "UI":
        return value in key.split("\\")
    if vr in _RANGE_VRS:
        return _is_within(value, key)
    if vr == "IS":
        return value == str(int(key)) if re.fullmatch(r"[+-]?\d{1,9}", key) else False
    return any(_is_text(each, key, vr) for each in (value.split("\\") if vr == "CS" else [value]))


def _is_text(value: str, key: str, vr: str) -> bool:
    # PS3.4 C.2.2.2.1: case counts, but for names of persons.
    ignore_case = re.IGNORECASE if vr == "PN" else 0
    # Several values of one key: any of them (C.2.2.2.1 for Modalities in Study).
    for each in key.split("\\") if vr == "CS" else [key]:
        pattern = re.escape(each)
        if vr in _WILDCARD_VRS:
            pattern = pattern.replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(pattern, value, re.DOTALL | ignore_case):
            return True
    return False


def _is_within(value: str, key: str) -> bool:
    """Match a date or a time, or a range of them (PS3.4 C.2.2.2.5); an unknown one is in none."""
    asked = _range(key)
    if not value:
        return False
    return value >= asked.first and (not asked.last or value[: len(asked.last)] <= asked.last)


def _range(key: str) -> Range:
    first, dash, last = key.replace(":", "").partition("-")
    return Range(first=first.strip(), last=last.strip() if dash else first.strip())
