"""The overlay picture of a finding: for the study page and for the Secondary Capture."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sightline.values.volume import Segmentation, Volume

_COLOURS = ((255, 170, 51), (70, 190, 255), (120, 230, 120), (235, 110, 200), (250, 240, 90))
_LONGEST_SIDE = 512
_BAND = 22
_LUNG_WINDOW = (-1350.0, 150.0)


def overlay_picture(
    volume: Volume, segmentation: Segmentation, *, footer: str
) -> npt.NDArray[np.uint8]:
    """Draw the outlines of every class on the slice that holds most of them.

    Returns:
        RGB, (rows, columns, 3), with `RESEARCH USE ONLY` and `footer` burned in.
    """
    chosen = int(np.argmax((segmentation.mask > 0).sum(axis=(1, 2))))
    if not segmentation.mask.any():
        chosen = volume.voxels.shape[0] // 2
    grey = _grey(volume, chosen)
    size = _display_size(volume)
    picture = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    mask = Image.fromarray(segmentation.mask[chosen]).resize(size, Image.Resampling.NEAREST)
    pixels = np.array(picture)
    labels = np.array(mask)
    for number in range(1, len(segmentation.classes) + 1):
        pixels[_outline(labels == number)] = _colour(number)
    return _with_words(pixels, segmentation, footer=footer)


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """Return an RGB picture, (rows, columns, 3), as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def _grey(volume: Volume, chosen: int) -> npt.NDArray[np.uint8]:
    values = volume.voxels[chosen].astype(np.float32) * volume.slope + volume.intercept
    if volume.unit == "HU":
        low, high = _LUNG_WINDOW
    else:
        low, high = (float(edge) for edge in np.percentile(values, (1, 99)))
    scaled = (values - low) / max(high - low, 1e-6)
    grey: npt.NDArray[np.uint8] = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return grey


def _display_size(volume: Volume) -> tuple[int, int]:
    _, rows, columns = volume.geometry.shape
    _, row_mm, column_mm = volume.geometry.spacing_mm
    height, width = rows * row_mm, columns * column_mm
    scale = _LONGEST_SIDE / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _outline(region: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    inside = region.copy()
    inside[1:] &= region[:-1]
    inside[:-1] &= region[1:]
    inside[:, 1:] &= region[:, :-1]
    inside[:, :-1] &= region[:, 1:]
    outline: npt.NDArray[np.bool_] = region & ~inside
    return outline


def _with_words(
    pixels: npt.NDArray[np.uint8], segmentation: Segmentation, *, footer: str
) -> npt.NDArray[np.uint8]:
    rows, columns, _ = pixels.shape
    canvas = Image.new("RGB", (columns, rows + 2 * _BAND))
    canvas.paste(Image.fromarray(pixels), (0, _BAND))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=13)
    draw.text((6, 3), "RESEARCH USE ONLY", fill=(255, 210, 80), font=font)
    left = 6.0
    for number, name in enumerate(segmentation.classes, start=1):
        words = name.replace("_", " ")
        draw.text((left, rows + _BAND + 3), words, fill=_colour(number), font=font)
        left += draw.textlength(words, font=font) + 14
    right = columns - draw.textlength(footer, font=font) - 6
    draw.text((max(right, 150), 3), footer, fill=(200, 200, 200), font=font)
    return np.array(canvas)


def _colour(number: int) -> tuple[int, int, int]:
    return _COLOURS[(number - 1) % len(_COLOURS)]
