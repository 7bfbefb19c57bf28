"""What the records know of a patient: what text is searched for before patterns are tried."""

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from sightline.deid.dataset import Dataset
from sightline.formats.dicom_text import decode
from sightline.formats.hl7 import Message, Segment
from sightline.values.clinical import ClinicalRecord
from sightline.values.identity import Patient


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class KnownIdentifiers:
    """The identifiers of one patient that the records hold; all of it is identified.

    Attributes:
        names: the patient's own, as DICOM writes them or as plain text, birth names included.
        people: physicians, relatives and others, in the same forms.
        ids: patient ids, accession, order, case and insurance numbers.
        birth_dates: `YYYYMMDD`.
        phones: telephone and fax numbers.
        addresses: streets with their numbers.
        places: towns, with or without postcode, and wards.
        institutions: hospitals, practices, employers.
    """

    names: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()

    @classmethod
    def of_lists(cls, lists: Mapping[str, Iterable[str]]) -> Self:
        """Make them of lists by kind; repeats and blanks are left out."""
        return cls(
            **{kind: tuple(dict.fromkeys(filter(str.strip, each))) for kind, each in lists.items()}
        )

    def joined(self, *others: Self) -> Self:
        """Return what these and others know together."""
        lists: dict[str, list[str]] = defaultdict(list)
        for each in (self, *others):
            for field in dataclasses.fields(self):
                lists[field.name] += getattr(each, field.name)
        return self.of_lists(lists)


NOTHING_KNOWN = KnownIdentifiers()

_KINDS = {
    "names": (0x00100010, 0x00101001, 0x00101005),
    "birth_dates": (0x00100030,),
    "ids": (
        *(0x00080050, 0x00081010, 0x00100020, 0x00101000, 0x00101050, 0x00101090, 0x00181000),
        *(0x00200010, 0x00380010, 0x00380060, 0x00400009, 0x00400253, 0x00400551, 0x00401001),
        *(0x00402016, 0x00402017),
    ),
    "phones": (0x00080094, 0x00102154, 0x00401103),
    "addresses": (0x00080081, 0x00080092, 0x00101040, 0x00401102),
    "places": (0x00102152, 0x00380300, 0x00380400),
    "institutions": (0x00080080, 0x0040A027),
    "people": (
        *(0x00080090, 0x0008009C, 0x00081048, 0x00081050, 0x00081060, 0x00081070, 0x00101060),
        *(0x00102297, 0x00321032, 0x00400006, 0x00401010, 0x00402008, 0x0040A075, 0x0040A123),
        *(0x00700084, 0x300E0008),
    ),
}
_KIND_OF_TAG = {tag: kind for kind, tags in _KINDS.items() for tag in tags}

# HL7 v2.5.1 chapters 3 and 4: where messages name people, numbers and places.
_HL7_PEOPLE = {"PV1": (7, 8, 9, 17, 52), "ORC": (10, 11, 12, 19), "OBR": (10, 16, 28, 32, 33)}
_HL7_IDS = {
    "PID": (2, 3, 4, 18, 19, 20),
    "PV1": (19, 50),
    "ORC": (2, 3, 4),
    "OBR": (2, 3, 18, 19, 20, 21),
    "IN1": (36, 49),
    "MRG": (1, 2, 3, 4),
}
_HL7_ADDRESSES = {"PID": (11,), "NK1": (4,), "ORC": (22, 24)}
_HL7_PHONES = {"PID": (13, 14), "NK1": (5, 6), "ORC": (14, 23), "OBR": (17,)}
_LINE_ENDS = re.compile(r"[\r\n,;]+")


def known_of_patient(patient: Patient, records: Sequence[ClinicalRecord] = ()) -> KnownIdentifiers:
    """Return what the archive's row of a patient, and records about them, know."""
    people = [each.person for each in records if each.person is not None]
    return KnownIdentifiers.of_lists(
        {
            "names": (patient.name, *(each.demographics.name or "" for each in people)),
            "ids": (
                patient.patient_id,
                *(each.patient_id for each in people),
                *(each.accession_number for each in records),
                *(each.source_key for each in records),
            ),
            "birth_dates": (
                patient.birth_date,
                *(each.demographics.birth_date or "" for each in people),
            ),
        }
    )


def known_of_elements(elements: Dataset, charset: str) -> KnownIdentifiers:
    """Return what an instance says, at every depth that was opened.

    Args:
        elements: as read.
        charset: Python codec of its text.
    """
    lists: dict[str, list[str]] = defaultdict(list)
    for tag, value in _values(elements):
        kind = _KIND_OF_TAG.get(tag)
        if kind is not None:
            lists[kind] += _split(decode(value, charset), kind)
    return KnownIdentifiers.of_lists(lists)


def known_of_message(message: Message) -> KnownIdentifiers:
    """Return what an HL7 message says of a patient and of those around them."""
    lists: dict[str, list[str]] = defaultdict(list)
    for segment in message.segments:
        if segment.name in {"PID", "NK1"}:
            lists["names" if segment.name == "PID" else "people"] += _names_of(segment)
        if segment.name == "PID":
            lists["people"] += filter(
                None, [_name(segment, each) for each in segment.repetitions(6)]
            )
            lists["birth_dates"].append(segment.text(7)[:8])
        for each in _fields(segment, _HL7_PEOPLE):
            parts = [segment.part(each, number) for number in (2, 3, 4)]
            lists["people"].append("^".join(parts))
        lists["ids"] += [segment.part(each) for each in _fields(segment, _HL7_IDS)]
        lists["phones"] += [segment.part(each) for each in _fields(segment, _HL7_PHONES)]
        for each in _fields(segment, _HL7_ADDRESSES):
            lists["addresses"].append(segment.part(each, 1))
            lists["places"] += [segment.part(each, 3), segment.part(each, 5)]
    return KnownIdentifiers.of_lists(lists)


def _values(elements: Dataset) -> Iterator[tuple[int, bytes]]:
    for tag, element in elements.items():
        for item in element.items or ():
            yield from _values(item)
        if element.items is None and tag in _KIND_OF_TAG and not element.is_encapsulated:
            yield tag, bytes(element.value)


def _split(text: str, kind: str) -> list[str]:
    parts = [each.strip() for each in text.split("\\")]
    if kind == "addresses":
        return [line.strip() for part in parts for line in _LINE_ENDS.split(part)]
    return parts


def _names_of(segment: Segment) -> list[str]:
    number = 5 if segment.name == "PID" else 2
    names = [_name(segment, each) for each in segment.repetitions(number)]
    aliases = segment.repetitions(9) if segment.name == "PID" else ()
    return [*names, *(_name(segment, each) for each in aliases)]


def _name(segment: Segment, repetition: str) -> str:
    return "^".join(segment.part(repetition, number) for number in (1, 2, 3))


def _fields(segment: Segment, places: Mapping[str, Sequence[int]]) -> Iterator[str]:
    for number in places.get(segment.name, ()):
        yield from segment.repetitions(number)
