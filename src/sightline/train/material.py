"""What a run learns from: members of a collection as examples, opened, and named when broken."""

import contextlib
from collections.abc import Iterator, Sequence

from sightline.errors import DamagedObject, Refused
from sightline.feed.example import Example
from sightline.hub.collections import StoredMember, open_members
from sightline.hub.hub import Hub
from sightline.hub.proving import flaw_of
from sightline.train.folds import Fold, split_by_fold
from sightline.train.run import Splits
from sightline.train.teaching import example_of
from sightline.values.collection import CollectionVersion, Split
from sightline.values.recipe import Recipe


def splits(hub: Hub, recipe: Recipe, chosen: CollectionVersion, *, fold: Fold | None) -> Splits:
    """Open what a run may see: train and validation, or a fold of both together.

    Raises:
        Refused: Annotations mark other classes than the recipe's, or there are too few subjects.
        DamagedObject: An array is missing or broken.
    """
    if fold is None:
        learnt = learnable(hub, chosen, is_cross=False)
        held = _opened(hub, chosen, "validation")
    else:
        both = learnable(hub, chosen, is_cross=True)
        learnt, held = split_by_fold(both, fold, recipe.training.seed)
    return Splits(
        training=examples(learnt, recipe, chosen), validation=examples(held, recipe, chosen)
    )


def examples(
    members: Sequence[StoredMember], recipe: Recipe, chosen: CollectionVersion
) -> list[Example]:
    """Turn members of a collection into examples of a recipe.

    Raises:
        Refused: They are annotated with something else than the recipe asks for.
    """
    return [example_of(each, recipe, chosen) for each in members]


def needed(members: list[StoredMember], chosen: CollectionVersion) -> list[StoredMember]:
    """Return the members of a split that cannot be done without.

    Raises:
        Refused: There are none.
    """
    if not members:
        raise Refused(
            f"a split of {chosen.label} that is needed is empty",
            hint="Make a version with more subjects, or with other shares.",
        )
    return members


def learnable(hub: Hub, chosen: CollectionVersion, *, is_cross: bool) -> list[StoredMember]:
    """Open what may be learned from: the training split, for a cross-validation both.

    Raises:
        DamagedObject: An array is missing or broken.
    """
    members = _opened(hub, chosen, "train")
    return members + _opened(hub, chosen, "validation") if is_cross else members


def _opened(hub: Hub, chosen: CollectionVersion, split: Split) -> list[StoredMember]:
    with naming_damage(hub, chosen):
        return open_members(hub, chosen, split)


@contextlib.contextmanager
def naming_damage(hub: Hub, chosen: CollectionVersion) -> Iterator[None]:
    """Name the series whose array is gone or broken, where reading one failed.

    Raises:
        DamagedObject: Reading failed.
    """
    try:
        yield
    except DamagedObject as error:
        for member in chosen.in_order():
            if member.split == "test":
                continue
            for what, digest in (
                ("volume", member.volume_digest),
                ("mask", member.annotation_digest),
            ):
                flaw = flaw_of(hub, digest) if digest else None
                if flaw is not None:
                    raise DamagedObject(
                        f"the {what} of series {member.series_uid} of {chosen.label}: {flaw}",
                        hint="Nothing was lost: mend it with `sightline verify --repair-from "
                        "BACKUP`, or send the study again; then go on with `sightline train "
                        "--resume RUN`, which `sightline runs` names.",
                    ) from error
        raise
