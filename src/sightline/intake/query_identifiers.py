"""Identifiers of queries and retrievals: read and written, without the network (PS3.4 C.4)."""

import dataclasses
import struct
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from pydicom.datadict import dictionary_VR

from sightline.errors import Refused
from sightline.formats.dicom_elements import Elements, Encoding
from sightline.formats.dicom_text import charset_of, decode

Root: TypeAlias = Literal["patient", "study"]
Level: TypeAlias = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]
Value: TypeAlias = str | int
"""Of one attribute; several values of a text are joined by a backslash."""

_LEVELS: dict[Root, tuple[Level, ...]] = {
    "patient": ("PATIENT", "STUDY", "SERIES", "IMAGE"),
    "study": ("STUDY", "SERIES", "IMAGE"),
}
CHARACTER_SET, LEVEL, _RETRIEVE_AE = 0x00080005, 0x00080052, 0x00080054
PATIENT_ID, STUDY_UID, SERIES_UID, INSTANCE_UID = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
UNIQUE: dict[Level, int] = {
    "PATIENT": PATIENT_ID,
    "STUDY": STUDY_UID,
    "SERIES": SERIES_UID,
    "IMAGE": INSTANCE_UID,
}
# 64 KB of explicit VR, 64 letters and a backslash each
_UIDS_AN_ELEMENT = 1000
_UTF_8 = "ISO_IR 192"
_LONG_VRS = frozenset(
    {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Identifier:
    """What a request asks for.

    Attributes:
        keys: text by tag; empty matches anything.
        vrs: VR by tag: the request's own, or the dictionary's where it carries none.
        charset: the Python codec of its character set, and that set's defined term.
    """

    level: Level
    keys: Mapping[int, str]
    vrs: Mapping[int, str]
    charset: tuple[str, str]

    def uids(self, tag: int) -> tuple[str, ...]:
        """Return the UIDs of a key."""
        return tuple(filter(None, self.keys.get(tag, "").split("\\")))


def read_identifier(content: bytes, *, transfer_syntax_uid: str, root: Root) -> Identifier:
    """Read the identifier of a C-FIND, C-MOVE or C-GET request.

    Raises:
        NotDicom: The bytes are broken.
        Refused: The level does not exist in the model, or a unique key above it is missing.
    """
    elements = Elements(
        transfer_syntax_uid=transfer_syntax_uid,
        encoding=Encoding.of(transfer_syntax_uid),
        content=content,
        offset=0,
        size_bytes=len(content),
    )
    raw, vrs = {}, {}
    for each in elements:
        raw[each.tag] = elements.value(each)
        vrs[each.tag] = each.vr.decode("ascii") or _dictionary_vr(each.tag)
    charset = charset_of(raw.get(CHARACTER_SET, b""))
    keys = {tag: "" if vrs[tag] == "SQ" else decode(raw[tag], charset) for tag in raw}
    level = _level(keys.get(LEVEL, ""), root)
    for above in _LEVELS[root][: _LEVELS[root].index(level)]:
        if not keys.get(UNIQUE[above]) or is_wild(keys[UNIQUE[above]]):
            raise Refused(
                f"a query at level {level} names no single {UNIQUE[above]:08X}",
                hint="PS3.4 C.4.1.3.1.1: give the unique key of every level above.",
            )
    for tag in (CHARACTER_SET, LEVEL):
        vrs.pop(tag, None)
    return Identifier(
        level=level, keys=keys, vrs=vrs, charset=(charset, keys.get(CHARACTER_SET, ""))
    )


def write_match(
    identifier: Identifier,
    found: Mapping[int, Value],
    *,
    transfer_syntax_uid: str,
    retrieve_ae: str,
) -> bytes:
    """Write the identifier of one pending response (PS3.4 C.4.1.1.3.2).

    Text goes in the request's character set where that can say it, else in UTF-8.
    """
    values: dict[int, Value] = {tag: found.get(tag, "") for tag in identifier.vrs}
    values |= {LEVEL: identifier.level, _RETRIEVE_AE: retrieve_ae}
    vrs = dict(identifier.vrs) | {LEVEL: "CS", _RETRIEVE_AE: "AE"}
    codec, term = _codec_for(values.values(), identifier.charset)
    if term:
        values[CHARACTER_SET], vrs[CHARACTER_SET] = term, "CS"
    writer = _Writer(encoding=Encoding.of(transfer_syntax_uid), codec=codec)
    return b"".join(writer.element(tag, vrs[tag], values[tag]) for tag in sorted(values))


def write_uid_list(tag: int, uids: list[str], *, transfer_syntax_uid: str) -> bytes:
    """Write a data set of one element that holds UIDs, as many as one element has room for."""
    writer = _Writer(encoding=Encoding.of(transfer_syntax_uid), codec="ascii")
    return writer.element(tag, "UI", "\\".join(uids[:_UIDS_AN_ELEMENT]))


def is_wild(text: str) -> bool:
    """Tell whether a key may match more than one value."""
    return any(sign in text for sign in "*?\\")


def _level(text: str, root: Root) -> Level:
    for level in _LEVELS[root]:
        if text == level:
            return level
    raise Refused(
        f"the {root} root has no level {text!r}", hint=f"It has {', '.join(_LEVELS[root])}."
    )


def _dictionary_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return "LO" if not tag & 0xFFFF else "UN"


def _codec_for(values: Iterable[Value], asked: tuple[str, str]) -> tuple[str, str]:
    texts = [value for value in values if isinstance(value, str)]
    if all(text.isascii() for text in texts):
        return "ascii", ""
    codec, term = asked
    if term and "\\" not in term:
        try:
            "".join(texts).encode(codec)
        except UnicodeEncodeError:
            pass
        else:
            return codec, term
    return "utf-8", _UTF_8


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Writer:
    encoding: Encoding
    codec: str

    def element(self, tag: int, vr: str, value: Value) -> bytes:
        order, content = self.encoding.order, self._content(vr, value)
        head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
        if self.encoding.is_implicit:
            return head + struct.pack(order + "L", len(content)) + content
        if vr in _LONG_VRS:
            return head + vr.encode() + struct.pack(order + "HL", 0, len(content)) + content
        return head + vr.encode() + struct.pack(order + "H", len(content)) + content

    def _content(self, vr: str, value: Value) -> bytes:
        if vr == "SQ" or value == "":
            return b""
        if vr == "US":
            return struct.pack(self.encoding.order + "H", min(int(value), 0xFFFF))
        content = str(value).encode(self.codec, errors="replace")
        if len(content) % 2:
            content += b"\0" if vr == "UI" else b" "
        return content
