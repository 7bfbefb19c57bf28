"""Which series of a study go to which live models, and why each other does not."""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import chain

from sightline.archive.archive import Archive
from sightline.archive.studies import SeriesFacts, acquisition_of, series_of_study
from sightline.errors import SightlineError
from sightline.hub.hub import Hub
from sightline.hub.models import models
from sightline.values.acquisition import Acquisition
from sightline.values.identity import LineageId, SeriesUid, StudyUid
from sightline.values.model import ModelRecord
from sightline.values.recipe import Accepts, Recipe

_SCOUT = "LOCALIZER"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RouteDecision:
    """One series and one live model.

    Attributes:
        description: of the series.
        refusal: why the model does not get the series; empty where it does.
    """

    series_uid: SeriesUid
    description: str
    model_id: LineageId
    model_version: str
    refusal: str


def route(
    archive: Archive, hub: Hub, study_uid: StudyUid, *, chosen: Sequence[ModelRecord] | None = None
) -> list[RouteDecision]:
    """Decide for every series of a study and every model.

    Args:
        archive: holds the study.
        hub: holds the models.
        study_uid: the study.
        chosen: the models; those that are live where none is given.

    A series whose images cannot be read goes to nobody; the study goes on.
    """
    candidates = models(hub, state="live") if chosen is None else chosen
    asked = {each.lineage_id: recipe_of(each).accepts for each in candidates}
    series = series_of_study(archive, study_uid) if candidates else []
    acquired = {each.uid: _acquired(archive, each.uid) for each in series}
    return [
        RouteDecision(
            series_uid=each.uid,
            description=each.description,
            model_id=model.lineage_id,
            model_version=model.label,
            refusal=_decided(asked[model.lineage_id], each, acquired[each.uid]),
        )
        for model in candidates
        for each in series
    ]


def _acquired(archive: Archive, series_uid: SeriesUid) -> Acquisition | str:
    """Read how a series was acquired, or return why that cannot be read."""
    try:
        return acquisition_of(archive, series_uid)
    except SightlineError as error:
        return f"its images cannot be read: {error.problem}"


def _decided(accepts: Accepts, series: SeriesFacts, acquired: Acquisition | str) -> str:
    return acquired if isinstance(acquired, str) else refusal(accepts, series, acquired)


def recipe_of(model: ModelRecord) -> Recipe:
    """Return the recipe a model was trained by."""
    return Recipe.from_yaml(model.manifest["recipe"])


def refusal(accepts: Accepts, series: SeriesFacts, acquired: Acquisition) -> str:
    """Say why a recipe does not accept a series; empty where it does."""
    said = chain(_by_its_words(accepts, series, acquired), _by_its_images(accepts, acquired))
    return next(said, "")


def _by_its_words(accepts: Accepts, series: SeriesFacts, acquired: Acquisition) -> Iterator[str]:
    if series.modality != accepts.modality:
        yield f"modality is {series.modality}, not {accepts.modality}"
    if accepts.body_part and series.body_part.upper() not in {p.upper() for p in accepts.body_part}:
        yield f"body part is {series.body_part or 'not given'}"
    if accepts.description_words and not _word_in(accepts.description_words, series.description):
        yield "the description has none of the recipe's words"
    unwanted = _word_in(accepts.without_words, series.description)
    if unwanted:
        yield f"the description has {unwanted!r}"
    if accepts.order_words and not _word_in(accepts.order_words, acquired.order):
        yield "the order has none of the recipe's words"


def _by_its_images(accepts: Accepts, acquired: Acquisition) -> Iterator[str]:
    if _SCOUT in acquired.image_type:
        yield "it is a scout"
    if accepts.orientation and acquired.orientation not in accepts.orientation:
        yield f"orientation is {acquired.orientation or 'not given'}"
    kernel = acquired.kernel.casefold()
    if accepts.kernels and not kernel.startswith(tuple(k.casefold() for k in accepts.kernels)):
        yield f"kernel is {acquired.kernel or 'not given'}"
    if accepts.contrast != "any" and bool(acquired.contrast) != (accepts.contrast == "with"):
        yield f"contrast agent is {acquired.contrast or 'not given'}"
    thickest = accepts.max_slice_thickness_mm
    if thickest is not None and not 0 < (acquired.thickness_mm or 0) <= thickest:
        said = "not given" if acquired.thickness_mm is None else f"{acquired.thickness_mm:g} mm"
        yield f"slice thickness is {said}; at most {thickest:g} mm are taken"


def _word_in(words: Sequence[str], text: str) -> str:
    """Return the first of some words that stands in a text; empty for none."""
    folded = text.casefold()
    return next((word for word in words if word.casefold() in folded), "")
