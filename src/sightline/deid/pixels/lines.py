"""Lines of text in one picture: the detector proposes, the reader decides.

A detector alone sees text in a skull and in an electrocardiogram. Its proposals are read in each
way they may lie; what reads as two characters or more is text. It looks at the strokes of the
picture too, for next to a bright organ it takes both for one thing, and at the picture on its side,
for a short word that climbs is no line to it.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from sightline.deid.pixels.allowed import may_stay
from sightline.deid.pixels.engine import Heat, heat_of, read_line
from sightline.deid.pixels.pictures import Box, Mask, Picture
from sightline.deid.vocabulary import Words

# From the loose outline, which holds a whole line, to the tight one, where a line and a bright
# organ around it part.
_LEVELS = (0.2, 0.5, 0.8, 0.95)
_LEAST_HEAT = 0.3
_GROW = 1.6
_LOWEST, _TALLEST = 10.0, 160.0
# At the tighter levels a line breaks into characters, which were read before.
_SHORTEST = 1.3
_MARGIN = 0.25
_ALIKE = 0.15
_WIDEST_STROKE = 17
_STRIP_ROWS = 48
_LONGEST_STRIP = 2000
_SQUARE = 1.7
_MOSTLY = 0.8
# The detector sees a line by what lies around it.
_CONTEXT = 64
_SURE, _SURER, _VERY_SURE = 0.8, 0.88, 0.95
_FEW = 3
_NEAR = 1.5
_BEYOND, _MOST_PIECES = 2.0, 4
# What rulers, grids, curves and frames are read as.
_STROKES = frozenset(" 1Il|-_.,:;=/\\·'`~^!()[]{}<>+LTFHEMNUVWXJYirtmnuvw一二三十卜ーー—…")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """A turned rectangle of a picture, in pixels.

    Attributes:
        along: unit vector (x, y) of its long side.
    """

    centre: tuple[float, float]
    along: tuple[float, float]
    length: float
    height: float

    def is_like(self, other: "Area") -> bool:
        """Tell whether another area is this one but for a fraction of its height."""
        parts = (
            self.centre[0] - other.centre[0],
            self.centre[1] - other.centre[1],
            self.length - other.length,
            self.height - other.height,
        )
        return max(map(abs, parts)) < _ALIKE * self.height

    def corners(self, margin: float) -> npt.NDArray[np.float32]:
        """Its four corners, (4, 2) as x and y, with a margin on each side."""
        dx, dy = self.along
        half = self.length / 2 + margin, self.height / 2 + margin
        return np.array(
            [
                (
                    self.centre[0] + a * half[0] * dx - b * half[1] * dy,
                    self.centre[1] + a * half[0] * dy + b * half[1] * dx,
                )
                for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ],
            np.float32,
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of text.

    Attributes:
        is_allowed: it may stay.
    """

    area: Area
    is_allowed: bool

    def shifted(self, columns: int, rows: int) -> "Line":
        """Return the same line further to the right and below, in pixels."""
        centre = (self.area.centre[0] + columns, self.area.centre[1] + rows)
        return dataclasses.replace(self, area=dataclasses.replace(self.area, centre=centre))

    def boxes(self, shape: tuple[int, int]) -> Iterator[Box]:
        """Give the boxes that cover it with a margin; a line aslant takes several."""
        margin = max(self.area.height * _MARGIN, 2.0)
        lean = min(abs(part) for part in self.area.along)
        pieces = max(1, math.ceil(self.area.length * lean / max(self.area.height, 4.0)))
        corners = self.area.corners(margin)
        for piece in range(pieces):
            first, last = piece / pieces, (piece + 1) / pieces
            sides = [corners[0] + (corners[1] - corners[0]) * part for part in (first, last)]
            sides += [corners[3] + (corners[2] - corners[3]) * part for part in (first, last)]
            left, top = np.floor(np.min(sides, axis=0)).astype(int)
            right, bottom = np.ceil(np.max(sides, axis=0)).astype(int) + 1
            box = (max(top, 0), max(left, 0), min(bottom, shape[0]), min(right, shape[1]))
            if box[0] < box[2] and box[1] < box[3]:
                yield (int(box[0]), int(box[1]), int(box[2]), int(box[3]))


