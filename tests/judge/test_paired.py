"""Two models on the same examples."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import wilcoxon

from sightline.errors import Refused
from sightline.judge.paired import compare
from sightline.values.evaluation import Comparison
from tests.judge.examples import masks, scores, separated


def first(found: tuple[Comparison, ...]) -> Comparison:
    return found[0]


def test_a_small_difference_that_all_subjects_share_is_clear() -> None:
    random = np.random.default_rng(0)
    base = random.normal(0.7, 0.15, 30)
    ours, theirs = masks((base + 0.02).tolist()), masks(base.tolist())
    found = first(compare("segment", ours, theirs, classes=("lesion",), other="old@1"))
    assert (found.metric, found.class_name, found.other) == ("dice", "", "old@1")
    assert found.difference.value == pytest.approx(0.02)
    assert found.difference.low > 0.019
    assert found.p == pytest.approx(1 / 1001)
    # The intervals of the two overlap all the same.
    assert found.own.low < found.others.high


def test_no_difference_is_found_in_noise() -> None:
    random = np.random.default_rng(1)
    base = random.normal(0.7, 0.1, 40)
    ours = (base + random.normal(0, 0.03, 40)).tolist()
    found = first(
        compare("segment", masks(ours), masks(base.tolist()), classes=("lesion",), other="o")
    )
    assert found.difference.low < 0 < found.difference.high
    assert found.p == pytest.approx(wilcoxon(ours, base).pvalue, abs=0.15)
    assert found.p > 0.05


def test_probabilities_are_compared_by_their_area() -> None:
    good, truths = separated(2, 80, gap=1.5)
    poor = np.random.default_rng(2).random(80)
    found = compare(
        "classify", scores(good, truths), scores(poor, truths), classes=("tuberculosis",), other="o"
    )
    area = first(found)
    assert area.metric == "auroc"
    assert area.difference.value == pytest.approx(area.own.value - area.others.value)
    assert area.difference.low > 0
    assert area.p < 0.01
    assert {each.metric for each in found} >= {"auprc", "brier", "calibration_error"}


def test_subjects_are_swapped_whole() -> None:
    subjects = [f"S-{number // 10}" for number in range(40)]
    ours = masks([0.8] * 20 + [0.7] * 20, subjects=subjects)
    theirs = masks([0.7] * 40, subjects=subjects)
    # Of four subjects two differ: in half of the swaps both differences have one sign.
    found = first(compare("segment", ours, theirs, classes=("lesion",), other="o"))
    assert found.p == pytest.approx(0.5, abs=0.05)


def test_other_examples_or_classes_are_refused() -> None:
    ours, theirs = masks([0.5, 0.6]), masks([0.5, 0.6])
    with pytest.raises(Refused, match="old@1 was not asked for the same examples"):
        compare("segment", ours, theirs[:1], classes=("lesion",), other="old@1")
    moved = [dataclasses.replace(each, series_uid=f"{each.series_uid}.9") for each in theirs]
    with pytest.raises(Refused, match="same examples"):
        compare("segment", ours, moved, classes=("lesion",), other="old@1")
    others = masks([0.5, 0.6], class_name="cyst")
    with pytest.raises(Refused, match="other classes"):
        compare("segment", ours, others, classes=("lesion",), other="old@1")
