"""The worst examples are chosen, packed and drawn."""

import dataclasses
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from sightline.errors import DamagedObject
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.hub.withdrawal import instances_of_series, withdraw
from sightline.judge.exhibits import (
    badness_of,
    exhibit_picture,
    pack,
    unpack,
    words_of,
    worst_slice,
)
from sightline.values.collection import CollectionVersion
from sightline.values.evaluation import Exhibit, PackedSlice, ScoredExample
from tests.hubs import CLASSES, mask_of
from tests.judge.examples import marks, masks, scores


def test_the_worst_are_those_with_the_least_overlap_or_the_surest_errors() -> None:
    of_masks = [badness_of(each) for each in masks([0.9, 0.2, None])]
    assert np.argmax(of_masks) == 1
    of_scores = [badness_of(each) for each in scores([0.9, 0.6, 0.1], [True, False, False])]
    assert np.argmax(of_scores) == 1
    missed, found = (
        ScoredExample(subject_id="S", series_uid="2.25.1", numbers=(numbers,))
        for numbers in marks((2, [(0.9, None)]), (2, [(0.9, 0), (0.5, 1)]))
    )
    assert badness_of(missed) > badness_of(found)
    assert words_of(missed) == "nodule: 0 of 2 found, 1 false"


def test_words_tell_what_is_wrong() -> None:
    assert words_of(masks([0.25])[0]) == "lesion: Dice 0.25, 2 ml drawn of 1 ml"
    assert words_of(scores([0.93], [False])[0]) == "tuberculosis: 93% sure, and it is not there"


def test_the_slice_with_most_of_the_error_is_shown() -> None:
    truth = np.zeros((4, 6, 6), np.uint8)
    truth[1, 1:5, 1:5] = 1
    answer = truth.copy()
    assert worst_slice(answer, truth) == 1
    answer[3, 0, 0] = 1
    assert worst_slice(answer, truth) == 3


def test_a_slice_is_packed_small_and_unpacked_whole() -> None:
    plane = np.zeros((512, 512), np.uint8)
    plane[100:200, 50:90] = 3
    packed = pack(plane)
    assert len(packed.content) < 2000
    assert np.array_equal(unpack(packed), plane)
    for content in ("no base64", "AAAA", packed.content[:40]):
        with pytest.raises(DamagedObject):
            unpack(PackedSlice(rows=512, columns=512, content=content))


@pytest.fixture
def chest(hub: Hub, fill: Callable[..., None]) -> CollectionVersion:
    fill(0, 1)
    return make_version(hub, "chest", Criteria(modality="CT", classes=CLASSES))


def exhibit() -> Exhibit:
    answer = np.roll(mask_of(1)[1], 2, axis=1)
    return Exhibit(
        series_uid="2.25.1001.1",
        subject_id="S-0000000001",
        words="",
        slice_index=1,
        mask=pack(answer),
    )


def test_image_truth_and_answer_are_drawn_from_the_hub(hub: Hub, chest: CollectionVersion) -> None:
    drawn = exhibit_picture(hub, chest, exhibit())
    assert drawn is not None
    picture = np.array(Image.open(io.BytesIO(drawn)))
    half = (picture.shape[1] - 6) // 2
    plain, marked = picture[:, :half], picture[:, half + 6 :]
    assert (plain == plain[..., :1]).all()
    is_coloured = (marked != marked[..., :1]).any(axis=-1)
    assert is_coloured.any()
    assert np.array_equal(plain[~is_coloured], marked[~is_coloured])
    colours = {tuple(each) for each in marked[is_coloured]}
    assert colours == {(90, 220, 120), (255, 150, 40)}
    assert exhibit_picture(hub, chest, exhibit()) == drawn


def test_saliency_is_drawn_as_heat(hub: Hub, chest: CollectionVersion) -> None:
    heat = np.zeros((16, 12), np.uint8)
    heat[:8] = 200
    shown = dataclasses.replace(exhibit(), mask=None, saliency=pack(heat))
    drawn = exhibit_picture(hub, chest, shown)
    assert drawn is not None
    picture = np.array(Image.open(io.BytesIO(drawn))).astype(int)
    # Above red is more than blue, below they are alike.
    redness = (picture[..., 0] - picture[..., 2])[:, picture.shape[1] // 2 + 4 :]
    assert redness[2].mean() > 30
    assert redness[-2].mean() == 0


def test_what_was_withdrawn_is_shown_no_more(hub: Hub, chest: CollectionVersion) -> None:
    withdraw(hub, dict.fromkeys(instances_of_series(hub, "2.25.1001.1"), "consent withdrawn"))
    assert exhibit_picture(hub, chest, exhibit()) is None
    elsewhere = dataclasses.replace(exhibit(), series_uid="2.25.9")
    assert exhibit_picture(hub, chest, elsewhere) is None
