"""What HL7 v2 messages say, in our words: who a person is, what was ordered, reported, measured.

Trigger events and fields as in HL7 v2.5.1 chapters 3, 4 and 7; accession number and Study Instance
UID where IHE RAD Scheduled Workflow puts them (IPC-1, OBR-18, ZDS-1).
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence

from sightline.errors import BadMessage
from sightline.formats.hl7 import Message, Segment
from sightline.values.clinical import (
    Clinical,
    ClinicalRecord,
    Correction,
    Demographics,
    Merge,
    PatientChange,
    Person,
    Unmerge,
)

_CORRECTIONS = frozenset({"A01", "A04", "A05", "A08"})
_MERGES = frozenset({"A18", "A34", "A40", "A47"})
_ORDERS = frozenset({"ORM^O01", "OMI^O23"})
_NULL = '""'
# HL7 table 0203: what a hospital's own number is called; a national number is another's.
_OWN_NUMBERS = frozenset({"", "MR", "PI", "PT", "PN"})
_SEX = {"M": "M", "F": "F", "O": "O", "A": "O", "U": "", "N": "", _NULL: ""}
# HL7 table 0074: sections that make images.
_IMAGING = frozenset(
    {"RAD", "RUS", "RX", "RT", "CT", "MR", "NMR", "NMS", "OUS", "CUS", "VUS", "XRC", "VR", "EC"}
)
_WORDS = frozenset({"TX", "FT", "ST", "CE", "CWE", "ED"})
_VALUES = frozenset({"NM", "SN", "ST", "CE", "CWE", "DT", "TS", "DTM", "TX", "FT", "NA", "IS"})
_STUDY_UID_CODES = frozenset({"113014", "110180"})
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_DAY = re.compile(r"\d{8}")

IssuerOf = Callable[[str], str]


def read_message(message: Message, issuer_of: IssuerOf) -> Clinical:
    """Return what a message says.

    Args:
        message: the message.
        issuer_of: tells whose patient ids a sending facility means that names no authority.

    Raises:
        BadMessage: It is of a kind that is not taken, or lacks what it must have.
    """
    reader = _Reader(message, issuer_of(message.header.text(4)))
    code, trigger = message.header.text(9), message.header.text(9, 2)
    if code == "ADT" and trigger in _CORRECTIONS:
        return Clinical(changes=(Correction(person=reader.one_person()),))
    if code == "ADT" and trigger in _MERGES:
        return Clinical(changes=tuple(reader.merges()))
    if (code, trigger) == ("ADT", "A37"):
        return Clinical(changes=(reader.unmerge(),))
    if message.kind in _ORDERS:
        return reader.records(_order_of)
    if message.kind == "ORU^R01":
        return reader.records(_results_of)
    raise BadMessage(
        "messages of this type and event are not taken",
        hint="Taken are ADT A01 A04 A05 A08 A18 A34 A37 A40 A47, ORM^O01, OMI^O23 and ORU^R01; "
        "let the sender leave out the others.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Group:
    """One order of a message: its ORC and OBR, and what follows them.

    Attributes:
        number: 1, 2, 3 ... within the message.
    """

    person: Person | None
    segments: tuple[Segment, ...]
    message: Message
    number: int

    def first(self, name: str, number: int, component: int = 1) -> str:
        """Return a component of the first segment of that name; empty where there is none."""
        found = (each for each in self.segments if each.name == name)
        segment = next(found, None)
        return segment.text(number, component) if segment else ""

    def any_of(self, *places: tuple[str, int]) -> str:
        """Return the first that is not empty."""
        return next(filter(None, (self.first(*place) for place in places)), "")

    def all(self, name: str) -> list[Segment]:
        """Return the segments of that name."""
        return [each for each in self.segments if each.name == name]

    def day(self, *places: tuple[str, int]) -> str:
        """Return the day of the first place that has one, else that of the message."""
        found = (_day(self.first(*place)) for place in places)
        return next(filter(None, found), "") or _day(self.message.header.text(7))

    @property
    def accession_number(self) -> str:
        return self.any_of(("IPC", 1), ("OBR", 18), ("OBR", 3), ("ORC", 3))

    @property
    def study_uid(self) -> str:
        named = [self.first("ZDS", 1), self.first("IPC", 3)]
        named += [each.text(5) for each in self.all("OBX") if each.text(3) in _STUDY_UID_CODES]
        return next((uid for uid in named if _UID.fullmatch(uid)), "")

    @property
    def key(self) -> str:
        """By which its sender knows the order; the message's own id where it says none."""
        named = self.any_of(("OBR", 3), ("ORC", 3), ("OBR", 2), ("ORC", 2), ("IPC", 1), ("OBR", 18))
        return named or f"{self.message.control_id}/{self.number}"

    @property
    def title(self) -> str:
        return self.first("OBR", 4, 2) or self.first("OBR", 4)


