"""Subjects in folds: each is held out once, and the same way every time."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np

from sightline.errors import Refused
from sightline.hub.collections import StoredMember

_KEY = 0x_F01D


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """One part of a cross-validation, counted from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gave."""
        number, _, count = text.partition("/")
        return cls(number=int(number), count=int(count))


def split_by_fold(
    members: Sequence[StoredMember], fold: Fold, seed: int
) -> tuple[list[StoredMember], list[StoredMember]]:
    """Part members into those that a fold learns from and those it holds out, by subject.

    Args:
        members: in the stable order of their collection, which outlives a change of names.
        fold: which.
        seed: of the recipe.

    Raises:
        Refused: There are fewer subjects than folds.
    """
    subjects = list(dict.fromkeys(each.member.subject_id for each in members))
    if len(subjects) < fold.count:
        raise Refused(
            f"{len(subjects)} subjects cannot be parted into {fold.count} folds",
            hint=f"Ask for {max(2, len(subjects))} folds at most, or take more subjects.",
        )
    random = np.random.Generator(np.random.Philox(key=np.array([seed, _KEY], dtype=np.uint64)))
    places = random.permutation(len(subjects))
    held = {subjects[at] for at in places[fold.number - 1 :: fold.count]}
    return (
        [each for each in members if each.member.subject_id not in held],
        [each for each in members if each.member.subject_id in held],
    )
