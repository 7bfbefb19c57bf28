"""A consensus is an annotation of its own that names what it was made of, and repeats."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sightline.catalog.hub_tables import ANNOTATION
from sightline.errors import Refused
from sightline.hub.collections import Criteria, make_version, open_members
from sightline.hub.consensus import make_consensus, merge
from sightline.hub.hub import Hub
from sightline.hub.lineage import find, trace
from sightline.hub.readings import history
from sightline.hub.withdrawal import TOUCHED, withdraw
from sightline.values.identity import HubInstanceUid
from sightline.values.reading import METHODS, ConsensusMethod
from tests.readers import EMPTY, NARROW, NODULE, SHIFTED, WIDE, admit_read, instance_of

MASKS = st.lists(arrays(np.uint8, (2, 4, 5), elements=st.integers(0, 2)), min_size=2, max_size=5)
THREE = {"R-A": WIDE, "R-B": NARROW, "R-C": SHIFTED}


@given(masks=MASKS)
def test_majority_is_what_more_than_half_said(masks: list[np.ndarray]) -> None:
    merged = merge(masks, "majority", class_count=2)
    for place in np.ndindex(merged.shape):
        said = [int(mask[place]) for mask in masks]
        winners = [number for number in (1, 2) if 2 * said.count(number) > len(said)]
        assert merged[place] == (winners[0] if winners else 0)


@settings(max_examples=25, deadline=None)
@given(masks=MASKS, method=st.sampled_from(METHODS))
def test_neither_order_of_readers_nor_air_around_changes_it(
    masks: list[np.ndarray], method: ConsensusMethod
) -> None:
    merged = merge(masks, method, class_count=2)
    padded = [np.pad(mask, 3) for mask in masks]
    assert np.array_equal(merge(padded, method, class_count=2)[3:-3, 3:-3, 3:-3], merged) or (
        # The box is one voxel wider than the marks only where the grid goes on.
        _touches_edge(masks)
    )
    if method == "majority":
        for other in itertools.islice(itertools.permutations(masks), 6):
            assert np.array_equal(merge(other, method, class_count=2), merged)


def _touches_edge(masks: list[np.ndarray]) -> bool:
    marked = np.any(masks, axis=0)
    inner = np.zeros_like(marked)
    inner[1:-1, 1:-1, 1:-1] = True
    return bool((marked & ~inner).any())


@pytest.mark.parametrize("method", METHODS)
def test_readers_who_agree_are_the_consensus(method: ConsensusMethod) -> None:
    assert np.array_equal(merge([WIDE, WIDE, WIDE], method, class_count=1), WIDE)
    assert not merge([EMPTY, EMPTY], method, class_count=1).any()


def test_who_marked_nothing_has_a_vote() -> None:
    """Two of four do not outvote the rest; STAPLE finds those two blind, and follows the others."""
    readers = [WIDE, WIDE, EMPTY, EMPTY]
    assert not merge(readers, "majority", class_count=1).any()
    assert np.array_equal(merge([WIDE, *readers], "majority", class_count=1), WIDE)
    assert np.array_equal(merge(readers, "staple", class_count=1), WIDE)


def test_staple_is_between_intersection_and_union() -> None:
    merged = merge([WIDE, NARROW, SHIFTED], "staple", class_count=1)
    assert (merged <= (WIDE | NARROW | SHIFTED)).all()
    assert (merged >= (WIDE & NARROW & SHIFTED)).all()
    assert merged.any()


@pytest.mark.parametrize("method", METHODS)
def test_a_repeat_gives_the_same_id_and_bytes(
    hub: Hub, tmp_path: Path, method: ConsensusMethod
) -> None:
    series = admit_read(hub, tmp_path, 1, THREE)
    first = make_consensus(hub, [series], method, classes=NODULE)
    with hub.database.read() as connection:
        before = connection.execute(sa.select(ANNOTATION)).all()
    again = make_consensus(hub, [series], method, classes=NODULE)
    with hub.database.read() as connection:
        assert connection.execute(sa.select(ANNOTATION)).all() == before
    assert first == again
    (kept,) = [row for row in before if row.id == first.made[series]]
    merged = merge(list(THREE.values()), method, class_count=1)
    assert np.array_equal(hub.array(kept.mask_digest).read(), merged)
    assert (kept.instance_uid, kept.author) == (None, f"consensus:{method}")


def test_it_names_its_readers_and_stands_beside_them(hub: Hub, tmp_path: Path) -> None:
    series = admit_read(hub, tmp_path, 1, THREE)
    made = make_consensus(hub, [series], "majority", classes=NODULE).made[series]
    above = [step.node for step in trace(hub, made, "up").steps if step.depth == 1]
    readers = [each for each in above if each.kind == "annotation"]
    assert {each.facts["author"] for each in readers} == set(THREE)
    assert [each.id for each in above if each.kind == "series"] == [series]
    assert [each.state for each in history(hub, series)] == ["current"] * 4


def test_a_reader_alone_makes_none(hub: Hub, tmp_path: Path) -> None:
    one = admit_read(hub, tmp_path, 1, {"R-A": WIDE})
    with pytest.raises(Refused, match="no series has two readers of nodule"):
        make_consensus(hub, [one], "majority", classes=NODULE)
    two = admit_read(hub, tmp_path, 2, THREE)
    done = make_consensus(hub, [one, two], "majority", classes=NODULE)
    assert (list(done.made), done.alone) == ([two], (one,))


def test_collections_choose_an_author_or_a_consensus(hub: Hub, tmp_path: Path) -> None:
    admit_read(hub, tmp_path, 1, THREE)
    series = admit_read(hub, tmp_path, 2, THREE)
    make_consensus(hub, [series], "majority", classes=NODULE)

    def taught(author: str | None) -> dict[str, np.ndarray]:
        name = (author or "any").replace(":", "-")
        made = make_version(hub, name, Criteria(classes=NODULE, author=author))
        splits = ("train", "validation")
        opened = [each for split in splits for each in open_members(hub, made, split)]
        return {
            each.member.series_uid: each.mask.read() for each in opened if each.mask is not None
        }

    by_reader = taught("R-B")
    assert len(by_reader) == 2
    assert all(np.array_equal(mask, NARROW) for mask in by_reader.values())
    of_all = taught("consensus:majority")
    assert list(of_all) == [series]
    assert np.array_equal(of_all[series], merge(list(THREE.values()), "majority", class_count=1))
    assert len(taught(None)) == 2  # whoever asks for none gets a person's
    with hub.database.read() as connection:
        author = sa.select(ANNOTATION.c.author).where(ANNOTATION.c.instance_uid.is_(None))
        assert connection.execute(author).scalars().all() == ["consensus:majority"]


def test_what_rests_on_a_withdrawn_annotation_is_touched_and_no_longer_counts(
    hub: Hub, tmp_path: Path
) -> None:
    series = admit_read(hub, tmp_path, 1, THREE)
    before = make_consensus(hub, [series], "majority", classes=NODULE).made[series]
    withdraw(hub, {instance_of(1, 2): "the reader took it back"})

    assert "was withdrawn: its mask was rejected" in find(hub, before).facts[TOUCHED]
    states = {each.author: each.state for each in history(hub, series)}
    assert states == {
        "R-A": "current",
        "R-B": "current",
        "R-C": "withdrawn",
        "consensus:majority": "withdrawn",
    }
    with pytest.raises(Refused, match="nothing in the hub"):
        make_version(hub, "all", Criteria(classes=NODULE, author="consensus:majority"))
    with pytest.raises(Refused, match="nothing in the hub"):
        make_version(hub, "one", Criteria(classes=NODULE, author="R-C"))
    after = make_consensus(hub, [series], "majority", classes=NODULE).made[series]
    assert after != before
    assert len(make_version(hub, "all", Criteria(author="consensus:majority")).members) == 1


def test_a_withdrawn_subject_touches_consensus_and_all(hub: Hub, tmp_path: Path) -> None:
    series = admit_read(hub, tmp_path, 1, THREE)
    made = make_consensus(hub, [series], "staple", classes=NODULE).made[series]
    below = {step.node.id for step in trace(hub, "S-0000000001", "down").steps}
    assert made in below
    images = {HubInstanceUid(f"{series}.{k}"): "consent withdrawn" for k in range(6)}
    withdraw(hub, images | {instance_of(1, place): "consent withdrawn" for place in range(3)})
    assert {each.state for each in history(hub, series)} == {"withdrawn"}
    assert "consent withdrawn" in str(find(hub, made).facts)
