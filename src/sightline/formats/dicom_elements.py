"""The elements of a DICOM file, walked without a parser that trusts its input.

Receiving meets hostile bytes, so this walk decodes nothing, copies nothing, recurses nowhere and
fails in one way. It follows PS3.5 chapter 7 (elements, sequences) and PS3.10 chapter 7 (the file).
"""

import dataclasses
import struct
import zlib
from collections.abc import Container, Iterator
from typing import NamedTuple

from sightline.errors import NotDicom

DEFLATED = "1.2.840.10008.1.2.1.99"
_IMPLICIT_LITTLE = "1.2.840.10008.1.2"
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

TRANSFER_SYNTAX_UID = 0x00020010
PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

_PREAMBLE_BYTES = 132
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
# What most elements have, walked past without a call.
_SHORT_VRS = frozenset(
    {
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT"),
        *(b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    }
)
_NO_VR = b""
_EVERY_TAG = range(1 << 32)

# Real objects nest about ten deep (structured reports); Python's own limit is near 1,000.
_MAX_DEPTH = 64
# Thousands of frames with dozens of attributes each make some 300,000, all of them in sequences.
MAX_ELEMENTS = 500_000
"""Elements, items and fragments of one instance."""

# An item that says something has its own header and an element at least: about 50 bytes. More
# items than this are there to keep a reader busy.
_FEW_ITEMS = 20_000
_LEAST_ITEM_BYTES = 32

MAX_TOP_LEVEL = 20_000
"""Elements of its top level; the dictionary of the standard has 5,000."""

_MAX_INFLATED_BYTES = 256 * 1024 * 1024
_HEAD_BYTES = 4 * 1024 * 1024
# What may be inflated whole. Acquired pixels deflate to a half or a third, masks to a hundredth.
_FREE_INFLATED_BYTES = 16 * 1024 * 1024
_MAX_INFLATED_RATIO = 20


class Element(NamedTuple):
    """Where one element's value lies.

    Attributes:
        vr: two letters, or empty where the encoding carries none.
        start: offset of the value in the bytes walked.
        length: of the value; of a sequence of undefined length, delimiters included.
    """

    tag: int
    vr: bytes
    start: int
    length: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """How the elements of one file are written."""

    is_implicit: bool
    is_little: bool

    @classmethod
    def of(cls, transfer_syntax_uid: str) -> "Encoding":
        """Tell the encoding; every other transfer syntax, known or not, is explicit little."""
        return cls(
            is_implicit=transfer_syntax_uid == _IMPLICIT_LITTLE,
            is_little=transfer_syntax_uid != _EXPLICIT_BIG,
        )

    @property
    def order(self) -> str:
        """`<` or `>`, as `struct` writes it."""
        return "<" if self.is_little else ">"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Elements:
    """The elements of a dataset.

    Attributes:
        content: the bytes walked: the file, or the head of what a deflated one holds.
        offset: where the dataset begins in them.
        size_bytes: of the whole dataset and what precedes it; more than `content` holds where
            only the head of a deflated one was kept.
    """

    transfer_syntax_uid: str
    encoding: Encoding
    content: bytes
    offset: int
    size_bytes: int

    def __iter__(self) -> Iterator[Element]:
        """Walk the top level; sequences are walked through, and given as one element.

        What follows the pixels and is no element any more is passed over: some senders fill files
        up, and the dataset is whole without it.
        """
        return _Walk(self.content, self.size_bytes, self.encoding).top_level(self.offset)

    def those(self, tags: frozenset[int]) -> Iterator[Element]:
        """Walk the top level as iteration does, and give the elements of some tags alone."""
        return _Walk(self.content, self.size_bytes, self.encoding).top_level(self.offset, tags)

    def value(self, element: Element) -> bytes:
        """The bytes of a value."""
        return self.content[element.start : element.start + element.length]


def open_elements(content: bytes) -> Elements:
    """Find the dataset of a Part 10 file.

    Raises:
        NotDicom: No Part 10 file, no transfer syntax, or a damaged or oversized deflated one.
    """
    offset, transfer_syntax_uid = _read_meta(content)
    encoding = Encoding.of(transfer_syntax_uid)
    if transfer_syntax_uid == DEFLATED:
        head, size_bytes = _inflate_head(content, offset)
        content, offset = head, 0
    else:
        size_bytes = len(content)
    return Elements(
        transfer_syntax_uid=transfer_syntax_uid,
        encoding=encoding,
        content=content,
        offset=offset,
        size_bytes=size_bytes,
    )


def dataset_offset(content: bytes) -> int:
    """Tell where the dataset of a Part 10 file begins, after preamble and file meta.

    Raises:
        NotDicom: No Part 10 file.
    """
    return _read_meta(content)[0]


def without_pixels(content: bytes) -> bytes:
    """Return a Part 10 file with its pixel data emptied, for whoever reads the rest.

    Raises:
        NotDicom: No Part 10 file, or a broken one.
    """
    elements = open_elements(content)
    if elements.transfer_syntax_uid == DEFLATED:
        return content
    for tag, vr, start, length in elements:
        # These two have a length of four bytes, right before the value.
        if tag in PIXEL_DATA and (vr in _LONG_VRS or vr == _NO_VR):
            return b"".join((content[: start - 4], bytes(4), content[start + length :]))
    return content


def largest_inflated(deflated_bytes: int) -> int:
    """Return how many bytes a deflated dataset of so many may become where all of it is wanted."""
    return max(_FREE_INFLATED_BYTES, _MAX_INFLATED_RATIO * deflated_bytes)


def _read_meta(content: bytes) -> tuple[int, str]:
    if content[_PREAMBLE_BYTES - 4 : _PREAMBLE_BYTES] != b"DICM":
        raise NotDicom(
            "not a DICOM file: DICM does not stand at byte 128",
            hint="Give Part 10 files; `dcmconv` of DCMTK adds the missing start to older ones.",
        )
    encoding = Encoding.of(_EXPLICIT_LITTLE)
    walk = _Walk(content, len(content), encoding)
    transfer_syntax_uid, offset = "", _PREAMBLE_BYTES
    while content[offset : offset + 2] == b"\x02\x00":
        element, following = walk.element(offset)
        if element.tag == TRANSFER_SYNTAX_UID:
            value = content[element.start : element.start + element.length]
            transfer_syntax_uid = value.decode("latin-1").strip("\0 ")
        offset = following
    if not transfer_syntax_uid:
        raise NotDicom(
            "the file names no transfer syntax", hint="Its file meta group (0002,eeee) is broken."
        )
    return offset, transfer_syntax_uid


def _inflate_head(content: bytes, offset: int) -> tuple[bytes, int]:
    """Inflate all to know the size, but keep only the head: a bomb must not fill memory."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    head, size_bytes, rest = bytearray(), 0, content[offset:]
    try:
        while rest and not inflater.eof:
            part = inflater.decompress(rest, _HEAD_BYTES)
            rest = inflater.unconsumed_tail
            size_bytes += len(part)
            head += part[: _HEAD_BYTES - len(head)]
            if size_bytes > _MAX_INFLATED_BYTES:
                raise NotDicom(
                    f"a deflated dataset of more than {_MAX_INFLATED_BYTES} bytes",
                    hint="Send it with another transfer syntax.",
                )
    except zlib.error as error:
        raise NotDicom("the deflated dataset is damaged", hint="Send it again.") from error
    if not inflater.eof:
        raise NotDicom("the deflated dataset is cut short", hint="Send it again.")
    return bytes(head), size_bytes


class _Level(NamedTuple):
    """A sequence, or an item of one, that the walk is in; `end` is None if a delimiter ends it."""

    end: int | None
    is_item: bool
    is_implicit: bool


class _Walk:
    """One pass over the elements of a dataset."""

    def __init__(self, content: bytes, size_bytes: int, encoding: Encoding) -> None:
        self._content = content
        self._size_bytes = size_bytes
        self._is_implicit = encoding.is_implicit
        self._left = MAX_ELEMENTS
        self._items_left = _FEW_ITEMS + self._size_bytes // _LEAST_ITEM_BYTES
        self._short = struct.Struct(encoding.order + "HH2sH")
        self._long = struct.Struct(encoding.order + "L")
        self._delimiter = struct.Struct(encoding.order + "HHL")

    def top_level(self, offset: int, wanted: Container[int] = _EVERY_TAG) -> Iterator[Element]:
        count = 0
        content, unpack, size_bytes = self._content, self._short.unpack_from, self._size_bytes
        last = -1 if self._is_implicit else len(content) - 8
        while offset < len(content) and (content[offset] or not self._is_padding(offset)):
            count += 1
            if count > MAX_TOP_LEVEL:
                raise _broken(f"more than {MAX_TOP_LEVEL} elements")
            if offset <= last:
                group, number, vr, length = unpack(content, offset)
                end = offset + 8 + length
                if vr in _SHORT_VRS and end <= size_bytes:
                    self._left -= 1
                    tag = group << 16 | number
                    if tag in wanted:
                        yield Element(tag, vr, offset + 8, length)
                    offset = end
                    continue
            element, offset = self.element(offset)
            if element.tag in wanted:
                yield element
            if element.tag in PIXEL_DATA:
                after = self._after_pixels(element.tag, offset, MAX_TOP_LEVEL - count)
                yield from (each for each in after if each.tag in wanted)
                return

    def _after_pixels(self, last: int, offset: int, most: int) -> Iterator[Element]:
        for _ in range(most):
            if offset >= len(self._content) or self._is_padding(offset):
                return
            try:
                element, offset = self.element(offset)
            except NotDicom:
                return
            if element.tag <= last:
                return
            yield element
            last = element.tag

    def element(self, offset: int) -> tuple[Element, int]:
        """Read the element at `offset`, and tell where the one after it begins."""
        tag, vr, start, length = self._header(offset, is_implicit=self._is_implicit)
        end = start + length
        if length == _UNDEFINED:
            end = self._end_of_undefined(tag, vr, start)
        elif end > self._size_bytes:
            raise _broken(f"element {tag:08X} claims {length} bytes and the file ends before")
        elif vr == b"SQ":
            self._end_of_sequence(start, end, is_implicit=False)
        return Element(tag, vr, start, end - start), end

    def _header(self, offset: int, *, is_implicit: bool) -> tuple[int, bytes, int, int]:
        content = self._content
        self._left -= 1
        if self._left < 0:
            raise _broken(f"more than {MAX_ELEMENTS} elements")
        if offset + 8 > len(content):
            raise _broken(f"an element at byte {offset} is cut short")
        group, number, vr, short = self._short.unpack_from(content, offset)
        tag = group << 16 | number
        if is_implicit or not (vr.isalpha() and vr.isupper()):
            return tag, _NO_VR, offset + 8, self._long.unpack_from(content, offset + 4)[0]
        if vr not in _LONG_VRS:
            return tag, vr, offset + 8, short
        if offset + 12 > len(content):
            raise _broken(f"an element at byte {offset} is cut short")
        return tag, vr, offset + 12, self._long.unpack_from(content, offset + 8)[0]

    def _is_padding(self, offset: int) -> bool:
        # Some archives fill the last block with zeros instead of a (FFFC,FFFC) element.
        return self._content[offset : offset + 4] == b"\0\0\0\0" and not any(
            self._content[offset : offset + 4096]
        )

    def _end_of_undefined(self, tag: int, vr: bytes, start: int) -> int:
        if _holds_fragments(tag, vr):
            return self._end_of_fragments(start)
        # PS3.5 6.2.2: a UN of undefined length holds an implicit VR sequence.
        return self._end_of_sequence(start, None, is_implicit=self._is_implicit or vr == b"UN")

    def _end_of_fragments(self, offset: int) -> int:
        while True:
            tag, length = self._read_delimiter(offset)
            offset += 8
            if tag == _SEQUENCE_END:
                return offset
            if tag != _ITEM or length == _UNDEFINED or offset + length > self._size_bytes:
                raise _broken(f"a fragment of the pixel data at byte {offset} is cut short")
            offset += length
            if offset >= len(self._content):
                return self._size_bytes

    def _end_of_sequence(self, start: int, end: int | None, *, is_implicit: bool) -> int:
        """Walk a sequence and all within it; `end` is None where a delimiter ends it."""
        open_levels = [_Level(end, is_item=False, is_implicit=is_implicit)]
        offset = start
        while open_levels:
            level = open_levels[-1]
            if len(open_levels) > 2 * _MAX_DEPTH:
                raise _broken(f"sequences nest deeper than {_MAX_DEPTH}")
            if level.end is not None and offset >= level.end:
                if offset > level.end:
                    raise _broken(f"a sequence that should end at byte {level.end} goes on")
                open_levels.pop()
            elif level.is_item:
                offset = self._within_item(offset, level, open_levels)
            else:
                offset = self._between_items(offset, level, open_levels)
        return offset

    def _between_items(self, offset: int, level: "_Level", open_levels: list["_Level"]) -> int:
        tag, length = self._read_delimiter(offset)
        offset += 8
        if tag == _SEQUENCE_END:
            open_levels.pop()
        elif tag == _ITEM:
            self._items_left -= 1
            if self._items_left < 0:
                raise _broken("its sequences have far more items than there are bytes to fill them")
            end = None if length == _UNDEFINED else offset + length
            open_levels.append(_Level(end, is_item=True, is_implicit=level.is_implicit))
        else:
            raise _broken(f"{tag:08X} stands before byte {offset}, where an item belongs")
        return offset

    def _within_item(self, offset: int, level: "_Level", open_levels: list["_Level"]) -> int:
        tag, vr, start, length = self._header(offset, is_implicit=level.is_implicit)
        if tag == _ITEM_END:
            open_levels.pop()
            return start
        if length == _UNDEFINED and _holds_fragments(tag, vr):
            return self._end_of_fragments(start)
        if length == _UNDEFINED or vr == b"SQ":
            end = None if length == _UNDEFINED else start + length
            is_implicit = level.is_implicit or vr == b"UN"
            open_levels.append(_Level(end, is_item=False, is_implicit=is_implicit))
            return start
        if start + length > self._size_bytes:
            raise _broken(f"element {tag:08X} claims {length} bytes and the file ends before")
        return start + length

    def _read_delimiter(self, offset: int) -> tuple[int, int]:
        if offset + 8 > len(self._content):
            raise _broken(f"a sequence is cut short at byte {offset}")
        self._left -= 1
        if self._left < 0:
            raise _broken(f"more than {MAX_ELEMENTS} items and fragments")
        group, number, length = self._delimiter.unpack_from(self._content, offset)
        return group << 16 | number, length


def _holds_fragments(tag: int, vr: bytes) -> bool:
    return tag in PIXEL_DATA or vr in {b"OB", b"OW"}


def _broken(what: str) -> NotDicom:
    return NotDicom(f"a broken DICOM file: {what}", hint="Ask the sender for the file again.")