class _Reader:
    def __init__(self, message: Message, issuer: str) -> None:
        self._message = message
        self._issuer = issuer

    def one_person(self) -> Person:
        return self._person(self._all("PID", at_least=1)[0])

    def merges(self) -> Iterator[PatientChange]:
        """Read each PID with the MRG that follows it."""
        self._all("MRG", at_least=1)
        survivor: Segment | None = None
        for segment in self._message.segments:
            if segment.name == "PID":
                survivor = segment
            elif segment.name == "MRG":
                if survivor is None:
                    raise _lacking("a PID before its MRG")
                merged = self._identity(segment, 1, Demographics(name=_name(segment, 7)))
                yield Merge(survivor=self._person(survivor), merged=merged)

    def unmerge(self) -> Unmerge:
        """Read the two identities: two PID, or a PID and its MRG."""
        persons = [self._person(each) for each in self._all("PID", at_least=1)]
        persons += [
            self._identity(each, 1, Demographics())
            for each in self._message.segments
            if each.name == "MRG"
        ]
        if len(persons) != 2:  # noqa: PLR2004 - an unmerge is of two
            raise _lacking("two identities, as two PID segments")
        return Unmerge(one=persons[0], other=persons[1])

    def records(self, read: Callable[[_Group], Sequence[ClinicalRecord]]) -> Clinical:
        records = [record for group in self._groups() for record in read(group)]
        if not records:
            raise _lacking("an order or a result, as an OBR or OBX segment")
        return Clinical(records=tuple(records))

    def _groups(self) -> Iterator[_Group]:
        """Cut a message at its orders: an ORC, or an OBR that follows no ORC, begins one."""
        person: Person | None = None
        current: list[Segment] = []
        number = 0
        for segment in [*self._message.segments[1:], None]:
            begins = segment is None or _begins_order(segment, current)
            if begins and current:
                number += 1
                yield _Group(
                    person=person, segments=tuple(current), message=self._message, number=number
                )
                current = []
            if segment is None:
                return
            if segment.name == "PID":
                person = self._person(segment)
            elif current or segment.name in {"ORC", "OBR"}:
                current.append(segment)

    def _all(self, name: str, *, at_least: int) -> list[Segment]:
        found = [each for each in self._message.segments if each.name == name]
        if len(found) < at_least:
            raise _lacking(f"a segment {name}")
        return found

    def _person(self, segment: Segment) -> Person:
        said = Demographics(
            name=_name(segment, 5), birth_date=_birth_date(segment), sex=_sex(segment)
        )
        # PID-2 held the number in versions before 2.3.1.
        return self._identity(segment, 3 if segment.text(3) else 2, said)

    def _identity(self, segment: Segment, number: int, said: Demographics) -> Person:
        named = [each for each in segment.repetitions(number) if segment.part(each)]
        own = [each for each in named if segment.part(each, 5) in _OWN_NUMBERS]
        chosen = next(iter(own or named), "")
        return Person(
            patient_id=segment.part(chosen),
            issuer=segment.part(chosen, 4) or self._issuer,
            demographics=said,
        )


def _begins_order(segment: Segment, current: list[Segment]) -> bool:
    if segment.name in {"PID", "ORC"}:
        return True
    return segment.name == "OBR" and any(each.name == "OBR" for each in current)


def _order_of(group: _Group) -> list[ClinicalRecord]:
    reasons = [group.first("OBR", 31, 2) or group.first("OBR", 31), group.first("OBR", 13)]
    notes = [each.whole(3) for each in group.all("NTE")]
    return [
        ClinicalRecord(
            kind="order",
            source_key=group.key,
            person=group.person,
            accession_number=group.accession_number,
            study_uid=group.study_uid,
            date=group.day(("OBR", 36), ("TQ1", 7), ("OBR", 27), ("OBR", 7), ("ORC", 9)),
            title=group.title,
            text="\n".join(dict.fromkeys(filter(None, [*reasons, *notes]))),
            status=group.first("ORC", 1),
        )
    ]


def _results_of(group: _Group) -> list[ClinicalRecord]:
    if _is_report(group):
        return [_report_of(group)]
    return [
        _observation_of(group, each)
        for each in group.all("OBX")
        if each.text(2) in _VALUES and each.whole(5)
    ]


def _is_report(group: _Group) -> bool:
    has_words = any(each.text(2) in {"TX", "FT"} for each in group.all("OBX"))
    is_imaging = group.first("OBR", 24) in _IMAGING
    return is_imaging or bool(group.study_uid) or has_words


def _report_of(group: _Group) -> ClinicalRecord:
    words = [
        each.whole(5)
        for each in group.all("OBX")
        if each.text(2) in _WORDS and each.text(3) not in _STUDY_UID_CODES
    ]
    return ClinicalRecord(
        kind="report",
        source_key=group.key,
        person=group.person,
        accession_number=group.accession_number,
        study_uid=group.study_uid,
        date=group.day(("OBR", 7), ("OBR", 22)),
        title=group.title,
        text="\n".join(filter(None, words)),
        status=group.first("OBR", 25),
    )


def _observation_of(group: _Group, segment: Segment) -> ClinicalRecord:
    code = segment.text(3)
    coded = segment.text(2) in {"CE", "CWE"}
    return ClinicalRecord(
        kind="observation",
        source_key=f"{group.key}/{code}/{segment.text(4)}",
        person=group.person,
        date=_day(segment.text(14)) or group.day(("OBR", 7), ("OBR", 22)),
        title=segment.text(3, 2) or code,
        text=(segment.text(5, 2) if coded else "") or segment.whole(5).replace("^", " ").strip(),
        unit=segment.text(6),
        status=segment.text(11),
    )


def _name(segment: Segment, number: int) -> str | None:
    """Return an XPN as DICOM writes a name (PS3.5 6.2.1.1); None where there is none."""
    if not segment.text(number) and not segment.text(number, 2):
        return None
    if segment.text(number) == _NULL:
        return ""
    parts = [segment.text(number, component) for component in (1, 2, 3, 5, 4)]
    return "^".join(part.replace("^", " ") for part in parts).rstrip("^")


def _birth_date(segment: Segment) -> str | None:
    text = segment.text(7)
    return "" if text == _NULL else _day(text) or None


def _sex(segment: Segment) -> str | None:
    return _SEX.get(segment.text(8).upper())


def _day(text: str) -> str:
    return text[:8] if _DAY.match(text) else ""


def _lacking(what: str) -> BadMessage:
    return BadMessage(
        f"the message lacks {what}",
        hint="HL7 v2.5.1 chapters 3, 4 and 7 tell what a message of its type holds.",
    )
