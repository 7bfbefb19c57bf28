"""Back ends of this machine tried for a model, on a series of the kind that it is for."""

from collections.abc import Callable, Sequence

from sightline.errors import BadSettings, SightlineError, UnsoundSeries
from sightline.hub.collections import version
from sightline.hub.hub import Hub
from sightline.hub.models import run
from sightline.hub.volumes import read_volume
from sightline.serve.collection_predicting import check_fit
from sightline.serve.engine import Engine
from sightline.serve.routing import recipe_of
from sightline.values.collection import CollectionVersion
from sightline.values.model import ModelRecord
from sightline.values.recipe import Recipe
from sightline.values.trial import Trial
from sightline.values.volume import Volume


def try_on_collection(
    hub: Hub,
    engine: Engine,
    record: ModelRecord,
    *,
    on: str = "",
    names: Sequence[str] = (),
    tell: Callable[[Trial], None] = lambda _trial: None,
) -> Trial:
    """Try back ends on the first series that the model is for; return the one to use.

    The locked test split is left alone.

    Args:
        hub: the store.
        engine: applies the model.
        record: the model.
        on: the collection, `NAME@N` or `NAME`; empty for the one that the model learned from.
        names: of the back ends; empty for all.
        tell: is called after each.

    Raises:
        BadSettings: The model learned elsewhere and no collection is named, or all of it is locked.
        UnknownName: There is no such collection, or no such back end.
        UnsoundSeries: No series is what the model is for.
        MissingExtra: The host has no learning stack.
        DamagedObject: The weights or the array do not match their digest.
    """
    label = on or run(hub, record.run_id).collection
    if not label:
        raise BadSettings(
            f"{record.label} learned from no collection of this hub",
            hint="Name one whose series it is for, with --on.",
        )
    chosen = version(hub, label)
    volume = _fitting(hub, recipe_of(record), chosen)
    return engine.try_back_ends(record, volume, names=names, tell=tell)


def _fitting(hub: Hub, recipe: Recipe, chosen: CollectionVersion) -> Volume:
    refusal: SightlineError = BadSettings(
        f"every series of {chosen.label} is of the locked test split",
        hint="Name another collection, with --on.",
    )
    for member in chosen.in_order():
        if member.split == "test":
            continue
        volume = read_volume(hub, member.volume_digest)
        try:
            check_fit(recipe, volume)
        except UnsoundSeries as error:
            refusal = error
        else:
            return volume
    raise refusal
