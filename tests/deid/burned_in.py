"""Generated pictures with and without text in their pixels, and where every glyph lies.

One seed gives one picture. Fonts and seeds of the judging set are not those of tuning.
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.deid.backgrounds import BACKGROUNDS, Draw, Plane

Mask = npt.NDArray[np.bool_]

FONTS = Path("/usr/share/fonts/truetype")
TUNING_FONTS = (
    "dejavu/DejaVuSans*.ttf",
    "dejavu/DejaVuSerif*.ttf",
    "hack/Hack-*.ttf",
    "noto/NotoMono-*.ttf",
    "lato/Lato-[BRIM]*.ttf",
)
JUDGING_FONTS = (
    "liberation/Liberation*.ttf",
    "freefont/Free*.ttf",
    "roboto/unhinted/RobotoTTF/Roboto-[BMRI]*.ttf",
    "roboto/unhinted/RobotoCondensed-[BMRI]*.ttf",
    "open-sans/OpenSans-[BRSI]*.ttf",
)
KINDS = tuple(BACKGROUNDS)
_SIZES = ((512, 512), (768, 1024), (480, 640), (600, 800), (1024, 1024), (256, 256))
_FAMILY = [
    "MUELLER",
    "Smith",
    "NOVAK",
    "Garcia",
    "LINDQVIST",
    "Okafor",
    "TANAKA",
    "Rossi",
    "PETROV",
    "Dubois",
]
_GIVEN = ["ANNA", "John", "MARIA", "Peter", "YUKI", "Paul", "OLGA", "Carlos", "INGRID", "Amir"]
_PLACES = "St. Mary Hospital|UNIVERSITY CLINIC NORTH|Mercy General|Klinikum Ost|HOSPITAL SAN LUIS"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """Text as it stands in a picture.

    Attributes:
        glyphs: pixels of its strokes, (rows, columns).
        height: from the top of a capital to the foot of a g, in pixels.
        frames: in which it stands.
    """

    text: str
    glyphs: Mask
    height: int
    turn: float
    frames: tuple[int, ...]
    font: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture of values from 0 to 1, (frames, rows, columns), and the text in it."""

    kind: str
    frames: npt.NDArray[np.float32]
    words: tuple[Words, ...]


@functools.cache
def fonts(patterns: tuple[str, ...]) -> tuple[Path, ...]:
    """Find the installed fonts of a set, or skip with the reason."""
    found = tuple(sorted({path for each in patterns for path in FONTS.glob(each)}))
    missing = [each for each in patterns if not any(FONTS.glob(each))]
    if missing:
        pytest.skip(f"fonts {missing} are not installed; see tools/system_packages.sh")
    return found


def picture(
    seed: Sequence[int],
    patterns: tuple[str, ...],
    *,
    has_text: bool,
    heights: tuple[int, int] = (10, 40),
    contrast: tuple[float, float] = (0.4, 1.0),
) -> Picture:
    """Make the picture of a seed.

    Args:
        seed: any numbers.
        patterns: of the fonts.
        has_text: whether anything is written in it.
        heights: least and greatest height of the text, in pixels.
        contrast: least and greatest difference between strokes and what lies around them.
    """
    rng = np.random.default_rng(list(seed))
    kind = KINDS[int(rng.integers(len(KINDS)))]
    shape = _SIZES[int(rng.integers(len(_SIZES)))]
    count = int(rng.integers(3, 6)) if kind == "XA" or rng.random() < 0.08 else 1
    base = BACKGROUNDS[kind](rng, shape)
    frames = np.stack([_moved(rng, base) for _ in range(count)]) if count > 1 else base[None]
    words: list[Words] = []
    if has_text:
        writer = _Writer(rng, frames, patterns, contrast)
        wanted, left = int(rng.integers(1, 7)), 200
        while left and (wanted > 0 or not words):
            written = writer.write(int(rng.integers(heights[0], heights[1] + 1)))
            words += [written] if written else []
            wanted, left = wanted - 1, left - 1
        if not words:
            # Nothing stands out from such a ground, or nothing has room: draw another.
            again = (*seed, 0)
            return picture(again, patterns, has_text=True, heights=heights, contrast=contrast)
        frames = writer.frames
    return Picture(kind=kind, frames=np.clip(frames, 0, 1), words=tuple(words))


