"""A model over a collection version: one prediction a series, and whoever is killed goes on."""

import dataclasses
from collections.abc import Callable, Sequence

from sightline import clock, log
from sightline.errors import BadFile, DamagedObject, UnsoundSeries
from sightline.hub.admission import keep_mask
from sightline.hub.collections import note_test_evaluation
from sightline.hub.facts import scanners_of
from sightline.hub.hub import Hub, new_id
from sightline.hub.predictions import add_prediction, mask_drawn_before, predictions
from sightline.hub.volumes import read_volume
from sightline.hub.withdrawal import withdrawn_series
from sightline.serve.engine import Engine, learning
from sightline.serve.making import cautioned, judged, unfit
from sightline.serve.routing import recipe_of
from sightline.values.answer import Answer
from sightline.values.collection import SPLITS, CollectionVersion, Member, Split
from sightline.values.identity import HubSeriesUid
from sightline.values.likeness import Likeness
from sightline.values.model import ModelRecord
from sightline.values.prediction import HubPrediction
from sightline.values.recipe import Recipe
from sightline.values.volume import Segmentation, Volume

_log = log.get("serve")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Predicted:
    """What became of the series of a collection version.

    Attributes:
        made: predictions that are new.
        already: series that had theirs.
        refused: series that got none, each with the reason.
    """

    made: int
    already: int
    refused: tuple[tuple[HubSeriesUid, str], ...]


def predict_collection(
    hub: Hub,
    engine: Engine,
    record: ModelRecord,
    *,
    chosen: CollectionVersion,
    splits: Sequence[Split] = SPLITS,
    on_done: Callable[[int, int], None] = lambda _done, _total: None,
) -> Predicted:
    """Predict every series of some splits that has no prediction of this model yet.

    Each is durable before the next begins. Who predicts the locked test split is counted as who
    evaluates on it, once a model: what is stored may be looked at again.

    Args:
        hub: the store.
        engine: applies the model.
        record: the model.
        chosen: the version.
        splits: of it.
        on_done: called after every series with how many are done, and of how many.

    Raises:
        MissingExtra: The host has no learning stack.
        DamagedObject: The weights do not match their digest.
        OSError: A mask could not be made durable.
    """
    members = [member for member in chosen.in_order() if member.split in splits]
    before = predictions(hub, model_id=record.lineage_id, label=chosen.label)
    known = {each.series_uid for each in before}
    left = [member for member in members if member.series_uid not in known]
    engine.load(record)
    if _opens_test_split(left, before):
        note_test_evaluation(hub, chosen)
    gone = withdrawn_series(hub, [member.series_uid for member in left])
    refused: list[tuple[HubSeriesUid, str]] = []
    already = len(members) - len(left)
    for done, member in enumerate(left, start=already + 1):
        try:
            if member.series_uid in gone:
                raise UnsoundSeries("the series was withdrawn", hint="Make a version without it.")
            add_prediction(hub, _predict(hub, engine, record, chosen=chosen, member=member), chosen)
        except (BadFile, DamagedObject) as error:
            _log.warning("prediction_refused", series=member.series_uid, why=error.problem)
            refused.append((member.series_uid, error.problem))
        on_done(done, len(members))
    return Predicted(made=len(left) - len(refused), already=already, refused=tuple(refused))


def _opens_test_split(left: Sequence[Member], before: Sequence[HubPrediction]) -> bool:
    is_asked = any(member.split == "test" for member in left)
    return is_asked and not any(each.split == "test" for each in before)


def _predict(
    hub: Hub,
    engine: Engine,
    record: ModelRecord,
    *,
    chosen: CollectionVersion,
    member: Member,
) -> HubPrediction:
    recipe = recipe_of(record)
    volume = read_volume(hub, member.volume_digest)
    check_fit(recipe, volume)
    earlier = mask_drawn_before(hub, record.lineage_id, member.volume_digest)
    said = (
        Answer(segmentation=_drawn_before(hub, earlier, volume))
        if earlier
        else engine.answer(record, volume)
    )
    prediction_id = new_id("prediction")

    def likeness() -> Likeness:
        scanner = scanners_of(hub, [member.series_uid]).get(member.series_uid, "")
        found: Likeness = learning("sightline.prepare.likeness").likeness_of(volume, scanner)
        return found

    finding = judged(engine, record, said, name=prediction_id)
    _, known = engine.familiar(record)
    return HubPrediction(
        lineage_id=prediction_id,
        model_id=record.lineage_id,
        model=record.label,
        collection=chosen.label,
        series_uid=member.series_uid,
        subject_id=member.subject_id,
        split=member.split,
        volume_digest=member.volume_digest,
        mask_digest=keep_mask(hub, said.segmentation) if said.segmentation else None,
        finding=cautioned(finding, known, likeness),
        created_at=clock.now().isoformat(),
    )


def check_fit(recipe: Recipe, volume: Volume) -> None:
    """Hold a volume to be one that a recipe takes.

    Raises:
        UnsoundSeries: It is not.
    """
    if volume.modality != recipe.accepts.modality:
        raise UnsoundSeries(
            f"modality is {volume.modality}; recipe {recipe.name} asks {recipe.accepts.modality}",
            hint="Make a version of what the model is for.",
        )
    refusal = unfit(recipe, volume)
    if refusal is not None:
        raise refusal


def _drawn_before(hub: Hub, digest: str, volume: Volume) -> Segmentation:
    array = hub.array(digest)

    return Segmentation(
        mask=array.read(),
        geometry=volume.geometry,
        classes=tuple(array.attributes["classes"]),
        author="",
    )
