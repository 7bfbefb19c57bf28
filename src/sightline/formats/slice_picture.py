"""One slice of a volume as a picture for people: grey values, outlines, PNG."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from sightline.values.volume import Volume

Picture = npt.NDArray[np.uint8]
"""RGB, (rows, columns, 3)."""

COLOURS = ((255, 170, 51), (70, 190, 255), (120, 230, 120), (235, 110, 200), (250, 240, 90))
_LUNG_WINDOW = (-1350.0, 150.0)


def grey_slice(volume: Volume, chosen: int) -> npt.NDArray[np.uint8]:
    """Return a slice in 256 greys: CT in a lung window, all else between its own percentiles."""
    values = volume.voxels[chosen].astype(np.float32) * volume.slope + volume.intercept
    if volume.unit == "HU":
        low, high = _LUNG_WINDOW
    else:
        low, high = (float(edge) for edge in np.percentile(values, (1, 99)))
    scaled = (values - low) / max(high - low, 1e-6)
    grey: npt.NDArray[np.uint8] = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return grey


def display_size(
    shape: tuple[int, int], spacing_mm: tuple[float, float], *, longest_side: int
) -> tuple[int, int]:
    """Return width and height in pixels so that a millimetre is as long in both directions."""
    height, width = shape[0] * spacing_mm[0], shape[1] * spacing_mm[1]
    scale = longest_side / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def resized(grey: npt.NDArray[np.uint8], size: tuple[int, int]) -> Picture:
    """Return a grey slice as a picture of some width and height."""
    picture = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    return np.array(picture)


def resized_mask(mask: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return a slice of a mask at some width and height."""
    return np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def outline(region: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels of a region that touch what is not of it."""
    inside = region.copy()
    inside[1:] &= region[:-1]
    inside[:-1] &= region[1:]
    inside[:, 1:] &= region[:, :-1]
    inside[:, :-1] &= region[:, 1:]
    edge: npt.NDArray[np.bool_] = region & ~inside
    return edge


def png(picture: Picture) -> bytes:
    """Return a picture as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
