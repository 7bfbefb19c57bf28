"""The child that draws one frame: `python -m sightline.web.draw_frame ORDER`, picture to stdout."""

import io
import json
import resource
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array

_MEMORY_BYTES = 2 * 1024**3
_CPU_S = 15
_COLOUR_AXES = 3

Pixels = npt.NDArray[Any]


def main() -> None:
    """Draw what the order on the command line asks for, within limits of memory and time."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    order = json.loads(sys.argv[1])
    header = pydicom.dcmread(order["path"], stop_before_pixels=True)
    pixels = pixel_array(order["path"], index=order["frame"])
    picture = Image.fromarray(draw(header, pixels, order["window"]))
    if order["size"]:
        picture.thumbnail(order["size"], Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    picture.save(buffer, format=order["format"])
    sys.stdout.buffer.write(buffer.getvalue())


def draw(
    header: pydicom.Dataset, pixels: Pixels, window: list[float] | None
) -> npt.NDArray[np.uint8]:
    """Bring decoded pixels to grey or RGB values from 0 to 255, (rows, columns[, 3])."""
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
        return _scaled(pixels.astype(np.float64), 0, float(np.iinfo(pixels.dtype).max))
    if pixels.ndim == _COLOUR_AXES:
        return _scaled(pixels.astype(np.float64), 0, float(2 ** int(header.BitsStored) - 1))
    values = np.asarray(apply_modality_lut(pixels, header), dtype=np.float64)
    stored = _stored_window(header)
    if window or stored:
        centre, width = window or stored
        grey = _scaled(values, centre - width / 2, centre + width / 2)
    else:
        low, high = np.percentile(values, (1, 99))
        grey = _scaled(values, float(low), float(high))
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        grey = (255 - grey).astype(np.uint8)
    return grey


def _stored_window(header: pydicom.Dataset) -> list[float]:
    centre, width = (header.get(name) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None:
        return []
    return [float(np.atleast_1d(value)[0]) for value in (centre, width)]


def _scaled(values: Pixels, low: float, high: float) -> npt.NDArray[np.uint8]:
    share = (values - low) / max(high - low, 1e-6)
    scaled: npt.NDArray[np.uint8] = (np.clip(share, 0, 1) * 255).astype(np.uint8)
    return scaled


if __name__ == "__main__":
    main()