def find_lines(picture: Picture, site_words: Words, new: Mask | None = None) -> list[Line]:
    """Find the lines of text of a picture; a single character far from any line is none.

    Args:
        picture: as a screen shows it.
        site_words: words that may stay besides the list of this room.
        new: where the picture is another than one whose lines are known; only lines that touch it
            are looked for. None where none is known.
    """
    if new is None:
        return _lines_of(picture, site_words, np.ones(picture.shape[:2], np.uint8))
    left, top, width, height = cv2.boundingRect(new)
    bottom, right = top + height + _CONTEXT, left + width + _CONTEXT
    top, left = max(top - _CONTEXT, 0), max(left - _CONTEXT, 0)
    part = np.s_[top:bottom, left:right]
    found = _lines_of(np.ascontiguousarray(picture[part]), site_words, new[part])
    return [line.shifted(left, top) for line in found]


def _lines_of(picture: Picture, site_words: Words, wanted: Mask) -> list[Line]:
    covered = np.zeros(picture.shape[:2], np.uint8)
    lines: list[Line] = []
    doubtful: list[Area] = []
    for heat, level in itertools.product(_heats(picture), _LEVELS):
        for area in _areas(heat, level):
            is_piece = level > _LEVELS[0] and area.length < _SHORTEST * area.height
            if is_piece or any(map(area.is_like, doubtful)):
                continue
            if _share(area, covered) > _MOSTLY or not _share(area, wanted):
                continue
            text = _read(picture, area)
            if text:
                whole, text = _whole(picture, area, text)
                lines.append(Line(area=whole, is_allowed=may_stay(text, site_words)))
                _cover(whole, covered)
            else:
                doubtful.append(area)
    return _joined(lines, doubtful)


def is_text(text: str, sureness: float) -> bool:
    """Tell whether what was read is text, not a ruler or a curve that was taken for it."""
    letters = [character for character in text if character.isalnum()]
    if len(letters) < 2:  # noqa: PLR2004 - one character names nobody
        return False
    if set(text) <= _STROKES or len(set(letters)) == 1:
        return sureness >= _VERY_SURE and len(set(letters)) > 1
    return sureness >= (_SURER if len(letters) <= _FEW else _SURE)


def _heats(picture: Picture) -> Iterator[Heat]:
    """Look at the picture, at its strokes alone, and at the picture lying on its side."""
    yield heat_of(picture)
    yield heat_of(_strokes_of(picture))
    lying = heat_of(np.ascontiguousarray(np.rot90(picture)))
    yield np.ascontiguousarray(np.rot90(lying, -1))


