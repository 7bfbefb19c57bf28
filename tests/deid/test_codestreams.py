"""Comments in compressed pixels: an encoder may sign, nobody else may write."""

import struct

import pytest

from sightline.deid.codestreams import holds_text

JPEG_START, J2K_START = b"\xff\xd8", b"\xff\x4f"


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def fragments(*streams: bytes) -> bytes:
    items = (b"", *streams)
    return b"".join(
        [struct.pack("<HHL", 0xFFFE, 0xE000, len(each)) + each for each in items]
        + [struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)]
    )


def jpeg(*segments: bytes, after: bytes = b"") -> bytes:
    scan = segment(0xFFDA, b"\1\1\0\0\0\0") + b"\x12\x34\x56"
    return JPEG_START + b"".join(segments) + scan + b"\xff\xd9" + after


def j2k(*segments: bytes) -> bytes:
    size = segment(0xFF51, bytes(38))
    return J2K_START + size + b"".join(segments) + segment(0xFF90, bytes(8)) + b"\xff\xd9\0"


@pytest.mark.parametrize(
    "stream",
    [
        jpeg(),
        jpeg(segment(0xFFE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")),
        jpeg(segment(0xFFFE, b"LEAD Technologies Inc. V1.01\0")),
        jpeg(after=b"\xff\0"),
        j2k(segment(0xFF64, b"\0\1Created by GDCM/OpenJPEG version 2.1.1")),
        j2k(segment(0xFF64, b"\0\1Kakadu-vs7.10.7")),
    ],
)
def test_encoders_may_sign(stream: bytes) -> None:
    assert not holds_text(fragments(stream, stream))


@pytest.mark.parametrize(
    "stream",
    [
        jpeg(segment(0xFFFE, b"SMITH^JOHN")),
        jpeg(segment(0xFFE1, b"Exif\0\0Smith")),
        jpeg(segment(0xFFFE, "SMITH^JOHN".encode("utf-16-le"))),
        jpeg(segment(0xFFFE, "山田太郎 山田太郎".encode("shift_jis"))),
        jpeg(segment(0xFFFE, b"4711081512")),
        jpeg(after=b"SMITH^JOHN"),
        j2k(segment(0xFF64, b"\0\1Created by John Smith")),
    ],
)
def test_nobody_else_may_write(stream: bytes) -> None:
    assert holds_text(fragments(jpeg(), stream))


def test_run_lengths_and_rubbish_hold_no_segments() -> None:
    assert not holds_text(fragments(bytes(64), b"\1\0\0\0" * 16))
    assert not holds_text(b"\xfe\xff")
