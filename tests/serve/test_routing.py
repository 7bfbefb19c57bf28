"""A live model gets the series its recipe accepts; for each other there is a reason."""

import pytest

from sightline.archive.studies import SeriesFacts
from sightline.serve.routing import refusal
from sightline.values.identity import SeriesUid
from sightline.values.recipe import Accepts

CHEST = Accepts(modality="CT", body_part=["CHEST", "THORAX"], description_words=["thin", "lung"])


def _series(modality: str, body_part: str, description: str) -> SeriesFacts:
    return SeriesFacts(
        uid=SeriesUid("2.25.1"),
        modality=modality,
        description=description,
        body_part=body_part,
        instances=40,
    )


@pytest.mark.parametrize(
    ("series", "why"),
    [
        (_series("CT", "Chest", "LUNG 1.0"), ""),
        (_series("CT", "THORAX", "axial Thin"), ""),
        (_series("MR", "CHEST", "thin"), "modality is MR, not CT"),
        (_series("SEG", "", ""), "modality is SEG, not CT"),
        (_series("CT", "", "thin"), "body part is not given"),
        (_series("CT", "ABDOMEN", "thin"), "body part is ABDOMEN"),
        (_series("CT", "CHEST", "topogram"), "the description has none of the recipe's words"),
    ],
)
def test_series_are_accepted_or_refused_for_a_reason(series: SeriesFacts, why: str) -> None:
    assert refusal(CHEST, series) == why


def test_a_recipe_that_asks_only_for_a_modality_takes_all_of_it() -> None:
    assert refusal(Accepts(modality="MR"), _series("MR", "", "")) == ""