def some_text(rng: Draw) -> str:
    """Write what names somebody, or might."""
    family, given = str(rng.choice(_FAMILY)), str(rng.choice(_GIVEN))
    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(1930, 2024)
    number = int(rng.integers(10_000, 99_999_999))
    forms = (
        f"{family}^{given}",
        f"{family}, {given}",
        f"{given} {family}",
        family,
        f"{day:02}.{month:02}.{year}",
        f"{year}-{month:02}-{day:02}",
        f"{month}/{day}/{year}",
        f"ID: {number}",
        str(number),
        f"MRN{number}",
        f"Acc {number // 7}",
        str(rng.choice(_PLACES.split("|"))),
        f"Dr. {family}",
        f"DOB {day:02}/{month:02}/{year % 100:02}",
        f"{given[0]}{family[0]}{number % 100:02}",
        f"{family[:3]}",
        f"{number % 10_000:04}",
        f"{family} {given} {day:02}.{month:02}.{year} {number}",
    )
    return forms[int(rng.integers(len(forms)))]


class _Writer:
    """Writes into the frames of a picture, each text where none is yet."""

    def __init__(
        self,
        rng: Draw,
        frames: npt.NDArray[np.float32],
        patterns: tuple[str, ...],
        contrast: tuple[float, float],
    ) -> None:
        self._rng, self._fonts, self._contrast = rng, fonts(patterns), contrast
        self.frames = frames.copy()
        self._taken = np.zeros(frames.shape[1:], bool)

    def write(self, height: int) -> Words | None:
        """Write some text of that height; None where no room was found for it."""
        rng = self._rng
        text = some_text(rng)
        path = self._fonts[int(rng.integers(len(self._fonts)))]
        turn = float(rng.choice([0, 0, 0, 0, 0, 90, 180, 270])) + (
            float(rng.uniform(-6, 6)) if rng.random() < 0.2 else 0.0
        )
        ink = _ink(text, path, height, turn)
        place = self._place(ink.shape)
        if place is None:
            return None
        rows, columns = (slice(at, at + side) for at, side in zip(place, ink.shape, strict=True))
        count = len(self.frames)
        chosen = tuple(range(count))
        if count > 1 and rng.random() < 0.5:
            chosen = ((0,), (count - 1,), (int(rng.integers(count)),))[int(rng.integers(3))]
        around = self.frames[:, rows, columns][list(chosen)]
        value = self._value(around)
        if value is None:
            return None
        for frame in chosen:
            part = self.frames[frame, rows, columns]
            part[...] = part * (1 - ink) + value * ink
        glyphs = np.zeros(self._taken.shape, bool)
        glyphs[rows, columns] = ink > 0.5
        self._taken[rows, columns] = True
        return Words(
            text=text, glyphs=glyphs, height=height, turn=turn, frames=chosen, font=path.stem
        )

    def _place(self, size: tuple[int, ...]) -> tuple[int, int] | None:
        rows, columns = self._taken.shape
        if size[0] + 8 > rows or size[1] + 8 > columns:
            return None
        for _ in range(20):
            at = (
                int(self._rng.integers(3, rows - size[0] - 3)),
                int(self._rng.integers(3, columns - size[1] - 3)),
            )
            around = np.s_[
                max(at[0] - 4, 0) : at[0] + size[0] + 4, max(at[1] - 8, 0) : at[1] + size[1] + 8
            ]
            if not self._taken[around].any():
                return at
        return None

    def _value(self, around: Plane) -> float | None:
        """A value far enough from all but a few of the pixels around; None where there is none."""
        low, high = (float(part) for part in np.percentile(around, (4, 96)))
        wanted = float(self._rng.uniform(*self._contrast))
        least = self._contrast[0]
        lighter, darker = min(high + wanted, 1.0), max(low - wanted, 0.0)
        ways = [value for value, gap in ((lighter, 1 - high), (darker, low)) if gap >= least]
        return ways[int(self._rng.integers(len(ways)))] if ways else None


@functools.lru_cache(maxsize=512)
def _font(path: Path, height: int) -> ImageFont.FreeTypeFont:
    size = height
    while True:
        font = ImageFont.truetype(path, size)
        top, bottom = font.getbbox("Hg")[1], font.getbbox("Hg")[3]
        if bottom - top >= height:
            return font
        size += 1


def _ink(text: str, path: Path, height: int, turn: float) -> Plane:
    """Share of ink of each pixel of a text, turned by degrees."""
    font = _font(path, height)
    left, top, right, bottom = font.getbbox(text)
    tile = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(tile).text((1 - left, 1 - top), text, fill=255, font=font)
    if turn:
        tile = tile.rotate(turn, expand=True, resample=Image.Resampling.BICUBIC)
    return np.asarray(tile, dtype=np.float32) / 255


def _moved(rng: Draw, plane: Plane) -> Plane:
    """The same scene a moment later: noise anew, shifted by a pixel or two."""
    shift = rng.integers(-1, 2, 2)
    noise = rng.normal(0, 0.02, plane.shape).astype(np.float32)
    return np.clip(np.roll(plane, tuple(shift), (0, 1)) + noise * (plane > 0), 0, 0.92)
