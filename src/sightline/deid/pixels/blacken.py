"""Black boxes in uncompressed pixels: the bytes in them change, no other byte does."""

import dataclasses
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sightline.deid.dataset import Dataset, Element, ParsedFile
from sightline.deid.pixels.pictures import Box
from sightline.errors import NotDicom

PIXEL_DATA = 0x7FE00010
SAMPLES, PHOTOMETRIC, PLANAR, FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
ROWS, COLUMNS = 0x00280010, 0x00280011
BITS_ALLOCATED, BITS_STORED, HIGH_BIT, SIGN = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_PALETTES = ((0x00281101, 0x00281201), (0x00281102, 0x00281202), (0x00281103, 0x00281203))
PALETTE_TAGS = frozenset(
    {tag for pair in _PALETTES for tag in pair} | {0x00281221, 0x00281222, 0x00281223}
)
"""Tables of the three colours, whole or in segments."""
_WIDTHS = frozenset({8, 16, 32})
_SHARED_CHROMA = "YBR_FULL_422"
_COLOURS = frozenset({"RGB", "YBR_FULL", _SHARED_CHROMA})
_GREYS = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})
_RGB_SAMPLES = 3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How the pixels of an image lie in its bytes.

    Attributes:
        bits: allocated for each sample.
        stored: bits of them that hold the value.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    is_planar: bool
    bits: int
    stored: int
    high: int
    is_signed: bool

    @classmethod
    def of(cls, parsed: ParsedFile) -> "Layout":
        """Read it from an image."""

        def number(tag: int, default: int) -> int:
            element = parsed.elements.get(tag)
            if element is None or len(element.value) < 2:  # noqa: PLR2004 - an unsigned short
                return default
            return int(struct.unpack_from(parsed.encoding.order + "H", element.value)[0])

        bits = number(BITS_ALLOCATED, 16)
        stored = number(BITS_STORED, bits)
        frames = text_of(parsed.elements, FRAMES)
        return cls(
            rows=number(ROWS, 0),
            columns=number(COLUMNS, 0),
            frames=max(int(frames), 1) if frames.isdigit() else 1,
            samples=number(SAMPLES, 1),
            photometric=text_of(parsed.elements, PHOTOMETRIC) or "MONOCHROME2",
            is_planar=number(PLANAR, 0) == 1,
            bits=bits,
            stored=stored,
            high=number(HIGH_BIT, stored - 1),
            is_signed=number(SIGN, 0) == 1,
        )

    def numbers(self) -> dict[int, int]:
        """What describes it, by tag."""
        described = {
            SAMPLES: self.samples,
            ROWS: self.rows,
            COLUMNS: self.columns,
            BITS_ALLOCATED: self.bits,
            BITS_STORED: self.stored,
            HIGH_BIT: self.high,
            SIGN: int(self.is_signed),
        }
        return described | ({PLANAR: int(self.is_planar)} if self.samples > 1 else {})

    @property
    def has_palette(self) -> bool:
        """Whether the values are places in a palette."""
        return self.photometric == "PALETTE COLOR"

    @property
    def is_plain(self) -> bool:
        """Whether boxes can be drawn in such pixels as they lie."""
        is_colour = self.samples == _RGB_SAMPLES and self.photometric in _COLOURS
        is_grey = self.samples == 1 and self.photometric in _GREYS
        is_shared = self.photometric == _SHARED_CHROMA
        is_whole = self.bits in _WIDTHS and 0 < self.stored <= self.bits
        return is_whole and (is_grey or is_colour) and not (is_shared and self.columns % 2)

    @property
    def values(self) -> int:
        """Samples of one frame."""
        per_pixel = 2 if self.photometric == _SHARED_CHROMA else self.samples
        return self.rows * self.columns * per_pixel

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of one sample, little endian."""
        return np.dtype(f"<{'i' if self.is_signed else 'u'}{self.bits // 8}")


def blackened(parsed: ParsedFile, boxes: Iterable[Box]) -> ParsedFile:
    """Return an uncompressed little endian image whose pixels in the boxes are black.

    Raises:
        NotDicom: The pixels are fewer than the image says, or its palette cannot be read.
    """
    layout = Layout.of(parsed)
    content = bytearray(parsed.elements[PIXEL_DATA].value)
    samples = _samples(content, layout)
    if layout.photometric == _SHARED_CHROMA:
        _draw_shared(samples, layout, boxes)
    else:
        black = _black(parsed, layout, samples)
        shaped = _shaped(samples, layout)
        for top, left, bottom, right in boxes:
            shaped[:, top:bottom, left:right] = black
    return with_elements(parsed, {PIXEL_DATA: _element_of(parsed, content)})


def without_unused_bits(parsed: ParsedFile) -> ParsedFile:
    """Return an uncompressed little endian image with nothing in the bits that hold no value.

    Raises:
        NotDicom: The values do not lie in the lowest bits, or are fewer than the image says.
    """
    layout = Layout.of(parsed)
    if layout.high != layout.stored - 1:
        raise _cannot("its values do not lie in the lowest bits")
    content = bytearray(parsed.elements[PIXEL_DATA].value)
    samples = _samples(content, layout)
    unused = layout.bits - layout.stored
    # Of signed values the sign is copied into the bits above it, as arithmetic shifts do.
    samples[...] = (samples << unused) >> unused
    return with_elements(parsed, {PIXEL_DATA: _element_of(parsed, content)})


def with_elements(parsed: ParsedFile, changes: Dataset) -> ParsedFile:
    """Return an image with other elements of the same tags."""
    return dataclasses.replace(parsed, elements=parsed.elements | changes)


def text_of(elements: Dataset, tag: int) -> str:
    """Read a string."""
    element = elements.get(tag)
    return bytes(element.value).decode("latin-1").strip("\0 ") if element else ""


def _element_of(parsed: ParsedFile, content: bytearray) -> Element:
    return Element(parsed.elements[PIXEL_DATA].vr, bytes(content))


def _samples(content: bytearray, layout: Layout) -> npt.NDArray[Any]:
    """Look at the samples of all frames; what is written there is written into `content`."""
    count = layout.values * layout.frames
    if count * layout.bits // 8 > len(content) or not count:
        raise _cannot("it has fewer pixels than it says")
    return np.frombuffer(content, layout.dtype, count)


def _shaped(samples: npt.NDArray[Any], layout: Layout) -> npt.NDArray[Any]:
    """Samples as (frames, rows, columns, samples)."""
    if layout.is_planar and layout.samples > 1:
        planes = samples.reshape(layout.frames, layout.samples, layout.rows, layout.columns)
        return planes.transpose(0, 2, 3, 1)
    return samples.reshape(layout.frames, layout.rows, layout.columns, layout.samples)


def _draw_shared(samples: npt.NDArray[Any], layout: Layout, boxes: Iterable[Box]) -> None:
    """Two pixels share their colour (PS3.3 C.7.6.3.1.2), so boxes begin and end between pairs."""
    pairs = samples.reshape(layout.frames, layout.rows, layout.columns // 2, 4)
    grey = 1 << (layout.stored - 1)
    for top, left, bottom, right in boxes:
        pairs[:, top:bottom, left // 2 : -(-right // 2)] = (0, 0, grey, grey)


def _black(parsed: ParsedFile, layout: Layout, samples: npt.NDArray[Any]) -> Any:  # noqa: ANN401
    if layout.photometric == "MONOCHROME1":
        return samples.max()
    if layout.photometric == "MONOCHROME2":
        return samples.min()
    if layout.photometric == "YBR_FULL":
        grey = 1 << (layout.stored - 1)
        return np.array((0, grey, grey), layout.dtype)
    return 0 if layout.photometric == "RGB" else _darkest_entry(parsed)


def _darkest_entry(parsed: ParsedFile) -> int:
    """Return the pixel value that the palette shows darkest (PS3.3 C.7.6.3.1.5)."""
    order = parsed.encoding.order
    light: npt.NDArray[np.int64] | None = None
    first = 0
    for descriptor_tag, data_tag in _PALETTES:
        if descriptor_tag not in parsed.elements or data_tag not in parsed.elements:
            raise _cannot("its palette is not there")
        descriptor = bytes(parsed.elements[descriptor_tag].value)
        data = bytes(parsed.elements[data_tag].value)
        count, first, _ = struct.unpack_from(order + "3H", descriptor)
        count = count or 1 << 16
        kind = "u1" if len(data) in {count, count + 1} else "u2"
        entries = np.frombuffer(data, order + kind)[:count].astype(np.int64)
        if entries.size < count:
            raise _cannot("its palette is cut short")
        light = entries if light is None else light + entries
    return first + int(np.argmin(light)) if light is not None else 0


def _cannot(why: str) -> NotDicom:
    return NotDicom(f"its pixels cannot be blackened: {why}", hint="Look at the picture by hand.")
