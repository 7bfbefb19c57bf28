"""How far readers agree, with figures that can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from sightline.errors import Refused
from sightline.hub.consensus import make_consensus, merge
from sightline.hub.hub import Hub
from sightline.hub.readings import history
from sightline.judge.agreement import agree, agree_on
from sightline.judge.closeness import dice
from sightline.values.agreement import Agreement
from sightline.values.evaluation import Figure
from sightline.values.identity import HubSeriesUid
from tests.readers import EMPTY, NARROW, NODULE, SHIFTED, WIDE, admit_read

THREE = {"R-A": WIDE, "R-B": NARROW, "R-C": SHIFTED}
# Voxels: WIDE 144, NARROW 96 within it, SHIFTED 144; shared: WIDE and SHIFTED 108, NARROW and
# SHIFTED 72.
WIDE_NARROW, WIDE_SHIFTED, NARROW_SHIFTED = 2 * 96 / 240, 2 * 108 / 288, 2 * 72 / 240


def figure(found: Agreement, title: str) -> Figure:
    (chosen,) = [each for each in found.figures if each.title == title]
    return chosen.figure


def test_pairs_and_each_with_the_rest(hub: Hub, tmp_path: Path) -> None:
    series = admit_read(hub, tmp_path, 1, THREE)
    found = agree(hub, [series], classes=NODULE)
    (of_class,) = found.series[0].classes
    assert of_class.authors == ("R-A", "R-B", "R-C")
    assert [pair.dice for pair in of_class.pairs] == [WIDE_NARROW, WIDE_SHIFTED, NARROW_SHIFTED]
    rest = merge([NARROW, SHIFTED], "majority", class_count=1)
    assert of_class.left_out[0].dice == dice(WIDE > 0, rest > 0)
    pairs = figure(found, "Dice of two readers, both marked it")
    assert pairs.value == pytest.approx((WIDE_NARROW + WIDE_SHIFTED + NARROW_SHIFTED) / 3)
    assert figure(found, "the same on single slices").value == pytest.approx(pairs.value)
    assert (pairs.low, pairs.high, pairs.subjects) == (None, None, 1)
    # One reader drew four columns of 0.8 mm further than the other, two rows of 0.7 mm lower.
    apart = of_class.pairs[0].hd95_mm, of_class.pairs[1].hd95_mm
    assert apart == (pytest.approx(1.6), pytest.approx(1.4))


def test_who_marked_nothing_counts_where_it_says_so(hub: Hub, tmp_path: Path) -> None:
    series = admit_read(hub, tmp_path, 1, {"R-A": WIDE, "R-B": WIDE, "R-C": EMPTY, "R-D": EMPTY})
    found = agree(hub, [series], classes=NODULE)
    assert figure(found, "Dice of two readers, both marked it").value == 1
    # Of six pairs one marked it alike, one marked nothing, four differ.
    assert figure(found, "Dice of two readers, 0 where one did not").value == pytest.approx(1 / 5)
    alike = figure(found, "share of pairs that agree whether it is there")
    assert alike.value == pytest.approx(2 / 6)
    # Left out, one who marked it meets a rest that did not, and the other way round.
    others = figure(found, "Dice of a reader with the others, 0 where one did not")
    assert others.value == 0
    assert figure(found, "Dice of a reader with the others, both marked it").value is None


def test_readers_who_all_found_nothing_agree_and_are_not_scored(hub: Hub, tmp_path: Path) -> None:
    series = admit_read(hub, tmp_path, 1, {"R-A": EMPTY, "R-B": EMPTY})
    found = agree(hub, [series], classes=NODULE)
    assert figure(found, "share of pairs that agree whether it is there").value == 1
    for title in ("Dice of two readers, 0 where one did not", "Fleiss' kappa of all readers"):
        assert figure(found, title).value is None


def test_a_subject_with_many_series_weighs_as_one(hub: Hub, tmp_path: Path) -> None:
    good = {"R-A": WIDE, "R-B": WIDE}
    bad = {"R-A": WIDE, "R-B": NARROW}
    series = [admit_read(hub, tmp_path, number, good, subject=7) for number in (1, 2, 3)]
    series.append(admit_read(hub, tmp_path, 4, bad))
    alone = admit_read(hub, tmp_path, 5, {"R-A": WIDE})
    found = agree(hub, [*series, alone], classes=NODULE)
    pairs = figure(found, "Dice of two readers, both marked it")
    assert pairs.value == pytest.approx((1 + WIDE_NARROW) / 2)
    assert (pairs.low, pairs.high) == (pytest.approx(WIDE_NARROW), pytest.approx(1))
    assert (pairs.subjects, found.alone) == (2, (alone,))


def test_a_model_is_held_against_what_each_reader_is_held_against(hub: Hub, tmp_path: Path) -> None:
    series = admit_read(hub, tmp_path, 1, THREE)
    other = admit_read(hub, tmp_path, 2, THREE)
    make_consensus(hub, [series], "majority", classes=NODULE)
    drawn = {each.author: each.mask_digest for each in history(hub, series)}
    found = agree(hub, [series, other], classes=NODULE, drawn={series: drawn["consensus:majority"]})
    assert [each.series_uid for each in found.series] == [series]
    (of_class,) = found.series[0].classes
    everything = merge(list(THREE.values()), "majority", class_count=1)
    expected = [
        dice(everything > 0, merge([one, two], "majority", class_count=1) > 0)
        for one, two in ((NARROW, SHIFTED), (WIDE, SHIFTED), (WIDE, NARROW))
    ]
    assert [each.dice for each in of_class.model] == expected
    of_model = figure(found, "Dice of the model with the same others, both marked it")
    assert of_model.value == pytest.approx(np.mean(expected))


def test_model_and_reader_are_compared_on_the_cases_that_both_marked(
    hub: Hub, tmp_path: Path
) -> None:
    # Left out, the last reader marked nothing where the others did: no case for either side.
    readers = {**THREE, "R-D": EMPTY}
    series = admit_read(hub, tmp_path, 1, readers)
    make_consensus(hub, [series], "majority", classes=NODULE)
    drawn = {each.author: each.mask_digest for each in history(hub, series)}
    found = agree(hub, [series], classes=NODULE, drawn={series: drawn["consensus:majority"]})
    model = merge(list(readers.values()), "majority", class_count=1) > 0
    rest = [
        merge(
            [mask for name, mask in readers.items() if name != left_out], "majority", class_count=1
        )
        for left_out in THREE
    ]
    of_model = figure(found, "all three marked it: Dice of the model with the others")
    assert of_model.value == pytest.approx(np.mean([dice(model, each > 0) for each in rest]))
    of_readers = figure(found, "all three marked it: Dice of a reader with the others")
    pairs = zip(THREE.values(), rest, strict=True)
    assert of_readers.value == pytest.approx(np.mean([dice(a > 0, b > 0) for a, b in pairs]))
    every_case = figure(found, "Dice of the model with the same others, both marked it")
    assert every_case.value != pytest.approx(of_model.value)


def test_a_model_that_marks_far_off_changes_no_figure_of_the_readers() -> None:
    far = EMPTY.copy()
    far[5, 15, 11] = 1
    asked = {"authors": ("a", "b"), "classes": NODULE, "method": "majority", "spacing_mm": None}
    (alone,) = agree_on([WIDE, NARROW], **asked)
    (beside,) = agree_on([WIDE, NARROW], **asked, model=far)
    assert (alone.pairs, alone.left_out, alone.fleiss) == (
        beside.pairs,
        beside.left_out,
        beside.fleiss,
    )
    assert [each.dice for each in beside.model] == [0.0, 0.0]


def test_nobody_to_agree_with(hub: Hub, tmp_path: Path) -> None:
    series = admit_read(hub, tmp_path, 1, {"R-A": WIDE})
    with pytest.raises(Refused, match="no series has two readers of nodule"):
        agree(hub, [series, HubSeriesUid("1.2")], classes=NODULE)
