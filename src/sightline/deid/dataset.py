"""A DICOM dataset as bytes by tag: read strictly, written back in the encoding it came in.

Values are never converted, so what passes the door untouched is the same byte for byte. Only
sequences that a rule may keep are opened; everything else is skipped as a whole. The walk follows
PS3.5 chapter 7, and whatever it cannot follow is an error: what cannot be read cannot be cleaned.
"""

import dataclasses
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import (
    DEFLATED,
    MAX_ELEMENTS,
    MAX_TOP_LEVEL,
    Encoding,
    dataset_offset,
    largest_inflated,
    open_elements,
)

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_VRS = frozenset(
    {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
)
_SHORT_VRS = {
    vr.encode(): vr
    for vr in (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT"),
        *("PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    )
}
_ZERO_PADDED = frozenset({"UI", "OB", "UN"})
_MAX_SHORT = 0xFFFE
_MAX_DEPTH = 32
# Of implicit, explicit long and explicit short elements, by whether they are little endian.
_HEADERS = {
    is_little: tuple(struct.Struct(order + fields) for fields in ("HHL", "HH2sHL", "HH2sH"))
    for is_little, order in ((True, "<"), (False, ">"))
}


class Element(NamedTuple):
    """One element; `items` is None unless it is a sequence that was opened.

    Attributes:
        vr: as the file says; empty where its encoding carries none.
        is_encapsulated: the value is fragments, delimiters included.
    """

    vr: str
    value: bytes | memoryview
    items: "tuple[Dataset, ...] | None" = None
    is_encapsulated: bool = False


Dataset: TypeAlias = dict[int, Element]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ParsedFile:
    """What a Part 10 file holds after its file meta.

    Attributes:
        trailing_bytes: how many bytes stand after the last element; they are in no element.
    """

    transfer_syntax_uid: str
    encoding: Encoding
    elements: Dataset
    trailing_bytes: int


def read_file(content: bytes, sequences: Iterable[int]) -> ParsedFile:
    """Read a Part 10 file.

    Args:
        content: the whole file.
        sequences: tags whose items are opened.

    Raises:
        NotDicom: No Part 10 file, or one that is broken or nests too deeply.
    """
    opened = open_elements(content)
    offset = dataset_offset(content)
    if opened.transfer_syntax_uid == DEFLATED:
        content, offset = _inflate(content[offset:]), 0
    reader = _Reader(content, opened.encoding, frozenset(sequences))
    try:
        elements, end = reader.top_level(offset)
    except struct.error as error:
        raise _broken("it is cut short") from error
    return ParsedFile(
        transfer_syntax_uid=opened.transfer_syntax_uid,
        encoding=opened.encoding,
        elements=elements,
        trailing_bytes=len(content) - end,
    )


def write_dataset(
    elements: Mapping[int, Element], transfer_syntax_uid: str
) -> Sequence[bytes | memoryview]:
    """Write elements in ascending order, deflated where the transfer syntax asks for it.

    Returns:
        The dataset in parts, so that pixels are not copied before all is put together.
    """
    parts = _encode(elements, Encoding.of(transfer_syntax_uid))
    if transfer_syntax_uid != DEFLATED:
        return parts
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(b"".join(parts)) + deflater.flush()
    return [deflated, bytes(len(deflated) % 2)]


def sequence(*items: Dataset) -> Element:
    """Make a sequence."""
    return Element("SQ", b"", items)


def _inflate(deflated: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(deflated, largest_inflated(len(deflated)))
    except zlib.error as error:
        raise _broken("the deflated part is damaged") from error
    if not inflater.eof:
        raise _broken("the deflated part is cut short or too large")
    return content


class _Reader:
    """One pass over a dataset held in memory."""

    def __init__(self, content: bytes, encoding: Encoding, sequences: frozenset[int]) -> None:
        self._content = content
        self._view = memoryview(content)
        self._encoding = encoding
        self._sequences = sequences
        self._left = MAX_ELEMENTS
        self._sequence_vrs = {"SQ", "UN", ""} if encoding.is_little else {"SQ"}
        self._tag = struct.Struct(encoding.order + "HH")
        self._short = struct.Struct(encoding.order + "H")
        self._short_header = struct.Struct(encoding.order + "HH2sH")
        self._long = struct.Struct(encoding.order + "L")

    def top_level(self, offset: int) -> tuple[Dataset, int]:
        """Read until the end, or until what follows the pixels makes no sense any more."""
        elements: Dataset = {}
        last, size, has_pixels = 0, len(self._content), False
        while offset < size:
            if not (has_pixels or self._encoding.is_implicit):
                offset = self._short_run(elements, offset)
                if offset == size:
                    break
            try:
                tag, element, following = self._element(
                    offset, size, is_implicit=self._encoding.is_implicit, depth=0
                )
            except (NotDicom, struct.error):
                if has_pixels or not any(self._content[offset:]):
                    return elements, offset
                raise
            if has_pixels and tag <= last:
                return elements, offset
            if len(elements) >= MAX_TOP_LEVEL:
                raise _broken(f"more than {MAX_TOP_LEVEL} elements")
            self._keep(elements, tag, element)
            has_pixels = has_pixels or tag in PIXEL_TAGS
            last, offset = tag, following
        return elements, offset

    def _short_run(self, elements: Dataset, offset: int) -> int:
        """Read elements as most are, explicit and short, up to the first that is not.

        In a third of the time that they take one by one.
        """
        content, unpack, size = self._content, self._short_header.unpack_from, len(self._content)
        for _ in range(min(self._left, MAX_TOP_LEVEL - len(elements))):
            if offset > size - 8:
                break
            group, number, letters, length = unpack(content, offset)
            vr, start = _SHORT_VRS.get(letters), offset + 8
            if vr is None or start + length > size or length > _MAX_SHORT or group == _ITEM >> 16:
                break
            offset = start + length
            elements[group << 16 | number] = Element(vr, content[start:offset])
            self._left -= 1
        return offset

    def _element(
        self, offset: int, end: int, *, is_implicit: bool, depth: int
    ) -> tuple[int, Element, int]:
        tag, vr, start, length = self._header(offset, is_implicit=is_implicit)
        if tag >> 16 == _ITEM >> 16:
            raise _broken(f"a delimiter stands at byte {offset}, where an element belongs")
        if length == _UNDEFINED:
            if tag in PIXEL_TAGS or vr in {"OB", "OW"}:
                following = self._end_of_fragments(start, end)
                value = self._view[start:following]
                return tag, Element(vr or "OB", value, is_encapsulated=True), following
            # PS3.5 6.2.2: a UN of undefined length holds an implicit VR sequence.
            is_implicit = is_implicit or vr == "UN"
            items, following = self._items(start, None, is_implicit=is_implicit, depth=depth)
            return tag, Element("SQ", b"", items), following
        following = start + length
        if following > end:
            raise _broken(f"element {tag:08X} claims {length} bytes and there are fewer")
        if tag in self._sequences and vr in self._sequence_vrs:
            is_implicit = is_implicit or vr == "UN"
            items, _ = self._items(start, following, is_implicit=is_implicit, depth=depth)
            return tag, Element("SQ", b"", items), following
        if length > _MAX_SHORT:
            return tag, Element(vr, self._view[start:following]), following
        return tag, Element(vr, self._content[start:following]), following

    def _header(self, offset: int, *, is_implicit: bool) -> tuple[int, str, int, int]:
        self._left -= 1
        if self._left < 0:
            raise _broken(f"more than {MAX_ELEMENTS} elements")
        content = self._content
        group, number = self._tag.unpack_from(content, offset)
        letters = content[offset + 4 : offset + 6]
        if is_implicit or not (letters.isalpha() and letters.isupper()):
            return (
                group << 16 | number,
                "",
                offset + 8,
                self._long.unpack_from(content, offset + 4)[0],
            )
        vr = letters.decode("ascii")
        if vr in _LONG_VRS:
            length = self._long.unpack_from(content, offset + 8)[0]
            return group << 16 | number, vr, offset + 12, length
        length = self._short.unpack_from(content, offset + 6)[0]
        return group << 16 | number, vr, offset + 8, length

    def _end_of_fragments(self, offset: int, end: int) -> int:
        while offset + 8 <= end:
            tag, length = self._delimiter(offset)
            offset += 8
            if tag == _SEQUENCE_END:
                return offset
            if tag != _ITEM or length == _UNDEFINED:
                break
            offset += length
        raise _broken("a fragment of the pixel data is cut short")

    def _items(
        self, offset: int, end: int | None, *, is_implicit: bool, depth: int
    ) -> tuple[tuple[Dataset, ...], int]:
        if depth >= _MAX_DEPTH:
            raise _broken(f"sequences nest deeper than {_MAX_DEPTH}")
        items: list[Dataset] = []
        while end is None or offset < end:
            tag, length = self._delimiter(offset)
            offset += 8
            if tag == _SEQUENCE_END:
                break
            if tag != _ITEM:
                raise _broken(f"{tag:08X} stands where an item of a sequence belongs")
            limit = None if length == _UNDEFINED else offset + length
            if limit is not None and limit > (len(self._content) if end is None else end):
                raise _broken("an item of a sequence is cut short")
            item, offset = self._item(offset, limit, is_implicit=is_implicit, depth=depth)
            items.append(item)
        return tuple(items), offset

    def _item(
        self, offset: int, end: int | None, *, is_implicit: bool, depth: int
    ) -> tuple[Dataset, int]:
        item: Dataset = {}
        size = len(self._content) if end is None else end
        while end is None or offset < end:
            if end is None and self._delimiter(offset)[0] == _ITEM_END:
                return item, offset + 8
            tag, element, offset = self._element(
                offset, size, is_implicit=is_implicit, depth=depth + 1
            )
            self._keep(item, tag, element)
        return item, offset

    def _keep(self, elements: Dataset, tag: int, element: Element) -> None:
        # The bytes of a UN are little endian always, so they mean nothing in a big endian file.
        if element.vr != "UN" or self._encoding.is_little:
            elements[tag] = element

    def _delimiter(self, offset: int) -> tuple[int, int]:
        group, number = self._tag.unpack_from(self._content, offset)
        return group << 16 | number, self._long.unpack_from(self._content, offset + 4)[0]


def _encode(elements: Mapping[int, Element], encoding: Encoding) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = []
    for tag in sorted(elements):
        element = elements[tag]
        if element.items is not None:
            value: bytes | memoryview = b"".join(_encode_items(element.items, encoding))
        else:
            value = element.value
        if len(value) % 2:
            value = bytes(value) + (b"\0" if element.vr in _ZERO_PADDED else b" ")
        length = _UNDEFINED if element.is_encapsulated else len(value)
        parts.append(_encode_header(tag, element.vr, length=length, encoding=encoding))
        parts.append(value)
    return parts


def _encode_items(items: tuple[Dataset, ...], encoding: Encoding) -> list[bytes | memoryview]:
    header = struct.Struct(encoding.order + "HHL")
    parts: list[bytes | memoryview] = []
    for item in items:
        content = b"".join(_encode(item, encoding))
        parts.append(header.pack(_ITEM >> 16, _ITEM & 0xFFFF, len(content)))
        parts.append(content)
    return parts


def _encode_header(tag: int, vr: str, *, length: int, encoding: Encoding) -> bytes:
    group, number, vr = tag >> 16, tag & 0xFFFF, vr or "UN"
    implicit, long, short = _HEADERS[encoding.is_little]
    if encoding.is_implicit:
        return implicit.pack(group, number, length)
    if vr in _LONG_VRS:
        return long.pack(group, number, vr.encode(), 0, length)
    if length > _MAX_SHORT:
        # PS3.5 6.2.2: a value too long for its VR is written as UN.
        return long.pack(group, number, b"UN", 0, length)
    return short.pack(group, number, vr.encode(), length)


def _broken(what: str) -> NotDicom:
    return NotDicom(f"a broken DICOM file: {what}", hint="Ask the sender for the file again.")
