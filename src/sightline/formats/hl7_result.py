"""A result as an HL7 v2.5.1 message ORU^R01 (chapter 7), for whoever keeps orders and reports.

The result status is P, preliminary: nobody has confirmed it. The same result gives the same bytes.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping

from pydicom.sr.coding import Code

from sightline.formats.class_codes import meaning_of
from sightline.formats.hl7 import escaped
from sightline.formats.result_items import (
    COMMENT,
    FINDING,
    IMAGING_STUDY,
    NOTICE,
    caution_lines,
    decimal,
    groups_of,
    name_groups,
    origin_of,
)
from sightline.values.clinical_result import ClinicalResult
from sightline.values.identity import Patient

_UNITS = {"ml": "milliliter", "mm": "millimeter", "1": "no units"}
_CRITICAL = "AA"
# HL7 table 0465: how the groups of a DICOM name are written.
_WRITINGS = ("A", "I", "P")


def write_oru(result: ClinicalResult, *, facility: str, notice: int = 0) -> bytes:
    """Write the message that tells of a result, in UTF-8.

    Args:
        result: what it says.
        facility: who sends it (MSH-4).
        notice: of an alert, which marks the finding as critical (OBX-8 `AA`, table 0078); each is a
            message of its own. 0 for the result itself.
    """
    lines = [
        _header(result, facility, notice),
        _patient(result.patient),
        _report(result),
        *(
            item.line(position, result)
            for position, item in enumerate(_items(result, is_critical=notice > 0), start=1)
        ),
    ]
    return "".join(f"{line}\r" for line in lines).encode()


def _header(result: ClinicalResult, facility: str, notice: int) -> str:
    # MSH-10 has 20 characters (2.15.9.10).
    suffix = f"A{notice}" if notice else ""
    # MSH-1 is the separator itself, so it is not counted.
    fields = {
        1: "^~\\&",
        2: "SIGHTLINE",
        3: escaped(facility),
        6: _at(result),
        8: "ORU^R01^ORU_R01",
        9: result.message_id[: 20 - len(suffix)] + suffix,
        10: "P",
        11: "2.5.1",
        17: "UNICODE UTF-8",
    }
    return _segment("MSH", fields)


def _patient(patient: Patient) -> str:
    number = f"{escaped(patient.patient_id)}^^^{escaped(patient.issuer)}^MR"
    day, sex = escaped(patient.birth_date), escaped(patient.sex)
    return _segment("PID", {1: "1", 3: number, 5: _name(patient.name), 7: day, 8: sex})


def _name(name: str) -> str:
    """Write a DICOM name as repetitions of XPN, of which the order of parts differs (2.A.89)."""
    repetitions = []
    for writing, parts in zip(_WRITINGS, name_groups(name), strict=False):
        if parts:
            family, given, middle, prefix, suffix = map(escaped, parts)
            repetitions.append(f"{family}^{given}^{middle}^{suffix}^{prefix}^^L^{writing}")
    return "~".join(repetitions)


def _report(result: ClinicalResult) -> str:
    fields = {
        1: "1",
        3: f"{escaped(result.prediction.lineage_id)}^SIGHTLINE",
        4: _coded(IMAGING_STUDY),
        7: _studied_at(result),
        18: escaped(result.accession_number),
        22: _at(result),
        24: "RAD",
        25: "P",
    }
    return _segment("OBR", fields)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Item:
    """What one OBX says.

    Attributes:
        kind: HL7 data type of the value.
        value: escaped.
        part: tells what is of one class from the rest (OBX-4).
        unit: in UCUM; empty for none.
        flag: abnormal flag (OBX-8); empty for none.
    """

    kind: str
    code: Code
    value: str
    part: str = ""
    unit: str = ""
    flag: str = ""

    def line(self, position: int, result: ClinicalResult) -> str:
        """Write the segment; its result status is P (table 0085)."""
        unit = f"{self.unit}^{_UNITS[self.unit]}^UCUM" if self.unit else ""
        fields = {
            1: str(position),
            2: self.kind,
            3: _coded(self.code),
            4: self.part,
            5: self.value,
            6: unit,
            8: self.flag,
            11: "P",
            14: _studied_at(result),
            18: f"{escaped(result.prediction.model_version)}^SIGHTLINE",
        }
        return _segment("OBX", fields)


def _items(result: ClinicalResult, *, is_critical: bool) -> Iterator[_Item]:
    yield _Item(kind="TX", code=COMMENT, value=NOTICE)
    flag = _CRITICAL if is_critical else ""
    yield _Item(kind="TX", code=FINDING, value=_text(result.finding.words), flag=flag)
    for number, line in enumerate(caution_lines(result.finding), start=1):
        yield _Item(kind="TX", code=COMMENT, value=_text(line), part=f"CAUTION{number}")
    for number, group in enumerate(groups_of(result.finding), start=1):
        # CWE.9 is the name as the model has it.
        named = f"{_coded(meaning_of(group.class_name).kind)}^^^^^^{escaped(group.class_name)}"
        yield _Item(kind="CWE", code=FINDING, value=named, part=str(number))
        for each in group.numbers:
            value = decimal(each.value)
            yield _Item(kind="NM", code=each.code, value=value, part=str(number), unit=each.unit)
    seen: Counter[str] = Counter()
    for code, value in origin_of(result):
        seen[code.value] += 1
        yield _Item(kind="ST", code=code, value=escaped(value), part=str(seen[code.value]))


def _segment(name: str, fields: Mapping[int, str]) -> str:
    return "|".join((name, *(fields.get(number, "") for number in range(1, max(fields) + 1))))


def _text(text: str) -> str:
    """Write a text of lines; of type TX, repetitions are lines (2.A.78)."""
    return "~".join(escaped(line) for line in text.splitlines())


def _coded(code: Code) -> str:
    return "^".join(map(escaped, (code.value, code.meaning, code.scheme_designator)))


def _at(result: ClinicalResult) -> str:
    return result.published_at.strftime("%Y%m%d%H%M%S+0000")


def _studied_at(result: ClinicalResult) -> str:
    """Return when the study was made, in the scanner's time; empty where it does not say."""
    day, time = result.study_date, result.study_time.partition(".")[0]
    if len(day) != len("YYYYMMDD") or not day.isdigit():
        return ""
    return day + (time if len(time) in {4, 6} and time.isdigit() else "")
