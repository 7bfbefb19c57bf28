"""The overlay picture of a finding: for the study page and for the Secondary Capture."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sightline.formats.slice_picture import (
    COLOURS,
    Picture,
    display_size,
    grey_slice,
    outline,
    resized,
    resized_mask,
)
from sightline.values.volume import Segmentation, Volume

_LONGEST_SIDE = 512
_BAND = 22


def overlay_picture(
    volume: Volume, segmentation: Segmentation, *, footer: str, caution: str = ""
) -> Picture:
    """Draw the outlines of every class on the slice that holds most of them.

    Args:
        volume: what was looked at.
        segmentation: what was drawn on it.
        footer: a few words.
        caution: why it is to be taken with caution, in a few words; empty where it is not.

    Returns:
        RGB, (rows, columns, 3), with `RESEARCH USE ONLY` and `footer` burned in.
    """
    chosen = int(np.argmax((segmentation.mask > 0).sum(axis=(1, 2))))
    if not segmentation.mask.any():
        chosen = volume.voxels.shape[0] // 2
    _, *spacing_mm = volume.geometry.spacing_mm
    _, rows, columns = volume.geometry.shape
    size = display_size((rows, columns), (spacing_mm[0], spacing_mm[1]), longest_side=_LONGEST_SIDE)
    pixels = resized(grey_slice(volume, chosen), size)
    labels = resized_mask(segmentation.mask[chosen], size)
    for number in range(1, len(segmentation.classes) + 1):
        pixels[outline(labels == number)] = colour(number)
    return _with_words(pixels, segmentation, footer=footer, caution=caution)


def _with_words(
    pixels: Picture, segmentation: Segmentation, *, footer: str, caution: str
) -> Picture:
    rows, columns, _ = pixels.shape
    canvas = Image.new("RGB", (columns, rows + 2 * _BAND))
    canvas.paste(Image.fromarray(pixels), (0, _BAND))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=13)
    draw.text((6, 3), "RESEARCH USE ONLY", fill=(255, 210, 80), font=font)
    left = 6.0
    for number, name in enumerate(segmentation.classes, start=1):
        words = name.replace("_", " ")
        draw.text((left, rows + _BAND + 3), words, fill=colour(number), font=font)
        left += draw.textlength(words, font=font) + 14
    if caution:
        words = f"CAUTION: {caution}"
        draw.text(
            (6, _BAND + 4), words, fill=(255, 120, 100), font=font, stroke_width=2, stroke_fill=0
        )
    right = columns - draw.textlength(footer, font=font) - 6
    draw.text((max(right, 150), 3), footer, fill=(200, 200, 200), font=font)
    return np.array(canvas)


def colour(number: int) -> tuple[int, int, int]:
    """Return the colour of the class, or of the reader, with that number, counted from 1."""
    return COLOURS[(number - 1) % len(COLOURS)]
