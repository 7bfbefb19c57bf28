"""What a model becomes familiar with: what the series look like that it learnt from."""

from collections.abc import Callable, Sequence

import numpy as np

from sightline import log
from sightline.errors import DamagedObject, Refused
from sightline.hub.collections import version
from sightline.hub.facts import scanners_of
from sightline.hub.familiar import keep_familiar
from sightline.hub.hub import Hub
from sightline.hub.volumes import read_volume
from sightline.judge.familiarity import FEWEST, familiar_with
from sightline.prepare.likeness import likeness_of
from sightline.values.collection import CollectionVersion, Member
from sightline.values.likeness import Familiar
from sightline.values.model import ModelRecord

_log = log.get("train")
# More say little more, and whole volumes take time to read.
_MOST = 200


def familiarize(
    hub: Hub,
    record: ModelRecord,
    label: str,
    *,
    on_done: Callable[[int, int], None] = lambda _done, _total: None,
) -> Familiar:
    """Make a model familiar with what a collection may teach; results from now on are held to it.

    Args:
        hub: the store.
        record: the model.
        label: of the collection, `NAME@N` or `NAME`; its locked test split is left alone.
        on_done: called after every series with how many are done, and of how many.

    Raises:
        UnknownName: There is no such collection.
        Refused: It holds too few series.
        DamagedObject: An array is missing or broken.
    """
    chosen = version(hub, label)
    members = [each for each in chosen.in_order() if each.split != "test"]
    familiar = _familiar(hub, members, on_done)
    if familiar is None:
        raise Refused(
            f"{chosen.label} has {len(members)} series outside its test split, and looking at them "
            f"takes at least {FEWEST}",
            hint="Name a collection of the series that the model is for.",
        )
    keep_familiar(hub, record.lineage_id, familiar, learnt_from=chosen)
    return familiar


def become_familiar(
    hub: Hub, record: ModelRecord, chosen: CollectionVersion, *, is_cross: bool
) -> None:
    """Make a new model familiar with what it learnt from; of too few series with nothing.

    Args:
        hub: the store.
        record: the model.
        chosen: what it was trained on.
        is_cross: whether it learnt from the validation split as well.
    """
    splits = ("train", "validation") if is_cross else ("train",)
    try:
        familiar = _familiar(
            hub, [each for each in chosen.in_order() if each.split in splits], lambda *_: None
        )
    except DamagedObject as error:
        # The model stands; `sightline models familiarize` can be run once the hub is mended.
        _log.warning("not_familiar", model=record.label, why=error.problem)
        return
    if familiar is None:
        _log.warning("not_familiar", model=record.label, why=f"it learnt from fewer than {FEWEST}")
        return
    keep_familiar(hub, record.lineage_id, familiar, learnt_from=chosen)


def _familiar(
    hub: Hub, members: Sequence[Member], on_done: Callable[[int, int], None]
) -> Familiar | None:
    places = np.unique(np.linspace(0, len(members) - 1, min(len(members), _MOST)).astype(int))
    looked_at = [members[place] for place in places]
    scanners = scanners_of(hub, [each.series_uid for each in looked_at])
    seen = []
    for done, member in enumerate(looked_at, start=1):
        volume = read_volume(hub, member.volume_digest)
        seen.append(likeness_of(volume, scanners.get(member.series_uid, "")))
        on_done(done, len(looked_at))
    return familiar_with(seen)
