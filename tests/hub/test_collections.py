"""Versions are immutable and split by subject; the test split is locked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.errors import LockedSplit, Refused, UnknownName
from sightline.hub.admission import admit
from sightline.hub.collections import (
    Criteria,
    Shares,
    count_test_evaluations,
    make_version,
    open_members,
    open_test_members,
    version,
)
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
from sightline.hub.withdrawal import withdraw
from sightline.values.identity import HubInstanceUid
from tests.hubs import CLASSES, study_of

ANNOTATED = Criteria(modality="CT", classes=CLASSES)


def test_subjects_keep_their_split_when_more_arrive(hub: Hub, fill: Callable[..., None]) -> None:
    fill(*range(10))
    first = make_version(hub, "chest", ANNOTATED)
    fill(*range(10, 20))
    second = make_version(hub, "chest", ANNOTATED)

    assert (first.label, second.label) == ("chest@1", "chest@2")
    before = {m.subject_id: m.split for m in first.members}
    after = {m.subject_id: m.split for m in second.members}
    assert len(after) == 20
    assert before.items() <= after.items()
    assert version(hub, "chest@1") == first
    assert version(hub, "chest").version == 2


def test_studies_of_one_subject_never_stand_in_two_splits(hub: Hub, tmp_path: Path) -> None:
    for number in range(12):
        admit(hub, study_of(number, tmp_path, subject=number // 3))
    made = make_version(hub, "chest", ANNOTATED, shares=Shares(validation=0.25, test=0.25))
    splits = {
        m.subject_id: {n.split for n in made.members if n.subject_id == m.subject_id}
        for m in made.members
    }
    assert len(splits) == 4
    assert all(len(each) == 1 for each in splits.values())
    assert {split for each in splits.values() for split in each} == {"train", "validation", "test"}


def test_a_repeat_makes_no_new_version(hub: Hub, fill: Callable[..., None]) -> None:
    fill(*range(4))
    assert make_version(hub, "chest", ANNOTATED) == make_version(hub, "chest", ANNOTATED)


def test_a_mask_that_was_withdrawn_is_not_taken(hub: Hub, fill: Callable[..., None]) -> None:
    fill(0, 1)
    withdraw(hub, {HubInstanceUid("2.25.1001.9.1"): "113037"})
    made = make_version(hub, "chest", ANNOTATED)
    assert [member.series_uid for member in made.members] == ["2.25.1000.1"]


def test_the_test_split_is_locked_and_counted(hub: Hub, fill: Callable[..., None]) -> None:
    fill(*range(5))
    made = make_version(hub, "chest", ANNOTATED)
    with pytest.raises(LockedSplit):
        open_members(hub, made, "test")
    assert count_test_evaluations(hub, made) == 0
    assert len(open_test_members(hub, made)) == 1
    assert count_test_evaluations(hub, made) == 1
    assert len(open_members(hub, made, "train")) == 4 - len(open_members(hub, made, "validation"))


def test_criteria_choose_and_are_the_reason(hub: Hub, fill: Callable[..., None]) -> None:
    fill(0, 1)
    fill(2, 3, manufacturer="Beta Scanners")
    made = make_version(hub, "beta", Criteria(modality="CT", manufacturer="beta"))
    assert len(made.members) == 2
    assert {m.reason for m in made.members} == {"modality=CT; manufacturer=beta"}
    with pytest.raises(Refused, match="nothing in the hub"):
        make_version(hub, "none", Criteria(modality="MR"))


def test_an_unknown_collection_names_the_known(hub: Hub, fill: Callable[..., None]) -> None:
    fill(0, 1, 2)
    make_version(hub, "chest", ANNOTATED)
    with pytest.raises(UnknownName, match="chest@1"):
        version(hub, "chest@7")


def test_lineage_of_a_version_is_its_series_and_annotations(
    hub: Hub, fill: Callable[..., None]
) -> None:
    fill(0, 1, 2)
    make_version(hub, "chest", ANNOTATED)
    kinds = [step.node.kind for step in trace(hub, "chest@1", "up").steps]
    assert (kinds.count("series"), kinds.count("annotation"), kinds.count("subject")) == (3, 3, 3)
