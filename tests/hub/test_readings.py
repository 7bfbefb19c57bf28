"""Readers stand beside each other; what a person settles is recorded, and nothing is lost."""

from pathlib import Path

import numpy as np
import pytest

from sightline.errors import Refused, UnknownName
from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, make_version
from sightline.hub.consensus import make_consensus
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
from sightline.hub.readings import adjudicate, classes_drawn, history, independent_readings
from sightline.values.identity import HubSeriesUid, LineageId
from tests.readers import EMPTY, NARROW, NODULE, SHIFTED, WIDE, admit_read, read_by


@pytest.fixture
def series(hub: Hub, tmp_path: Path) -> HubSeriesUid:
    return admit_read(hub, tmp_path, 1, {"R-A": WIDE, "R-B": EMPTY})


def again(hub: Hub, folder: Path, author: str, mask: np.ndarray) -> LineageId:
    """Let a reader draw once more on the same series; return what is new."""
    series = HubSeriesUid("2.25.1001.1")
    before = {each.annotation_id for each in history(hub, series)}
    admit(hub, read_by(1, folder, {author: mask}, first=len(before)))
    (new,) = {each.annotation_id for each in history(hub, series)} - before
    return new


def by_author(hub: Hub, series: HubSeriesUid) -> dict[str, LineageId]:
    return {each.author: each.annotation_id for each in history(hub, series)}


def test_each_reader_has_a_voice_and_an_empty_mask_is_one(hub: Hub, series: HubSeriesUid) -> None:
    found = independent_readings(hub, [series])[series]
    assert [each.author for each in found] == ["R-A", "R-B"]
    assert not hub.array(found[1].mask_digest).read().any()
    assert classes_drawn(hub, [series]) == [NODULE]


def test_the_newest_of_a_reader_counts_and_the_others_stay(
    hub: Hub, series: HubSeriesUid, tmp_path: Path
) -> None:
    before = by_author(hub, series)["R-A"]
    new = again(hub, tmp_path, "R-A", NARROW)
    states = {each.annotation_id: each.state for each in history(hub, series)}
    assert (states[before], states[new]) == ("earlier", "current")
    found = independent_readings(hub, [series])[series]
    assert [each.annotation_id for each in found if each.author == "R-A"] == [new]


def test_what_a_person_settles_teaches_and_says_why(
    hub: Hub, series: HubSeriesUid, tmp_path: Path
) -> None:
    voices = by_author(hub, series)
    settled = again(hub, tmp_path, "R-C", NARROW)
    later = again(hub, tmp_path, "R-B", SHIFTED)  # newest, but it is one voice of several
    adjudicate(hub, settled, [*voices.values()], decided_by="anna", reason="seen on the PET")
    adjudicate(hub, settled, [*voices.values()], decided_by="anna", reason="once more")

    found = {each.annotation_id: each for each in history(hub, series)}
    assert found[voices["R-A"]].state == "superseded"
    assert found[voices["R-A"]].superseded_by == settled
    assert found[voices["R-A"]].reason == "seen on the PET"
    kept = {step.node.id for step in trace(hub, settled, "up").steps if step.depth == 1}
    assert kept == {series, *voices.values()}
    readers = [each.annotation_id for each in independent_readings(hub, [series])[series]]
    assert set(readers) == {voices["R-A"], later}
    (member,) = make_version(hub, "settled", Criteria(classes=NODULE)).members
    assert member.annotation_id == later
    adjudicate(hub, again(hub, tmp_path, "R-C", NARROW), [later], decided_by="anna", reason="no")
    (member,) = make_version(hub, "settled", Criteria(classes=NODULE)).members
    assert found.get(member.annotation_id) is None
    (member,) = make_version(hub, "first", Criteria(author="R-A")).members
    assert member.annotation_id == voices["R-A"]


def test_what_settles_nothing_is_refused(hub: Hub, series: HubSeriesUid, tmp_path: Path) -> None:
    voices = by_author(hub, series)
    settled = again(hub, tmp_path, "R-C", NARROW)
    made = make_consensus(hub, [series], "majority", classes=NODULE).made[series]
    other = admit_read(hub, tmp_path, 2, {"R-A": WIDE, "R-B": WIDE})
    elsewhere = by_author(hub, other)["R-A"]

    def refused(chosen: str, *others: str, by: str = "anna", why: str = "because") -> str:
        with pytest.raises((Refused, UnknownName)) as caught:
            adjudicate(hub, chosen, others, decided_by=by, reason=why)
        return caught.value.problem

    assert "name and a reason" in refused(settled, voices["R-A"], why=" ")
    assert "is a consensus" in refused(made, voices["R-A"])
    assert "is not later" in refused(voices["R-A"], settled)
    assert "is not later" in refused(settled, settled)
    assert "another series" in refused(elsewhere, voices["R-A"])
    assert "no annotation 'annotation-0'" in refused(settled, "annotation-0")
    adjudicate(hub, settled, [voices["R-A"]], decided_by="anna", reason="because")
    after = again(hub, tmp_path, "R-B", SHIFTED)
    adjudicate(hub, after, [settled], decided_by="anna", reason="because")
    assert f"set aside itself, for {after}" in refused(settled, voices["R-B"])


def test_an_unknown_series_is_named(hub: Hub) -> None:
    with pytest.raises(UnknownName, match=r"no series '1\.2'"):
        history(hub, HubSeriesUid("1.2"))
