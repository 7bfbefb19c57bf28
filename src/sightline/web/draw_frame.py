"""One frame as a picture; a limited child does this, for the bytes are a sender's."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array

from sightline.errors import NotDicom
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset

_COLOUR_AXES = 3
_MAX_FRAME_BYTES = 512 * 1024**2

Pixels = npt.NDArray[Any]


def draw_frame(
    content: bytes,
    index: int,
    *,
    form: str,
    window: tuple[float, float] | None,
    size: tuple[int, int] | None,
) -> bytes:
    """Return the frame `index`, counted from 0, of a Part 10 file as an image file.

    Args:
        content: the whole file.
        index: of the frame.
        form: `jpeg` or `png`.
        window: centre and width; None takes the stored one.
        size: greatest width and height; None keeps that of the frame.

    Raises:
        NotDicom: The frame is not there, too large, or cannot be decoded.
    """
    header = open_dataset(content, with_pixels=False)
    with broken_values_are_not_dicom("draw the frame"):
        _check_size(header)
        pixels = pixel_array(io.BytesIO(content), index=index)
        picture = Image.fromarray(draw(header, pixels, window))
        if size:
            picture.thumbnail(size, Image.Resampling.BILINEAR)
        buffer = io.BytesIO()
        picture.save(buffer, format=form)
    return buffer.getvalue()


def _check_size(header: pydicom.Dataset) -> None:
    values = int(header.Rows) * int(header.Columns) * int(header.get("SamplesPerPixel", 1))
    if values * int(header.BitsAllocated) > 8 * _MAX_FRAME_BYTES:
        raise NotDicom(
            f"a frame of {values} values is too large to draw", hint="Open it in a viewer."
        )


def draw(
    header: pydicom.Dataset, pixels: Pixels, window: tuple[float, float] | None
) -> npt.NDArray[np.uint8]:
    """Bring decoded pixels to grey or RGB values from 0 to 255, (rows, columns[, 3])."""
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
        return _scaled(pixels.astype(np.float64), 0, float(np.iinfo(pixels.dtype).max))
    if pixels.ndim == _COLOUR_AXES:
        return _scaled(pixels.astype(np.float64), 0, float(2 ** int(header.BitsStored) - 1))
    values = np.asarray(apply_modality_lut(pixels, header), dtype=np.float64)
    window = window or _stored_window(header)
    if window:
        centre, width = window
        grey = _scaled(values, centre - width / 2, centre + width / 2)
    else:
        low, high = np.percentile(values, (1, 99))
        grey = _scaled(values, float(low), float(high))
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        grey = (255 - grey).astype(np.uint8)
    return grey


def _stored_window(header: pydicom.Dataset) -> tuple[float, float] | None:
    centre, width = (header.get(name) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None:
        return None
    return float(np.atleast_1d(centre)[0]), float(np.atleast_1d(width)[0])


def _scaled(values: Pixels, low: float, high: float) -> npt.NDArray[np.uint8]:
    share = (values - low) / max(high - low, 1e-6)
    scaled: npt.NDArray[np.uint8] = (np.clip(share, 0, 1) * 255).astype(np.uint8)
    return scaled
