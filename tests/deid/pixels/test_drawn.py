"""The cheap look: text at an end of the range is seen, what a scanner makes is not, and it is quick."""

import time

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from sightline.deid.pixels.drawn import looks_drawn
from tests.deid.burned_in import TUNING_FONTS, fonts


def body() -> npt.NDArray[np.int16]:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    smooth = 1 / (1 + np.exp((np.hypot(x, y / 0.7) - 0.8) * 60))
    values = -1000 + 1050 * smooth + rng.normal(0, 15, (512, 512))
    return np.clip(values, -1024, 3071).astype(np.int16)


@pytest.mark.parametrize("value", [3071, -1024])
@pytest.mark.parametrize("text", ["DOE^JANE", "47"])
def test_drawn_text_is_seen(value: int, text: str) -> None:
    values = body()
    ink = Image.new("L", (120, 20))
    font = ImageFont.truetype(fonts(TUNING_FONTS)[0], 14)
    ImageDraw.Draw(ink).text((2, 2), text, fill=255, font=font)
    values[246:266, 200:320][np.asarray(ink) > 128] = value
    assert looks_drawn(values)


def test_a_slice_is_not_drawn() -> None:
    values = body()
    assert not looks_drawn(values)
    values[250:270, 250:270] = 3071
    assert not looks_drawn(values)
    assert not looks_drawn(np.zeros((512, 512), np.int16))


def test_it_takes_less_than_a_millisecond() -> None:
    values = body()
    best = 1.0
    for _ in range(50):
        started = time.perf_counter()
        looks_drawn(values)
        best = min(best, time.perf_counter() - started)
    assert best < 1e-3
