"""What several readers drew, as contours over one slice: for people who would rather look."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sightline.formats.slice_picture import grey_slice, outline
from sightline.serve.pictures import colour
from sightline.values.arrays import Mask
from sightline.values.volume import Volume

_LONGEST_SIDE = 640
_LINE = 20
_DASH = 6
# So much around what was marked is shown, and so much at least.
_MARGIN_MM, _LEAST_MM = 8.0, 40.0


def readers_picture(
    volume: Volume, masks: Sequence[Mask], names: Sequence[str]
) -> npt.NDArray[np.uint8]:
    """Draw each reader's outline, in a colour of its own, on the slice that all marked most.

    Args:
        volume: what was read.
        masks: of each reader, on its grid.
        names: of the readers; who marked nothing is said to.

    Returns:
        RGB, (rows, columns, 3), cut to what was marked, with `RESEARCH USE ONLY` and the names.
    """
    marked: npt.NDArray[np.int32] = np.stack(masks).astype(bool).sum(axis=0, dtype=np.int32)
    chosen = int(np.argmax(marked.sum(axis=(1, 2)))) if marked.any() else len(marked) // 2
    box = _box(marked[chosen] > 0, volume.geometry.spacing_mm[1:])
    grey = grey_slice(volume, chosen)[box]
    size = _size(grey, volume.geometry.spacing_mm[1:])
    pixels = np.array(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB"))
    _draw(pixels, [_outlines(mask[chosen][box], size) for mask in masks])
    lines = [
        f"{name}{'' if mask.any() else ': marked nothing'}"
        for name, mask in zip(names, masks, strict=True)
    ]
    return _with_names(pixels, lines, f"RESEARCH USE ONLY   slice {chosen + 1}")


def _outlines(plane: Mask, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the outlines of every class of one plane, at the size that is shown."""
    large = np.array(Image.fromarray(plane).resize(size, Image.Resampling.NEAREST))
    lines = np.zeros(large.shape, np.bool_)
    for value in np.unique(plane[plane > 0]):
        lines |= outline(large == value)
    return lines


def _draw(pixels: npt.NDArray[np.uint8], outlines: Sequence[npt.NDArray[np.bool_]]) -> None:
    """Draw outlines; where several run together, dashes of each take turns."""
    claims = np.stack(outlines)
    count, place = claims.sum(axis=0), claims.cumsum(axis=0) - 1
    rows, columns = np.indices(count.shape)
    turn = (rows + columns) // _DASH % np.maximum(count, 1)
    for number, (claimed, own) in enumerate(zip(claims, place, strict=True), start=1):
        pixels[claimed & (own == turn)] = colour(number)


def _box(marked: npt.NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> tuple[slice, slice]:
    sides = []
    for axis, (size, length) in enumerate(zip(marked.shape, spacing_mm, strict=True)):
        where = np.flatnonzero(marked.any(axis=1 - axis))
        if not where.size:
            return slice(None), slice(None)
        middle = (int(where[0]) + int(where[-1]) + 1) / 2
        half = max(
            (int(where[-1]) - int(where[0]) + 1) / 2 + _MARGIN_MM / length, _LEAST_MM / length / 2
        )
        sides.append(slice(max(0, int(middle - half)), min(size, int(middle + half) + 1)))
    rows, columns = sides
    return rows, columns


def _size(pixels: npt.NDArray[np.uint8], spacing_mm: tuple[float, ...]) -> tuple[int, int]:
    """Return width and height to show pixels at, as they lie in the patient."""
    height, width = (count * length for count, length in zip(pixels.shape, spacing_mm, strict=True))
    scale = _LONGEST_SIDE / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _with_names(
    pixels: npt.NDArray[np.uint8], lines: Sequence[str], head: str
) -> npt.NDArray[np.uint8]:
    rows, columns, _ = pixels.shape
    canvas = Image.new("RGB", (columns, rows + _LINE * (len(lines) + 1)))
    canvas.paste(Image.fromarray(pixels), (0, _LINE))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=13)
    draw.text((6, 2), head, fill=(255, 210, 80), font=font)
    for number, line in enumerate(lines, start=1):
        place = (6, rows + _LINE * number + 2)
        draw.text(place, line, fill=colour(number), font=font)
    return np.array(canvas)