def _strokes_of(picture: Picture) -> Picture:
    """Keep what is thinner than a stroke of the tallest text; organs and fields turn grey."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_WIDEST_STROKE, _WIDEST_STROKE))
    light, dark = (
        cv2.morphologyEx(picture, way, kernel).astype(np.int16)
        for way in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    )
    strokes: Picture = np.clip(128 + (light - dark), 0, 255).astype(np.uint8)
    return strokes


def _areas(heat: Heat, level: float) -> Iterator[Area]:
    outline = cv2.dilate((heat > level).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(outline, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        (x, y), (width, height), degrees = cv2.minAreaRect(contour)
        if min(width, height) < 1 or _mean_heat(heat, contour) < _LEAST_HEAT:
            continue
        # The network draws a line thinner than it is (DB, unclip ratio).
        grow = width * height * _GROW / (width + height)
        angle = math.radians(degrees)
        along = (math.cos(angle), math.sin(angle))
        if width < height:
            width, height, along = height, width, (-along[1], along[0])
        area = Area(centre=(x, y), along=along, length=width + grow, height=height + grow)
        if _LOWEST <= area.height <= _TALLEST:
            yield area


def _mean_heat(heat: Heat, contour: cv2.typing.MatLike) -> float:
    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [contour - (left, top)], 0, 1, -1)
    return float(cv2.mean(heat[top : top + height, left : left + width], inside)[0])


def _read(picture: Picture, area: Area) -> str:
    """Return the surest text of an area, in whichever way it lies; empty where it is none."""
    best, surest = "", 0.0
    for strip in _strips(picture, area):
        text, sureness = read_line(strip)
        if not text and area.length > _SQUARE * area.height:
            return ""
        if is_text(text, sureness) and sureness > surest:
            best, surest = text, sureness
            if sureness >= _VERY_SURE:
                break
    return best


def _whole(picture: Picture, area: Area, text: str) -> tuple[Area, str]:
    """Lengthen an area while more of its line is read beyond its ends, and return both."""
    for _ in range(_MOST_PIECES):
        longer = dataclasses.replace(area, length=area.length + 2 * _BEYOND * area.height)
        more = _read(picture, longer)
        if _letters(more) <= _letters(text):
            break
        area, text = longer, more
    return area, text


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _strips(picture: Picture, area: Area) -> Iterator[Picture]:
    """Cut an area out, as a line from its left and from its right; a square one four ways."""
    upright = area.along if area.along[0] >= 0 else (-area.along[0], -area.along[1])
    if abs(upright[0]) < abs(upright[1]) and upright[1] > 0:
        # Text that climbs is commoner than text that falls.
        upright = (-upright[0], -upright[1])
    ways = [(upright, area.length, area.height)]
    if area.length < _SQUARE * area.height:
        ways.append(((-upright[1], upright[0]), area.length, area.length))
    for along, length, height in ways:
        strip = _strip(
            picture, dataclasses.replace(area, along=along, length=length, height=height)
        )
        yield strip
        yield np.ascontiguousarray(strip[::-1, ::-1])


def _strip(picture: Picture, area: Area) -> Picture:
    scale = _STRIP_ROWS / area.height
    columns = int(np.clip(round(area.length * scale), 16, _LONGEST_STRIP))
    dx, dy = area.along[0] * scale, area.along[1] * scale
    x, y = area.centre
    turn = np.array(
        [
            (dx, dy, columns / 2 - dx * x - dy * y),
            (-dy, dx, _STRIP_ROWS / 2 + dy * x - dx * y),
        ]
    )
    cut = cv2.warpAffine(
        picture,
        turn,
        (columns, _STRIP_ROWS),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(cut, np.uint8)


def _share(area: Area, marked: Mask) -> float:
    """Return how much of an area is marked, from 0 to 1."""
    corners = np.round(area.corners(0.0)).astype(np.int32)
    left, top = np.maximum(corners.min(axis=0), 0)
    part = marked[top : corners[:, 1].max() + 1, left : corners[:, 0].max() + 1]
    inside = np.zeros_like(part)
    cv2.fillPoly(inside, [corners - (left, top)], 1)
    count = np.count_nonzero(inside)
    return int(np.count_nonzero(inside & part)) / max(int(count), 1)


def _cover(area: Area, covered: Mask) -> None:
    cv2.fillPoly(covered, [np.round(area.corners(0.0)).astype(np.int32)], 1)


def _joined(lines: Sequence[Line], doubtful: Sequence[Area]) -> list[Line]:
    """Take what lies close to text that must go for a part of it: an initial, a cut-off digit."""
    found = list(lines)
    going = [line.area for line in lines if not line.is_allowed]
    while going:
        area = going.pop()
        for number, line in enumerate(found):
            if line.is_allowed and _are_near(area, line.area):
                found[number] = dataclasses.replace(line, is_allowed=False)
                going.append(line.area)
        near = [each for each in doubtful if _are_near(area, each)]
        found += [Line(area=each, is_allowed=False) for each in near]
        doubtful = [each for each in doubtful if each not in near]
    return found


def _are_near(line: Area, other: Area) -> bool:
    """Tell whether another area continues a line: as high, beside it, and close."""
    if not 0.4 < other.height / line.height < 2.0:  # noqa: PLR2004 - of one font
        return False
    x, y = (a - b for a, b in zip(other.centre, line.centre, strict=True))
    along = abs(x * line.along[0] + y * line.along[1])
    across = abs(y * line.along[0] - x * line.along[1])
    gap = along - line.length / 2 - other.length / 2
    return gap < _NEAR * line.height and across < 0.7 * line.height
