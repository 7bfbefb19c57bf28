"""DICOM Part 10 files: the header the catalog keeps, and the shell around a received dataset."""

import dataclasses
import re
import struct
from collections.abc import Mapping

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import (
    DEFLATED,
    PIXEL_DATA,
    Elements,
    open_elements,
)
from sightline.formats.dicom_text import charset_of, decode
from sightline.values.identity import Patient
from sightline.values.uids import is_uid

IMPLEMENTATION_CLASS_UID = "2.25.302871951417523095637911348526083749216"
IMPLEMENTATION_VERSION_NAME = "SIGHTLINE"

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_INTEGER = re.compile(r"[+-]?\d{1,9}")

_CHARACTER_SET, _ROWS, _COLUMNS = 0x00080005, 0x00280010, 0x00280011
_TAGS = {
    "character_set": _CHARACTER_SET,
    "sop_class_uid": 0x00080016,
    "instance_uid": 0x00080018,
    "study_date": 0x00080020,
    "study_time": 0x00080030,
    "accession_number": 0x00080050,
    "modality": 0x00080060,
    "manufacturer": 0x00080070,
    "institution": 0x00080080,
    "referring_physician": 0x00080090,
    "station": 0x00081010,
    "study_description": 0x00081030,
    "series_description": 0x0008103E,
    "manufacturer_model": 0x00081090,
    "name": 0x00100010,
    "patient_id": 0x00100020,
    "issuer": 0x00100021,
    "birth_date": 0x00100030,
    "sex": 0x00100040,
    "body_part": 0x00180015,
    "protocol": 0x00181030,
    "study_uid": 0x0020000D,
    "series_uid": 0x0020000E,
    "study_id": 0x00200010,
    "series_number": 0x00200011,
    "instance_number": 0x00200013,
    "frames": 0x00280008,
    "rows": _ROWS,
    "columns": _COLUMNS,
}
_WANTED = frozenset(_TAGS.values())
# An LO has 64 characters; implicit VR lets a name claim gigabytes.
_LARGEST_VALUE_BYTES = 16 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The attributes of one instance that the catalog keeps, as text in Unicode.

    An optional attribute that is missing or malformed is empty, or None where it is a number.

    Attributes:
        study_date: `YYYYMMDD`.
        study_time: `HHMMSS.ffffff`, or a shorter beginning of it.
        rows: None where the instance is no image.
        frames: 1 for an image that says nothing; None where the instance is no image.
        pixels: offset and length of the pixel data's value in the file, fragments and delimiters
            included; None where there is none, or where the dataset is deflated.
    """

    patient: Patient
    study_uid: str
    series_uid: str
    instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    study_date: str
    study_time: str
    accession_number: str
    study_description: str
    study_id: str
    referring_physician: str
    series_number: int | None
    series_description: str
    body_part: str
    protocol: str
    instance_number: int | None
    rows: int | None
    columns: int | None
    frames: int | None
    manufacturer: str
    manufacturer_model: str
    institution: str
    station: str
    pixels: tuple[int, int] | None = None


def read_header(content: bytes) -> Header:
    """Read what the catalog keeps of one Part 10 file; pixels are never touched.

    Raises:
        NotDicom: No Part 10 file, a broken one, or one whose UIDs are missing or malformed.
    """
    elements = open_elements(content)
    values: dict[int, bytes] = {}
    pixels = None
    for element in elements.those(_WANTED | PIXEL_DATA):
        tag, _, start, length = element
        if tag in PIXEL_DATA:
            if elements.transfer_syntax_uid != DEFLATED:
                pixels = (start, length)
        elif length <= _LARGEST_VALUE_BYTES:
            values[tag] = elements.value(element)
    charset = charset_of(values.get(_CHARACTER_SET, b""))
    text = {
        name: decode(values[tag], charset) if tag in values else "" for name, tag in _TAGS.items()
    }
    rows = _unsigned_short(values.get(_ROWS, b""), elements)
    return Header(
        patient=_patient(text),
        study_uid=_uid(text, "study_uid"),
        series_uid=_uid(text, "series_uid"),
        instance_uid=_uid(text, "instance_uid"),
        sop_class_uid=_uid(text, "sop_class_uid"),
        transfer_syntax_uid=elements.transfer_syntax_uid,
        modality=text["modality"],
        study_date=_date(text["study_date"]),
        study_time=_time(text["study_time"]),
        accession_number=text["accession_number"],
        study_description=text["study_description"],
        study_id=text["study_id"],
        referring_physician=text["referring_physician"],
        series_number=_integer(text["series_number"]),
        series_description=text["series_description"],
        body_part=text["body_part"],
        protocol=text["protocol"],
        instance_number=_integer(text["instance_number"]),
        rows=rows,
        columns=_unsigned_short(values.get(_COLUMNS, b""), elements),
        frames=None if rows is None else _integer(text["frames"]) or 1,
        manufacturer=text["manufacturer"],
        manufacturer_model=text["manufacturer_model"],
        institution=text["institution"],
        station=text["station"],
        pixels=pixels,
    )


def part10(
    *dataset: bytes | memoryview,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
) -> bytes:
    """Put preamble and file meta before the bytes of a dataset, in one part or several.

    They stay as they are; the same arguments give the same bytes. A dataset of a deflated transfer
    syntax is given as it was received: deflated.
    """
    meta = b"".join(
        (
            _meta_element(0x0001, b"OB", b"\x00\x01"),
            _meta_element(0x0002, b"UI", sop_class_uid.encode("ascii")),
            _meta_element(0x0003, b"UI", sop_instance_uid.encode("ascii")),
            _meta_element(0x0010, b"UI", transfer_syntax_uid.encode("ascii")),
            _meta_element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
            _meta_element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
        )
    )
    length = _meta_element(0x0000, b"UL", struct.pack("<L", len(meta)))
    return b"".join((bytes(128), b"DICM", length, meta, *dataset))


def _meta_element(number: int, vr: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    if vr == b"OB":
        return struct.pack("<HH2sHL", 0x0002, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 0x0002, number, vr, len(value)) + value


def _patient(text: Mapping[str, str]) -> Patient:
    return Patient(
        patient_id=text["patient_id"],
        issuer=text["issuer"],
        name=text["name"].rstrip("="),
        birth_date=_date(text["birth_date"]),
        sex=text["sex"],
    )


def _uid(text: Mapping[str, str], name: str) -> str:
    uid = text[name]
    if not is_uid(uid):
        what = "malformed" if uid else "missing"
        raise NotDicom(
            f"the {name} is {what}", hint="An instance needs four valid UIDs; ask the sender."
        )
    return uid


def _date(text: str) -> str:
    match = _DATE.fullmatch(text)
    return "".join(match.groups()) if match else ""


def _time(text: str) -> str:
    text = text.replace(":", "")
    return text if _TIME.fullmatch(text) else ""


def _integer(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) else None


def _unsigned_short(value: bytes, elements: Elements) -> int | None:
    if len(value) < 2:  # noqa: PLR2004 - a US is two bytes
        return None
    return int.from_bytes(value[:2], "little" if elements.encoding.is_little else "big")
