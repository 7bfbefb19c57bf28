"""Text in the pixels of one instance: found, blackened, looked for again.

Whatever decodes or reads runs in limited children, which are given the pixels and nothing else of
the instance: the process that holds the key only writes black into bytes.
"""

import dataclasses
import struct
from collections.abc import Sequence

from sightline import log
from sightline.deid.dataset import Dataset, Element, ParsedFile
from sightline.deid.pixels.bare import OFFSET_TABLES, bare, limits_of
from sightline.deid.pixels.blacken import (
    BITS_ALLOCATED,
    BITS_STORED,
    HIGH_BIT,
    PHOTOMETRIC,
    PIXEL_DATA,
    PLANAR,
    SAMPLES,
    Layout,
    blackened,
    with_elements,
    without_unused_bits,
)
from sightline.deid.pixels.look import count_decoded, decompress, find_text, is_installed
from sightline.deid.pixels.pictures import Box
from sightline.deid.vocabulary import Words
from sightline.engines.limited import Limits
from sightline.errors import BadFile, NotDicom
from sightline.formats.dicom_elements import Encoding

_log = log.get("deid")

_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_FRAMES_A_CALL = 32
_LOOKS = 3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CleanedPixels:
    """An instance whose pixels hold no text that may not stay.

    Attributes:
        boxes: how many places were blackened, in every frame.
        frames: how many frames were changed.
        lines: how many lines of text were found at first, those included that may stay.
    """

    parsed: ParsedFile
    boxes: int
    frames: int
    lines: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    boxes: tuple[Box, ...]
    lines: int


def can_clean() -> bool:
    """Tell whether what reads text is installed."""
    return is_installed()


def clean_pixels(
    parsed: ParsedFile, site_words: Words, *, hides_overlay: bool = False
) -> CleanedPixels | str:
    """Blacken the text in an image, or return the reason to hold it.

    An image without text stays as it is, compressed or not; one with text leaves uncompressed.

    Args:
        parsed: the instance.
        site_words: words that may stay besides the list of this room.
        hides_overlay: clear the bits that hold no value.

    Raises:
        MissingExtra: What reads text is not installed.
    """
    try:
        _decode(parsed)
        if hides_overlay:
            parsed = without_unused_bits(_uncompressed(parsed))
        look = _look_at(parsed, site_words)
        return _blacken(parsed, look, site_words) if look.boxes else _untouched(parsed, look)
    except BadFile as error:
        _log.warning("pixels_not_cleaned", why=error.problem)
        return "pixels_unreadable"


def _decode(parsed: ParsedFile) -> None:
    """Decode what is compressed under limits for that alone: reading text may take far longer."""
    pixels = parsed.elements.get(PIXEL_DATA)
    if pixels is not None and pixels.is_encapsulated:
        content = bare(parsed)
        frames = Layout.of(parsed).frames
        Limits.for_bytes(len(content), frames=frames).call(count_decoded, content)


def _untouched(parsed: ParsedFile, look: _Look) -> CleanedPixels:
    return CleanedPixels(parsed=parsed, boxes=0, frames=0, lines=look.lines)


def _blacken(parsed: ParsedFile, first: _Look, site_words: Words) -> CleanedPixels | str:
    parsed = _uncompressed(parsed)
    boxes = set(first.boxes)
    left = first
    for _ in range(_LOOKS):
        parsed = blackened(parsed, left.boxes)
        left = _look_at(parsed, site_words, near=left.boxes)
        if not left.boxes:
            frames = Layout.of(parsed).frames
            return CleanedPixels(parsed=parsed, boxes=len(boxes), frames=frames, lines=first.lines)
        boxes.update(left.boxes)
    return "text_remains"


def _look_at(parsed: ParsedFile, site_words: Words, near: Sequence[Box] = ()) -> _Look:
    """Look at every frame, some of them a call, so that no call takes long.

    Args:
        parsed: the image.
        site_words: words that may stay.
        near: where it changed since an earlier look; nothing else is looked at again.
    """
    content = bare(parsed)
    layout = Layout.of(parsed)
    boxes: dict[Box, None] = {}
    lines = 0
    for start in range(0, layout.frames, _FRAMES_A_CALL):
        frames = range(start, min(start + _FRAMES_A_CALL, layout.frames))
        limits = limits_of(layout, content, len(frames))
        found, count, _ = limits.call(find_text, content, frames, site_words, near=near)
        lines += count
        boxes.update(dict.fromkeys(_checked(box, layout) for box in found))
    return _Look(boxes=tuple(boxes), lines=lines)


def _checked(box: Box, layout: Layout) -> Box:
    """Believe a child nothing that is no box of the picture."""
    top, left, bottom, right = box
    if not (0 <= top < bottom <= layout.rows and 0 <= left < right <= layout.columns):
        raise NotDicom("a box that lies beyond the picture", hint="Look at the picture by hand.")
    return box


def _uncompressed(parsed: ParsedFile) -> ParsedFile:
    """Return an image as one whose bytes can be blackened: explicit or implicit little endian."""
    layout = Layout.of(parsed)
    is_native = not parsed.elements[PIXEL_DATA].is_encapsulated and parsed.encoding.is_little
    if is_native and layout.is_plain:
        return parsed
    content = bare(parsed)
    pixels, samples, bits = limits_of(layout, content, layout.frames).call(decompress, content)
    elements = {tag: each for tag, each in parsed.elements.items() if tag not in OFFSET_TABLES}
    plain = dataclasses.replace(
        parsed,
        transfer_syntax_uid=_EXPLICIT_LITTLE,
        encoding=Encoding.of(_EXPLICIT_LITTLE),
        elements=elements,
    )
    if not parsed.encoding.is_little:
        # Every number of a big endian file would have to be turned around.
        raise NotDicom("a big endian image", hint="Ask the sender for it in little endian.")
    plain = with_elements(plain, _described(layout, pixels, samples=samples, bits=bits))
    if not Layout.of(plain).is_plain:
        raise NotDicom("pixels of an unusual kind", hint="Look at the picture by hand.")
    return plain


def _described(layout: Layout, pixels: bytes, *, samples: int, bits: int) -> Dataset:
    """Describe decompressed pixels; colour comes as RGB (PS3.3 C.7.6.3)."""
    stored = min(layout.stored, bits)
    numbers = {SAMPLES: samples, BITS_ALLOCATED: bits, BITS_STORED: stored, HIGH_BIT: stored - 1}
    if samples > 1:
        numbers[PLANAR] = 0
    described = {tag: Element("US", struct.pack("<H", each)) for tag, each in numbers.items()}
    if samples > 1:
        described[PHOTOMETRIC] = Element("CS", b"RGB ")
    padded = pixels + bytes(len(pixels) % 2)
    described[PIXEL_DATA] = Element("OW" if bits > 8 else "OB", padded)  # noqa: PLR2004
    return described
