"""What a limited child does with the pixels of an instance: decode, look for text, decompress."""

import functools
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from sightline import extras
from sightline.deid.pixels.drawn import looks_drawn
from sightline.deid.pixels.pictures import Box, Picture
from sightline.deid.vocabulary import Words
from sightline.errors import NotDicom
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset

Pixels = npt.NDArray[Any]
_COLOUR_AXES = 3
_MOST_FRAME_VALUES = 256 * 1024**2
_USUAL = (0.5, 99.5)


def find_text(
    content: bytes, frames: range, site_words: Words, *, near: Sequence[Box] = ()
) -> tuple[list[Box], int, int]:
    """Look for text in some frames of an image.

    Of a frame after the first only places are looked at in which something moved.

    Args:
        content: a Part 10 file.
        frames: numbers of the frames, from 0.
        site_words: words that may stay besides the list of this room.
        near: only text at these boxes is looked for; everywhere where there are none.

    Returns:
        Boxes of text that may not stay (top, left, bottom, right), the number of lines of text
        that were found, and that of the frames that were looked at.

    Raises:
        NotDicom: A frame cannot be decoded.
        MissingExtra: What reads text is not installed.
    """
    lines = extras.load("sightline.deid.pixels.lines", extra="pixels")
    motion = extras.load("sightline.deid.pixels.motion", extra="pixels")
    header = open_dataset(content, with_pixels=False)
    boxes: dict[Box, None] = {}
    seen: dict[int, Any] = {}
    found = looked = 0
    for frame in _decoded(content, header, frames):
        is_new = False
        for number, view in enumerate(_views(frame, header)):
            new = seen[number].new_in(view) if number in seen else None
            seen.setdefault(number, motion.Seen(view))
            new = motion.only_near(new, near, view.shape[:2])
            if new is not None and not new.any():
                continue
            is_new = True
            here = lines.find_lines(view, site_words, new)
            found += len(here)
            going = (line for line in here if not line.is_allowed)
            boxes.update(dict.fromkeys(box for line in going for box in line.boxes(view.shape[:2])))
        looked += is_new
    return list(boxes), found, looked


def is_any_drawn(content: bytes) -> bool:
    """Tell whether anything may be drawn in any frame of a grey image.

    Raises:
        NotDicom: A frame cannot be decoded.
    """
    return any(map(looks_drawn, _all_decoded(content)))


def count_decoded(content: bytes) -> int:
    """Decode every frame, and return how many there are.

    Raises:
        NotDicom: A frame cannot be decoded.
    """
    return sum(1 for _ in _all_decoded(content))


def decompress(content: bytes) -> tuple[bytes, int, int]:
    """Return the pixels of all frames, little endian, colour as RGB by pixel.

    Returns:
        The bytes, samples per pixel, and bits allocated.

    Raises:
        NotDicom: A frame cannot be decoded.
    """
    decoded = list(_all_decoded(content))
    samples = decoded[0].shape[2] if decoded[0].ndim == _COLOUR_AXES else 1
    bits = decoded[0].dtype.itemsize * 8
    joined = b"".join(frame.astype(frame.dtype.newbyteorder("<")).tobytes() for frame in decoded)
    return joined, samples, bits


def _all_decoded(content: bytes) -> Iterator[Pixels]:
    header = open_dataset(content, with_pixels=False)
    return _decoded(content, header, range(_frame_count(header)))


def _decoded(content: bytes, header: pydicom.Dataset, frames: range) -> Iterator[Pixels]:
    with broken_values_are_not_dicom("decode the pixels"):
        values = int(header.Rows) * int(header.Columns) * int(header.get("SamplesPerPixel", 1))
        if values > _MOST_FRAME_VALUES:
            raise NotDicom(f"a frame of {values} values is too large", hint="Look at it by hand.")
        for index in frames:
            yield pixel_array(io.BytesIO(content), index=index)


def _frame_count(header: pydicom.Dataset) -> int:
    with broken_values_are_not_dicom("count the frames"):
        return max(int(header.get("NumberOfFrames") or 1), 1)


def _views(frame: Pixels, header: pydicom.Dataset) -> Iterator[Picture]:
    """Show a frame as a viewer does; and whole, where that hides values far beyond the others."""
    with broken_values_are_not_dicom("show the pixels"):
        if header.get("PhotometricInterpretation") == "PALETTE COLOR":
            frame = apply_color_lut(frame, header)
        if frame.ndim == _COLOUR_AXES:
            top = int(frame.max(initial=1)) if frame.dtype.itemsize > 1 else 255
            yield _scaled(frame, 0, top)
            return
    usual = np.percentile(_thinned(frame), _USUAL)
    low, high = float(usual[0]), float(usual[1])
    yield np.repeat(_scaled(frame, low, high)[:, :, None], 3, axis=2)
    least, most = float(frame.min()), float(frame.max())
    beyond = max(most - high, low - least)
    if beyond > (high - low) / 2:
        yield np.repeat(_scaled(frame, least, most)[:, :, None], 3, axis=2)


def _thinned(frame: Pixels) -> Pixels:
    step = max(1, int((frame.size / 100_000) ** 0.5))
    return frame[::step, ::step]


def _scaled(values: Pixels, low: float, high: float) -> Picture:
    factor = np.float32(255 / max(high - low, 1e-6))
    shown = (values.astype(np.float32) - np.float32(low)) * factor
    clipped: Picture = np.clip(shown, 0, 255).astype(np.uint8)
    return clipped


@functools.cache
def is_installed() -> bool:
    """Tell whether what reads text is installed, without loading it."""
    return extras.is_installed("cv2", "onnxruntime", "rapidocr")
