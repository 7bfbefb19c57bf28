"""Which text may stay in pixels."""

import pytest

from sightline.deid.pixels.allowed import may_stay
from sightline.deid.vocabulary import NO_WORDS


@pytest.mark.parametrize(
    "text", ["R", "L", "SUPINE", "Portable", "120 kV", "AP ERECT", "5.0 cm", "MI 1.2", "L LAT"]
)
def test_markers_and_technique_stay(text: str) -> None:
    assert may_stay(text, NO_WORDS)


@pytest.mark.parametrize(
    "text",
    [
        *("DOE^JANE", "12.03.1956", "4711", "12", "R 12 03", "12/03/56 AP", "MRN 120", "J. S."),
        *("R MUELLER", "東京", "", "1956 cm", "kV 1234567", "CM41", "R12"),
    ],
)
def test_what_may_name_somebody_goes(text: str) -> None:
    assert not may_stay(text, NO_WORDS)


def test_a_site_adds_words() -> None:
    assert not may_stay("ROOMTWO R", NO_WORDS)
    assert may_stay("ROOMTWO R", frozenset({"roomtwo"}))
