"""What is known of a member answers what a recipe asks, or the difference is named."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import Refused
from sightline.hub.collections import StoredMember
from sightline.store.arrays import StoredArray, write_array
from sightline.train.teaching import example_of
from sightline.values.collection import CollectionVersion, Member
from sightline.values.identity import HubSeriesUid, SubjectId
from sightline.values.recipe import Recipe
from sightline.values.statement import Statement

MEMBER = Member(
    subject_id=SubjectId("S-1"),
    series_uid=HubSeriesUid("2.25.1"),
    volume_digest="v",
    annotation_id=None,
    annotation_digest=None,
    split="train",
    reason="",
)
CHOSEN = CollectionVersion(name="c", version=1, members=(MEMBER,))
SAID = Statement(
    target="t", author="R", kind="presence", classes=("none", "mild", "severe"), present=("mild",)
)


@pytest.fixture
def stored(tmp_path: Path) -> StoredMember:
    affine = np.eye(4)[[2, 1, 0, 3]].tolist()
    attributes = {"affine": affine, "modality": "DX", "slope": 2.0, "intercept": 1.0}
    write_array(tmp_path / "v", np.zeros((1, 4, 4), np.uint8), attributes)
    return StoredMember(member=MEMBER, volume=StoredArray.open(tmp_path / "v"), mask=None)


def recipe_of(task: str) -> Recipe:
    return Recipe.from_yaml(f"{{name: r, title: T, task: {task}}}")


def test_a_grade_becomes_its_level(stored: StoredMember) -> None:
    member = dataclasses.replace(stored, statement=SAID)
    asked = recipe_of("{kind: grade, classes: [none, mild, severe], target: t}")
    assert example_of(member, asked, CHOSEN).numbers == (1.0,)
    some = recipe_of("{kind: classify, classes: [severe, mild], exclusive: false, target: t}")
    assert example_of(member, some, CHOSEN).numbers == (0.0, 1.0)


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ("{classes: [mild]}", "is annotated with None"),
        ("{kind: regress, classes: [mild], target: t}", "presence of 't'"),
        ("{kind: classify, classes: [mild, none], target: other}", "asks presence of 'other'"),
        ("{kind: classify, classes: [mild, cyst], target: t}", "says none, mild, severe"),
        ("{kind: classify, classes: [none, severe], target: t}", "says 0 of none, severe"),
        ("{kind: detect, classes: [mild], target: t}", "asks places of 't'"),
        ("{kind: restore, classes: [clean]}", "no series beside it"),
    ],
)
def test_what_does_not_answer_is_named(stored: StoredMember, task: str, problem: str) -> None:
    member = dataclasses.replace(stored, statement=SAID)
    with pytest.raises(Refused, match=problem) as caught:
        example_of(member, recipe_of(task), CHOSEN)
    assert caught.value.hint


def test_without_a_statement_it_is_said(stored: StoredMember) -> None:
    asked = recipe_of("{kind: grade, classes: [none, mild], target: t}")
    with pytest.raises(Refused, match="annotated with no statement"):
        example_of(stored, asked, CHOSEN)


def test_a_pair_must_share_its_grid(stored: StoredMember, tmp_path: Path) -> None:
    asked = recipe_of("{kind: restore, classes: [clean]}")
    same = dataclasses.replace(stored, image=stored.volume)
    assert example_of(same, asked, CHOSEN).drawn is stored.volume
    attributes = stored.volume.attributes | {"slope": 1.0}
    write_array(tmp_path / "other", np.zeros((1, 4, 4), np.uint8), attributes)
    other = dataclasses.replace(stored, image=StoredArray.open(tmp_path / "other"))
    with pytest.raises(Refused, match="differ in grid or rescale"):
        example_of(other, asked, CHOSEN)
