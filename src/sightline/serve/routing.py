"""Which series of a study go to which live models, and why each other does not."""

import dataclasses

from sightline.archive.archive import Archive
from sightline.archive.studies import SeriesFacts, series_of_study
from sightline.hub.hub import Hub
from sightline.hub.models import models
from sightline.values.identity import LineageId, SeriesUid, StudyUid
from sightline.values.model import ModelRecord
from sightline.values.recipe import Accepts, Recipe


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RouteDecision:
    """One series and one live model.

    Attributes:
        refusal: why the model does not get the series; empty where it does.
    """

    series_uid: SeriesUid
    model_id: LineageId
    model_version: str
    refusal: str


def route(archive: Archive, hub: Hub, study_uid: StudyUid) -> list[RouteDecision]:
    """Decide for every series of a study and every live model."""
    series = series_of_study(archive, study_uid)
    return [
        RouteDecision(
            series_uid=each.uid,
            model_id=model.lineage_id,
            model_version=model.label,
            refusal=refusal(recipe_of(model).accepts, each),
        )
        for model in models(hub, state="live")
        for each in series
    ]


def recipe_of(model: ModelRecord) -> Recipe:
    """Return the recipe a model was trained by."""
    return Recipe.from_yaml(model.manifest["recipe"])


def refusal(accepts: Accepts, series: SeriesFacts) -> str:
    """Say why a recipe does not accept a series; empty where it does."""
    description = series.description.casefold()
    if series.modality != accepts.modality:
        return f"modality is {series.modality}, not {accepts.modality}"
    if accepts.body_part and series.body_part.upper() not in {p.upper() for p in accepts.body_part}:
        return f"body part is {series.body_part or 'not given'}"
    if accepts.description_words and not any(
        word.casefold() in description for word in accepts.description_words
    ):
        return "the description has none of the recipe's words"
    return ""
