"""Instances with an identifier in every place that can hold one, written without any library.

Compressed pixels alone are made by one.
"""

import base64
import dataclasses
import functools
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from PIL import Image
from pydicom.datadict import DicomDictionary
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian

from tests.instances import part10_of, slice_of

Value: TypeAlias = "bytes | int | list[Tree]"
Tree: TypeAlias = dict[int, tuple[str, Value]]

CT, MR, PT = (f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("2", "4", "128"))
IMPLICIT, EXPLICIT, DEFLATED, BIG = (f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2"))
JPEG, J2K, JPEG_LS, RLE = (f"1.2.840.10008.1.2.{end}" for end in ("4.50", "4.90", "4.80", "5"))
ENCAPSULATED = frozenset({JPEG, J2K, JPEG_LS, RLE})

PIXELS = bytes(range(32))
"""Of 4 x 4 values of 16 bits; written compressed where the transfer syntax asks for it."""

STEMS = ("KANARI", "VOGEL")
UID_STEM = "1.2.826.0.1.3680043.99.4711"
DATE = "19310213"
PATIENT_ID = "KANARI0000VOGEL"
SAMPLES = bytes(range(100, 116))
STUDY_UID, SERIES_UID, INSTANCE_UID = (f"{UID_STEM}.{number}" for number in (1, 2, 3))
UNICODE_NAMES = {
    b"ISO_IR 192": "Käñarî^Völgél=山田^太郎=やまだ^たろう".encode(),
    b"ISO_IR 100": "Käñarî^Völgél".encode("latin-1"),
    b"ISO_IR 144": "Канарейка^Птица".encode("iso8859-5"),
    b"\\ISO 2022 IR 87": b"Kanari^V=" + "山田^太郎".encode("iso2022_jp"),
    b"GB18030": "金丝雀^鸟".encode("gb18030"),
}

_LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
_TEXT = frozenset(["AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"])
_BINARY = frozenset(
    ["AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "UN", "US", "UV"]
)
# A canary there is a reason to hold the instance, which other tests show.
HELD = frozenset(
    {
        0x00080008,  # Image Type
        0x00080064,  # Conversion Type
        0x00181010,  # Secondary Capture Device ID, Manufacturer, Model, Software
        0x00181016,
        0x00181018,
        0x00181019,
        0x00280301,  # Burned In Annotation
        0x00620005,  # Segment Label
    }
)


# Signs that a picture was saved from a screen; they hold it until a person has looked at it.
SIGNS = {
    0x00080064: "CS",
    0x00181010: "LO",
    0x00181016: "LO",
    0x00181018: "LO",
    0x00181019: "LO",
    0x00280301: "CS",
}
# How an identifier may be written, by what the scanner calls it.
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda value: value,
    "utf-16-le": lambda value: value.decode().encode("utf-16-le"),
    "utf-16-be": lambda value: value.decode().encode("utf-16-be"),
    "base64": base64.b64encode,
    "hex": lambda value: value.hex().encode(),
    "reversed": lambda value: value[::-1],
}


@dataclasses.dataclass
class Canaries:
    """Hands out identifiers and counts them.

    Attributes:
        form: how they are written: one of `FORMS`; `name in` for names in national character sets;
            `mixed` for one after the other.
        turn: where in the forms a mixture begins.
    """

    count: int = 0
    form: str = ""
    turn: int = 0

    def value(self, vr: str) -> bytes:
        self.count += 1
        form = self.form
        if form == "mixed":
            forms = (*FORMS, "name in")
            form = forms[(self.count + self.turn) % len(forms)]
        if form == "name in":
            names = list(UNICODE_NAMES.values())
            return names[self.count % len(names)]
        return FORMS[form](self._plain(vr))

    def _plain(self, vr: str) -> bytes:
        number = f"{self.count:05d}"
        if vr == "UI":
            return f"{UID_STEM}.{number}".encode()
        if vr in {"DA", "DT"}:
            return (DATE if vr == "DA" else f"{DATE}101112.5+0100").encode()
        if vr == "PN":
            return f"KANARI{number}^VOGEL=KANARI^VOGEL".encode()
        return f"KANARI{number}VOGEL"[:16].ljust(16).encode()


def base(sop_class_uid: str = CT) -> Tree:
    """An image of 4 by 4 pixels with what a scanner says of it."""
    return {
        0x00080005: ("CS", b"ISO_IR 192"),
        0x00080008: ("CS", b"ORIGINAL\\PRIMARY\\AXIAL"),
        0x00080016: ("UI", sop_class_uid.encode()),
        0x00080018: ("UI", INSTANCE_UID.encode()),
        0x00080020: ("DA", DATE.encode()),
        0x00080030: ("TM", b"101112"),
        0x00080060: ("CS", b"CT"),
        0x00100010: ("PN", b"KANARI^VOGEL"),
        0x00100020: ("LO", PATIENT_ID.encode()),
        0x00100040: ("CS", b"F"),
        0x00101010: ("AS", b"064Y"),
        0x00180015: ("CS", b"CHEST"),
        0x00180050: ("DS", b"2.5"),
        0x00180060: ("DS", b"120"),
        0x0020000D: ("UI", STUDY_UID.encode()),
        0x0020000E: ("UI", SERIES_UID.encode()),
        0x00200013: ("IS", b"7"),
        0x00200032: ("DS", b"-10\\-20\\30.5"),
        0x00200037: ("DS", b"1\\0\\0\\0\\1\\0"),
        0x00280002: ("US", 1),
        0x00280004: ("CS", b"MONOCHROME2"),
        0x00280010: ("US", 4),
        0x00280011: ("US", 4),
        0x00280030: ("DS", b"0.7\\0.7"),
        0x00280100: ("US", 16),
        0x00280101: ("US", 16),
        0x00280102: ("US", 15),
        0x00280103: ("US", 0),
        0x00281052: ("DS", b"-1024"),
        0x00281053: ("DS", b"1"),
        0x7FE00010: ("OW", PIXELS),
    }


def hostile(sop_class_uid: str, canaries: Canaries) -> Tree:
    """Plant an identifier at every attribute of the dictionary, at depths 0 to 3, and beyond it."""
    tree = base(sop_class_uid)
    tree |= {tag: each for tag, each in every_attribute(canaries).items() if tag not in tree}
    inner = every_attribute(canaries)
    tree[0x52009229] = ("SQ", [dict(inner)])
    tree[0x52009230] = ("SQ", [{0x00209113: ("SQ", [every_attribute(canaries)])}])
    tree[0x0040A730] = ("SQ", content_items(canaries))
    tree[0x00400275] = ("SQ", [{0x00400008: ("SQ", [{0x0040A043: ("SQ", [dict(inner)])}])}])
    tree |= private_block(canaries) | graphics(canaries) | undefined(canaries) | concepts(canaries)
    return tree | waveforms(canaries)


def every_attribute(canaries: Canaries) -> Tree:
    """Each attribute of the data dictionary that is no sequence, retired ones too."""
    planted: Tree = {}
    for tag, (vrs, _, _, _, _) in sorted(DicomDictionary.items()):
        vr = vrs.split(" or ")[0]
        if tag in HELD or tag >> 16 in {0x0000, 0x0002, 0x7FE0, 0xFFFE} or vr in {"SQ", "TM", "AS"}:
            continue
        if vr in _TEXT | _BINARY | {"DA", "DT", "DS", "IS", "PN", "UI"}:
            planted[tag] = (vr, canaries.value(vr))
    return planted


def content_items(canaries: Canaries) -> list[Tree]:
    """Items of a structured report, one within the other."""
    kinds = (
        (b"TEXT", 0x0040A160, "UT"),
        (b"PNAME", 0x0040A123, "PN"),
        (b"UIDREF", 0x0040A124, "UI"),
        (b"DATE", 0x0040A121, "DA"),
        (b"DATETIME", 0x0040A120, "DT"),
    )
    items: list[Tree] = [
        {
            0x0040A010: ("CS", b"CONTAINS"),
            0x0040A040: ("CS", kind),
            0x0040A043: ("SQ", [concept(canaries, b"121071", b"DCM")]),
            tag: (vr, canaries.value(vr)),
        }
        for kind, tag, vr in kinds
    ]
    return [
        {0x0040A040: ("CS", b"CONTAINER"), 0x0040A730: ("SQ", [{0x0040A730: ("SQ", items)}])},
        *items,
    ]


def concept(canaries: Canaries, value: bytes, scheme: bytes) -> Tree:
    return {
        0x00080100: ("SH", value),
        0x00080102: ("SH", scheme),
        0x00080103: ("SH", canaries.value("SH")),
        0x00080104: ("LO", canaries.value("LO")),
        0x00080106: ("DT", DATE.encode()),
        0x00080119: ("UC", canaries.value("UC")),
        0x00080120: ("UR", canaries.value("UR")),
    }


def concepts(canaries: Canaries) -> Tree:
    """Coded concepts of known, unknown and private schemes, with typed meanings."""
    codes = [
        concept(canaries, b"113100", b"DCM"),
        concept(canaries, b"39607008", b"SCT"),
        concept(canaries, b"T-28000", b"SRT"),
        concept(canaries, b"987654321", b"SCT"),
        concept(canaries, canaries.value("SH"), b"SCT"),
        concept(canaries, b"{KANARI}", b"UCUM"),
        concept(canaries, b"X1", canaries.value("SH")),
        concept(canaries, b"LUNG", b"99SIGHTLINE"),
    ]
    return {0x00081032: ("SQ", codes), 0x00082218: ("SQ", codes)}


def private_block(canaries: Canaries) -> Tree:
    """A private block with values of every kind, sequences and a sequence as UN."""
    block: Tree = {0x00090010: ("LO", canaries.value("LO"))}
    for number, vr in enumerate(sorted(_TEXT | _BINARY | {"PN", "UI", "DA"})):
        block[0x00091000 + number] = (vr, canaries.value(vr))
    block[0x00091080] = ("SQ", [every_attribute(canaries)])
    block[0x00091081] = ("UN", encode([{0x00100010: ("PN", canaries.value("PN"))}], IMPLICIT))
    return block


def graphics(canaries: Canaries) -> Tree:
    """Overlays, curves, an icon, signatures, original attributes, padding."""
    found: Tree = {}
    for group in range(0x6000, 0x6020, 2):
        for element, vr in ((0x0022, "LO"), (0x1500, "LO"), (0x4000, "LT"), (0x3000, "OW")):
            found[group << 16 | element] = (vr, canaries.value(vr))
    for group in range(0x5000, 0x5020, 2):
        found[group << 16 | 0x0022] = ("LO", canaries.value("LO"))
        found[group << 16 | 0x3000] = ("OW", canaries.value("OW"))
    nested = every_attribute(canaries)
    for sequence in (0x00880200, 0x04000561, 0xFFFAFFFA, 0x00081120, 0x00101002, 0x00400555):
        found[sequence] = ("SQ", [nested | {0x7FE00010: ("OB", canaries.value("OB"))}])
    found[0xFFFCFFFC] = ("OB", canaries.value("OB"))
    return found


def waveforms(canaries: Canaries) -> Tree:
    """A waveform of 2 channels and 4 samples with identifiers around them, and its annotations."""
    channel = every_attribute(canaries) | {0x003A0208: ("SQ", [concept(canaries, b"X", b"MDC")])}
    elsewhere: Tree = {0x54000100: ("SQ", [every_attribute(canaries)])}
    group = every_attribute(canaries) | {
        0x003A0005: ("US", 2),
        0x003A0010: ("UL", 4),
        0x003A0200: ("SQ", [channel | elsewhere, every_attribute(canaries)]),
        0x54000100: ("SQ", [every_attribute(canaries)]),
        0x54001004: ("US", 16),
        0x54001010: ("OW", SAMPLES),
    }
    note = every_attribute(canaries) | {0x0040A043: ("SQ", [concept(canaries, b"5.7", b"SCPECG")])}
    return {0x54000100: ("SQ", [group]), 0x0040B020: ("SQ", [note, every_attribute(canaries)])}


def undefined(canaries: Canaries) -> Tree:
    """Even tags that no edition of the standard defines, and standard ones written as UN."""
    tags = (0x0008FFFE, 0x0010FFF0, 0x0012FFFF, 0x0018FFF2, 0x0020FFF0, 0x0028FFFA, 0x00FC0010)
    found: Tree = {tag: ("UN", canaries.value("UN")) for tag in tags}
    found[0x00081030] = ("UN", canaries.value("LO"))
    found[0x00081111] = ("UN", encode([{0x00100020: ("LO", canaries.value("LO"))}], IMPLICIT))
    return found


def part10(tree: Tree, syntax: str, canaries: Canaries, *, is_trailed: bool = True) -> bytes:
    """Write a file with identifiers in preamble and file meta, and after the last element."""
    meta: Tree = {
        0x00020001: ("OB", b"\0\1"),
        0x00020002: ("UI", _bytes(tree[0x00080016])),
        0x00020003: ("UI", _bytes(tree[0x00080018])),
        0x00020010: ("UI", syntax.encode()),
        0x00020012: ("UI", canaries.value("UI")),
        0x00020013: ("SH", canaries.value("SH")),
        0x00020016: ("AE", canaries.value("AE")),
        0x00020017: ("AE", canaries.value("AE")),
        0x00020018: ("AE", canaries.value("AE")),
        0x00020100: ("UI", canaries.value("UI")),
        0x00020102: ("OB", canaries.value("OB")),
    }
    if syntax in ENCAPSULATED and tree.get(0x7FE00010, ("", b""))[1] == PIXELS:
        bits = 8 if syntax == JPEG else 16
        described = {0x00280010: 64, 0x00280011: 64, 0x00280100: bits, 0x00280101: bits}
        described[0x00280102] = bits - 1
        tree = tree | {tag: ("US", number) for tag, number in described.items()}
    written = encode(meta, EXPLICIT)
    length = encode({0x00020000: ("UL", len(written))}, EXPLICIT)
    content = encode(tree, syntax) + (canaries.value("LO") if is_trailed else b"")
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        content = deflater.compress(content) + deflater.flush()
    preamble = (canaries.value("LO") * 128)[:128]
    return preamble + b"DICM" + length + written + content


def encode(content: "Tree | list[Tree]", syntax: str) -> bytes:
    """Encode a dataset, or the items of a sequence; sequences alternate between length forms."""
    order, is_implicit = (">" if syntax == BIG else "<"), syntax == IMPLICIT
    if isinstance(content, list):
        parts = []
        for number, item in enumerate(content):
            inner = encode(item, syntax)
            length = 0xFFFFFFFF if number % 2 else len(inner)
            parts.append(struct.pack(order + "HHL", 0xFFFE, 0xE000, length) + inner)
            if number % 2:
                parts.append(struct.pack(order + "HHL", 0xFFFE, 0xE00D, 0))
        return b"".join(parts)
    parts = []
    for tag in sorted(content):
        vr, value = content[tag]
        parts.append(_element(tag, vr, value, syntax, order, is_implicit=is_implicit))
    return b"".join(parts)


def _element(
    tag: int, vr: str, value: Value, syntax: str, order: str, *, is_implicit: bool
) -> bytes:
    if tag == 0x7FE00010 and syntax in ENCAPSULATED:
        pixels = _bytes((vr, value))
        return _fragments(_picture(syntax) if pixels == PIXELS else pixels)
    if isinstance(value, list):
        raw = encode(value, syntax)
    elif isinstance(value, int):
        raw = struct.pack(order + ("L" if vr == "UL" else "H"), value)
    else:
        raw = value + (b"\0" if vr in {"UI", "OB", "UN"} else b" ") * (len(value) % 2)
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if is_implicit:
        return head + struct.pack(order + "L", len(raw)) + raw
    if vr in _LONG:
        return head + vr.encode() + struct.pack(order + "HL", 0, len(raw)) + raw
    return head + vr.encode() + struct.pack(order + "H", len(raw)) + raw


@functools.cache
def _picture(syntax: str) -> bytes:
    """A compressed image of 64 x 64 values; encoders take none of 4 x 4."""
    values = (np.arange(4096, dtype=np.uint16) % 256).reshape(64, 64)
    if syntax == JPEG:
        file = io.BytesIO()
        Image.fromarray(values.astype(np.uint8)).save(file, "jpeg")
        stream = file.getvalue()
        return stream + bytes(len(stream) % 2)
    image = slice_of(1, size=64, PixelRepresentation=0)
    part10_of(image, ExplicitVRLittleEndian)
    image.compress(syntax, values)
    return next(generate_frames(image.PixelData, number_of_frames=1))


def _fragments(pixels: bytes) -> bytes:
    head = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    table = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    fragment = struct.pack("<HHL", 0xFFFE, 0xE000, len(pixels)) + pixels
    return head + table + fragment + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def _bytes(element: tuple[str, Value]) -> bytes:
    value = element[1]
    assert isinstance(value, bytes)
    return value


def survivors(content: bytes) -> list[str]:
    """List what is left of any identifier: as text, in UTF-16, base64, hex, or deflated."""
    looked_at = [content, *inflated(content)]
    return sorted(
        {what for haystack in looked_at for what, needle in _needles() if needle in haystack}
    )


def _needles() -> Iterator[tuple[str, bytes]]:
    for stem in (*STEMS, *(stem.lower() for stem in STEMS), UID_STEM, DATE):
        raw = stem.encode()
        yield stem, raw
        yield f"{stem} reversed", raw[::-1]
        for codec in ("utf-16-le", "utf-16-be"):
            yield f"{stem} {codec}", stem.encode(codec)
        yield f"{stem} hex", raw.hex().encode()
        yield f"{stem} HEX", raw.hex().upper().encode()
        for shift in range(3):
            # The characters that the stem alone decides, whatever stands before and after it.
            inner = base64.b64encode(bytes(shift) + raw)
            yield f"{stem} base64", inner[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
    for charset, name in UNICODE_NAMES.items():
        for part in name.replace(b"=", b"^").split(b"^"):
            if len(part) > 3:
                yield f"name in {charset!r}", part


def inflated(content: bytes) -> Iterator[bytes]:
    offset = content.find(b"DICM") + 4
    length = struct.unpack_from("<L", content, offset + 8)[0]
    try:
        yield zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[offset + 12 + length :])
    except zlib.error:
        return
