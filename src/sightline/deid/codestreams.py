"""Text in compressed pixels: comments and application segments of JPEG and JPEG 2000.

ISO/IEC 10918-1 Annex B, 14495-1, 15444-1 Annex A. Encoders sign their work there, and nothing keeps
a sender from writing a name. Pixels pass untouched, so a stream with unknown text is held.
"""

import functools
import re
import struct
from collections.abc import Iterator

from sightline.deid.attributes import read_lines

_ITEM_HEADER = struct.Struct("<HHL")
_ITEM = 0xE000
_MARKER = struct.Struct(">HH")
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")
_END = b"\xff\xd9"
_PIXELS_BEGIN = frozenset({0xFFDA, 0xFF90})
_TEXT_SEGMENTS = frozenset({0xFFFE, 0xFF64, *range(0xFFE0, 0xFFF0)})
_WORD = re.compile(rb"[A-Za-z]{3,}")
_LONG_NUMBER = re.compile(rb"[0-9]{7,}")
_HIGHEST_ASCII, _MOST_OTHER_BYTES = 0x7F, 4


def holds_text(fragments: bytes | memoryview) -> bool:
    """Tell whether encapsulated pixels hold text that no known encoder writes.

    Args:
        fragments: the value of the pixel data, items and delimiters included.
    """
    return any(
        not _is_harmless(segment)
        for fragment in _fragments(bytes(fragments))
        if fragment.startswith(_STARTS)
        for segment in (*_text_segments(fragment), *_after_end(fragment))
    )


def _is_harmless(segment: bytes) -> bool:
    """Tell whether a segment has no word but those of encoders, in whatever character set."""
    plain = segment.replace(b"\0", b"")
    words = {word.decode("ascii").lower() for word in _WORD.findall(plain)}
    others = sum(byte > _HIGHEST_ASCII for byte in plain)
    is_known = words <= _encoder_words() and not _LONG_NUMBER.search(plain)
    return is_known and others <= _MOST_OTHER_BYTES


@functools.cache
def _encoder_words() -> frozenset[str]:
    return frozenset(word for line in read_lines("encoders.txt") for word in line.split())


def _fragments(content: bytes) -> Iterator[bytes]:
    offset = 0
    while offset + _ITEM_HEADER.size <= len(content):
        _, tag, length = _ITEM_HEADER.unpack_from(content, offset)
        offset += _ITEM_HEADER.size
        if tag != _ITEM:
            return
        yield content[offset : offset + length]
        offset += length


def _text_segments(stream: bytes) -> Iterator[bytes]:
    offset = 2
    while offset + _MARKER.size <= len(stream):
        marker, length = _MARKER.unpack_from(stream, offset)
        if marker in _PIXELS_BEGIN or marker >> 8 != 0xFF:  # noqa: PLR2004 - markers begin so
            return
        if marker in _TEXT_SEGMENTS:
            yield stream[offset + _MARKER.size : offset + 2 + length]
        offset += 2 + length


def _after_end(stream: bytes) -> Iterator[bytes]:
    end = stream.rfind(_END)
    rest = stream[end + len(_END) :].strip(b"\0\xff \n")
    if end >= 0 and rest:
        yield rest
