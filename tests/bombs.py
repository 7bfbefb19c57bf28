"""Files that are small and ask for a lot: of memory, of time, of depth. None of them is valid.

`BOMBS` holds DICOM instances, for every way by which an instance can come; `PACKED_BOMBS` holds
archives, for the ways by which files come.
"""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from sightline.formats.dicom_file import part10

MIB = 1024**2
ROOT = "1.2.826.0.1.3680043.10.1234.66"
CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
RLE, J2K = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"
HTJ2K, JPEG = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.50"
JPEG_LS, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.70"

Value: TypeAlias = tuple[str, bytes]
_LONG = {"OB", "OW", "OF", "SQ", "UN", "UT", "UC", "UR"}
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


def element(tag: int, vr: str, value: bytes, *, length: int | None = None) -> bytes:
    """Write an explicit element that may lie about its length."""
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in _LONG:
        return head + struct.pack("<HL", 0, size) + value
    return head + struct.pack("<H", size & 0xFFFF) + value


def item(tag: int, content: bytes = b"", *, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, size) + content


def uid(number: int, level: int) -> str:
    return ".".join([ROOT, str(number), "1", "1"][: level + 1])


def _text(text: str) -> bytes:
    return text.encode() + b" " * (len(text) % 2)


def _uid(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def _us(number: int) -> Value:
    return "US", struct.pack("<H", number)


def image(number: int) -> dict[int, Value]:
    """The elements of a plain 16x16 CT slice, without its pixels."""
    return {
        0x00080005: ("CS", b"ISO_IR 192"),
        0x00080016: ("UI", _uid(CT)),
        0x00080018: ("UI", _uid(uid(number, 3))),
        0x00080060: ("CS", b"CT"),
        0x00100010: ("PN", b"Probe^Bomb"),
        0x00100020: ("LO", b"BOMB"),
        0x00180050: ("DS", b"1 "),
        0x0020000D: ("UI", _uid(uid(number, 1))),
        0x0020000E: ("UI", _uid(uid(number, 2))),
        0x00200032: ("DS", b"0\\0\\0 "),
        0x00200037: ("DS", b"1\\0\\0\\0\\1\\0 "),
        0x00280002: _us(1),
        0x00280004: ("CS", b"MONOCHROME2 "),
        0x00280008: ("IS", b"1 "),
        0x00280010: _us(16),
        0x00280011: _us(16),
        0x00280030: ("DS", b"1\\1 "),
        0x00280100: _us(16),
        0x00280101: _us(16),
        0x00280102: _us(15),
        0x00280103: _us(0),
    }


def bomb(
    number: int,
    changes: dict[int, Value] | None = None,
    *,
    syntax: str = EXPLICIT,
    tail: bytes | None = None,
    before_tail: bytes = b"",
) -> bytes:
    """Write an instance; `tail` takes the place of its pixel data."""
    elements = image(number) | (changes or {})
    dataset = b"".join(element(tag, *elements[tag]) for tag in sorted(elements))
    dataset += before_tail
    dataset += element(0x7FE00010, "OW", bytes(512)) if tail is None else tail
    return _file(number, dataset, syntax)


def _file(number: int, dataset: bytes, syntax: str) -> bytes:
    return part10(
        dataset,
        sop_class_uid=CT,
        sop_instance_uid=uid(number, 3),
        transfer_syntax_uid=syntax,
    )


def encapsulated(*fragments: bytes, table: bytes = b"") -> bytes:
    return b"".join(
        (
            element(0x7FE00010, "OB", b"", length=_UNDEFINED),
            item(_ITEM, table),
            *(item(_ITEM, each + b"\0" * (len(each) % 2)) for each in fragments),
            item(_SEQUENCE_END),
        )
    )


def compressed(number: int, syntax: str, frame: bytes, *, side: int = 16, frames: int = 1) -> bytes:
    changes = {
        0x00280008: ("IS", _text(str(frames))),
        0x00280010: _us(side),
        0x00280011: _us(side),
    }
    return bomb(number, changes, syntax=syntax, tail=encapsulated(frame))


def deflated(number: int, parts: Iterable[bytes], *, level: int = 9) -> bytes:
    """Deflate the header and then `parts`, which are never held at once."""
    deflater = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    elements = image(number)
    head = b"".join(element(tag, *elements[tag]) for tag in sorted(elements))
    stream = deflater.compress(head)
    stream += b"".join(deflater.compress(part) for part in parts) + deflater.flush()
    return _file(number, stream + bytes(len(stream) % 2), DEFLATED)


def zeros(size_bytes: int, *, tag: int = 0x7FE00010, vr: str = "OW") -> Iterable[bytes]:
    yield element(tag, vr, b"", length=size_bytes)
    for _ in range(size_bytes // MIB):
        yield bytes(MIB)


def rle(*segments: bytes, offsets: list[int] | None = None) -> bytes:
    starts, at = [], 64
    for segment in segments:
        starts.append(at)
        at += len(segment)
    starts = starts if offsets is None else offsets
    header = struct.pack("<L", len(starts)) + struct.pack(f"<{len(starts)}L", *starts)
    return header.ljust(64, b"\0")[:64] + b"".join(segments)


def codestream(width: int, height: int, *, tile: int = 0, parts: int = 1, depth: int = 5) -> bytes:
    """The main header of a JPEG 2000 codestream (ISO 15444-1 A.5), and an empty tile."""
    tile = tile or max(width, height)
    components = b"".join(b"\x0f\x01\x01" for _ in range(parts))
    size = struct.pack(">H8LH", 0, width, height, 0, 0, tile, tile, 0, 0, parts) + components
    coding = struct.pack(">BBHBBBBBB", 0, 0, 1, 0, depth, 4, 4, 0, 1)
    steps = b"\x40" + bytes(8 + 8 * 3 * min(depth, 32))[: 1 + 3 * min(depth, 32)]
    return b"".join(
        (
            b"\xff\x4f",
            b"\xff\x51" + struct.pack(">H", len(size) + 2) + size,
            b"\xff\x52" + struct.pack(">H", len(coding) + 2) + coding,
            b"\xff\x5c" + struct.pack(">H", len(steps) + 2) + steps,
            b"\xff\x90" + struct.pack(">HHLBB", 10, 0, 0, 0, 1),
            b"\xff\x93" + bytes(64),
            b"\xff\xd9",
        )
    )


def jpeg(width: int, height: int, *, marker: int = 0xC0, scans: int = 1) -> bytes:
    """A JPEG of one component that claims a size and has next to no data."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\0"
    scan = b"\xff\xda" + struct.pack(">H", 8) + b"\x01\x01\0\0\x3f\0" + b"\x55" * 16
    table = b"\xff\xdb" + struct.pack(">H", 67) + b"\0" + b"\x01" * 64
    codes = b"\xff\xc4" + struct.pack(">H", 31) + b"\0" + bytes([0, 1, 5, 1, 1, 1, 1, 1, 1])
    codes += bytes(7) + bytes(range(12))
    body = table + codes + bytes([0xFF, marker]) + struct.pack(">H", len(frame) + 2) + frame
    return b"\xff\xd8" + body + scan * scans + b"\xff\xd9"


def jpeg_ls(width: int, height: int) -> bytes:
    frame = struct.pack(">BHHB", 16, height, width, 1) + b"\x01\x11\0"
    scan = b"\xff\xda" + struct.pack(">H", 8) + b"\x01\x01\0\0\0\0" + bytes(64)
    return b"\xff\xd8\xff\xf7" + struct.pack(">H", len(frame) + 2) + frame + scan + b"\xff\xd9"


def nested(depth: int, *, is_defined: bool, vr: str = "SQ", tag: int = 0x00400275) -> bytes:
    content = b""
    for _ in range(depth):
        if is_defined:
            content = element(tag, vr, item(_ITEM, content))
        else:
            inner = item(_ITEM, content + item(_ITEM_END), length=_UNDEFINED)
            content = element(tag, vr, inner + item(_SEQUENCE_END), length=_UNDEFINED)
    return content


def functional_groups(count: int) -> bytes:
    return element(0x52009230, "SQ", item(_ITEM) * count)


def many(count: int) -> bytes:
    """Elements of as many different private tags."""
    return b"".join(element(0x60010000 + number, "LO", b"") for number in range(count))


_PIXELS = element(0x7FE00010, "OW", bytes(512))
_SEQUENCE_TAG = 0x00081115

BOMBS: dict[str, Callable[[int], bytes]] = {
    "deflate: 240 MB of pixels": lambda n: deflated(n, zeros(240 * MIB)),
    "deflate: 600 MB of pixels": lambda n: deflated(n, zeros(600 * MIB)),
    "deflate: 200 MB of text": lambda n: deflated(n, zeros(200 * MIB, tag=0x0040A160, vr="UT")),
    "deflate: a million elements": lambda n: deflated(n, [many(60_000) * 16]),
    "deflate: nested 5,000 deep": lambda n: deflated(n, [nested(5000, is_defined=False)]),
    "deflate: 200,000 empty blocks": lambda n: _file(
        n, b"\0\0\0\xff\xff" * 200_000 + b"\x03\0", DEFLATED
    ),
    "deflate: cut short": lambda n: deflated(n, zeros(64 * MIB))[:-5000],
    "RLE: 65,535 x 65,535 of one run": lambda n: compressed(n, RLE, rle(b"\x81\0"), side=65535),
    "RLE: runs far beyond the image": lambda n: compressed(n, RLE, rle(b"\x81\0" * 2**20)),
    "RLE: segments that lie elsewhere": lambda n: compressed(
        n, RLE, rle(b"\x81\0", offsets=[4_000_000_000] * 15)
    ),
    "RLE: 255 segments": lambda n: compressed(n, RLE, struct.pack("<L", 255) + bytes(60)),
    "RLE: a run that panics a decoder": lambda n: compressed(n, RLE, rle(b"\xe7\0", b"\xe7\0")),
    "RLE: 2^31 frames": lambda n: compressed(n, RLE, rle(b"\x81\0"), frames=2**31),
    "J2K: 2^32 wide": lambda n: compressed(n, J2K, codestream(2**32 - 1, 2**32 - 1)),
    "J2K: 60,000 wide, header too": lambda n: compressed(
        n, J2K, codestream(60000, 60000), side=60000
    ),
    "J2K: 20,000 wide, header not": lambda n: compressed(n, J2K, codestream(20000, 20000)),
    "J2K: a million tiles": lambda n: compressed(n, J2K, codestream(65535, 65535, tile=1)),
    "J2K: 16,384 components": lambda n: compressed(n, J2K, codestream(16, 16, parts=16384)),
    "J2K: 200 levels": lambda n: compressed(n, J2K, codestream(16, 16, depth=200)),
    "HTJ2K: 60,000 wide": lambda n: compressed(n, HTJ2K, codestream(60000, 60000), side=60000),
    "JPEG: 65,500 wide": lambda n: compressed(n, JPEG, jpeg(65500, 65500), side=65500),
    "JPEG: 20,000 scans": lambda n: compressed(
        n, JPEG, jpeg(4096, 4096, marker=0xC2, scans=20_000), side=4096
    ),
    "JPEG lossless: 65,535 wide": lambda n: compressed(
        n, JPEG_LOSSLESS, jpeg(65535, 65535, marker=0xC3), side=65535
    ),
    "JPEG-LS: 65,535 wide": lambda n: compressed(n, JPEG_LS, jpeg_ls(65535, 65535), side=65535),
    "native: 65,535 x 65,535": lambda n: bomb(n, {0x00280010: _us(65535), 0x00280011: _us(65535)}),
    "native: 2^31 frames": lambda n: bomb(n, {0x00280008: ("IS", b"2147483647")}),
    "native: minus one frame": lambda n: bomb(n, {0x00280008: ("IS", b"-1")}),
    "native: 65,535 samples": lambda n: bomb(n, {0x00280002: _us(65535)}),
    "native: 65,528 bits": lambda n: bomb(n, {0x00280100: _us(65528), 0x00280101: _us(65528)}),
    "native: one bit a pixel": lambda n: bomb(
        n, {0x00280100: _us(1), 0x00280008: ("IS", b"999999999 ")}
    ),
    "native: a palette of 65,536": lambda n: bomb(
        n,
        {
            0x00280004: ("CS", b"PALETTE COLOR "),
            0x00281101: ("US", struct.pack("<3H", 0, 0, 16)),
            0x00281201: ("OW", b""),
        },
    ),
    "enhanced: 2^31 frames, 100,000 groups": lambda n: bomb(
        n,
        {0x00080016: ("UI", _uid(CT)), 0x00280008: ("IS", b"2147483647")},
        tail=functional_groups(100_000) + _PIXELS,
    ),
    "nesting: 10,000 deep, lengths given": lambda n: bomb(
        n, before_tail=nested(2000, is_defined=True)
    ),
    "nesting: 10,000 deep, delimited": lambda n: bomb(
        n, before_tail=nested(10_000, is_defined=False)
    ),
    "nesting: 10,000 deep in UN": lambda n: bomb(
        n, before_tail=nested(2000, is_defined=False, vr="UN")
    ),
    "length: 4 GB of pixels": lambda n: bomb(
        n, tail=element(0x7FE00010, "OW", bytes(10), length=0xFFFFFFFE)
    ),
    "length: an item of 4 GB": lambda n: bomb(
        n, before_tail=element(0x00400275, "SQ", item(_ITEM, length=0xFFFFFFF0), length=8)
    ),
    "length: a fragment of 4 GB": lambda n: bomb(
        n,
        syntax=RLE,
        tail=element(0x7FE00010, "OB", b"", length=_UNDEFINED) + item(_ITEM, length=0xFFFFFFFE),
    ),
    "length: an offset table of lies": lambda n: bomb(
        n, syntax=RLE, tail=encapsulated(rle(b"\x81\0"), table=struct.pack("<4L", *[2**32 - 2] * 4))
    ),
    "count: a million elements": lambda n: bomb(n, before_tail=many(60_000) * 9),
    "count: a million items": lambda n: bomb(
        n, before_tail=element(0x00400275, "SQ", item(_ITEM) * 600_000)
    ),
    "count: 300,000 items": lambda n: bomb(
        n, before_tail=element(0x00400275, "SQ", item(_ITEM) * 300_000)
    ),
    "count: a million fragments": lambda n: bomb(
        n, syntax=J2K, tail=encapsulated(*[b""] * 600_000)
    ),
    "count: two million values": lambda n: bomb(
        n, before_tail=element(0x0040A160, "UT", b"1\\" * 2_000_000)
    ),
    "text: a character set of a megabyte": lambda n: bomb(
        n, {0x00080005: ("UT", b"ISO 2022 IR 87\\" * 70_000)}
    ),
    "text: a name of escapes": lambda n: bomb(
        n, {0x00080005: ("CS", b"\\ISO 2022 IR 87 "), 0x00100010: ("PN", b"\x1b$B" * 20_000)}
    ),
    "text: a patient ID of 20 MB": lambda n: bomb(n, {0x00100020: ("UT", b"7" * 20 * MIB)}),
}


def _zip(folder: Path, members: Iterable[tuple[str, Iterable[bytes]]], method: int) -> Path:
    path = folder / "bomb.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, parts in members:
            with archive.open(name, "w", force_zip64=True) as member:
                for part in parts:
                    member.write(part)
    return path


_START = bytes(128) + b"DICM"


def _start_and_zeros(mib: int) -> Iterable[bytes]:
    yield _START
    for _ in range(mib):
        yield bytes(MIB)


def zip_of_zeros(folder: Path) -> Path:
    return _zip(folder, [("a.dcm", _start_and_zeros(400))], zipfile.ZIP_DEFLATED)


def zip_of_many(folder: Path) -> Path:
    return _zip(folder, [(f"{n}", [b"x"]) for n in range(20_000)], zipfile.ZIP_STORED)


def zip_in_zip(folder: Path) -> Path:
    """An archive within an archive within an archive, down to a flood."""
    inner = zip_of_zeros(folder).read_bytes()
    for _ in range(4):
        inner = _zip(folder, [("a.zip", [inner])], zipfile.ZIP_DEFLATED).read_bytes()
    return folder / "bomb.zip"


def gzip_of_zeros(folder: Path) -> Path:
    path = folder / "bomb.gz"
    with gzip.open(path, "wb") as file:
        for part in _start_and_zeros(300):
            file.write(part)
    return path


def tar_of_zeros(folder: Path) -> Path:
    member = tarfile.TarInfo("junk")
    member.size = 300 * MIB
    with tarfile.open(folder / "bomb.tar.gz", "w:gz") as archive:
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    return folder / "bomb.tar.gz"


def tar_of_a_terabyte(folder: Path) -> Path:
    member = tarfile.TarInfo("huge.dcm")
    member.size = 1 << 40
    (folder / "bomb.tar").write_bytes(member.tobuf(tarfile.PAX_FORMAT) + _START + bytes(1024))
    return folder / "bomb.tar"


PACKED_BOMBS: dict[str, Callable[[Path], Path]] = {
    "zip: 400 MB of zeros": zip_of_zeros,
    "zip: 20,000 members": zip_of_many,
    "zip: within zip within zip": zip_in_zip,
    "gzip: 300 MB of zeros": gzip_of_zeros,
    "tar.gz: 300 MB of zeros": tar_of_zeros,
    "tar: a terabyte that is not there": tar_of_a_terabyte,
}
