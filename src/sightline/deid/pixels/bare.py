"""The pixels of an instance alone, as a limited child is given them."""

import struct

from sightline.deid.dataset import Element, ParsedFile, write_dataset
from sightline.deid.pixels.blacken import FRAMES, PALETTE_TAGS, PHOTOMETRIC, PIXEL_DATA, Layout
from sightline.engines.limited import Limits
from sightline.formats.dicom_file import part10

OFFSET_TABLES = (0x7FE00001, 0x7FE00002)

_SOP_CLASS = 0x00080016
_EXPLICIT_LITTLE, _DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
_CPU_S, _CPU_S_A_MEGAPIXEL = 60.0, 20.0
_GIB = 1024**3
_NAMELESS = "2.25.0"


def bare(parsed: ParsedFile) -> bytes:
    """Write the image alone, described by numbers of ours, without what names anybody."""
    layout, order = Layout.of(parsed), parsed.encoding.order
    kept = {
        tag: Element("US", struct.pack(order + "H", number & 0xFFFF))
        for tag, number in layout.numbers().items()
    }
    kept[PHOTOMETRIC] = Element("CS", layout.photometric.encode("latin-1"))
    kept[FRAMES] = Element("IS", str(layout.frames).encode("ascii"))
    copied = {PIXEL_DATA, *OFFSET_TABLES, *(PALETTE_TAGS if layout.has_palette else ())}
    kept |= {tag: each for tag, each in parsed.elements.items() if tag in copied}
    syntax = parsed.transfer_syntax_uid
    if syntax == _DEFLATED:
        syntax = _EXPLICIT_LITTLE
    sop_class = bytes(parsed.elements[_SOP_CLASS].value) if _SOP_CLASS in parsed.elements else b""
    return part10(
        *write_dataset(kept, syntax),
        sop_class_uid=sop_class.decode("latin-1").strip("\0 "),
        sop_instance_uid=_NAMELESS,
        transfer_syntax_uid=syntax,
    )


def limits_of(layout: Layout, content: bytes, frames: int) -> Limits:
    """Return what looking at some frames of an image may use."""
    megapixels = layout.rows * layout.columns / 1e6 * frames
    cpu_s = _CPU_S + _CPU_S_A_MEGAPIXEL * megapixels
    size = layout.values * layout.bits // 8 * frames
    return Limits(
        cpu_s=cpu_s,
        wall_s=60.0 + 20 * cpu_s,
        memory_bytes=6 * _GIB + 8 * len(content) + 8 * size,
        answer_bytes=_GIB + 2 * size,
    )
