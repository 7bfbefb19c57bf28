"""Who is served worse."""

import dataclasses

import pytest

from sightline.judge.metrics import metrics_of
from sightline.judge.strata import UNKNOWN, is_clear, strata_of, worst_of
from sightline.values.evaluation import Facts, ScoredExample, Stratum
from tests.judge.examples import masks

DICE = metrics_of("segment")[0]


def examples(count: int = 24) -> list[ScoredExample]:
    """Half from each manufacturer; those of Beta are worse, those of one sex are not."""
    facts = [
        Facts(
            manufacturer="Alpha" if place % 2 else "Beta",
            model="One" if place % 2 else "Two",
            kernel="B30f",
            sex="F" if place % 4 < 2 else "M",
            age_years=None if place < 3 else 20.0 + place * 3,
        )
        for place in range(count)
    ]
    dice = [0.8 + place % 5 * 0.01 - (0.0 if place % 2 else 0.15) for place in range(count)]
    return masks(dice, facts=facts)


def of(found: tuple[Stratum, ...], fact: str) -> dict[str, Stratum]:
    return {each.value: each for each in found if each.fact == fact}


def test_the_worst_is_named_with_its_gap_to_the_rest() -> None:
    found = strata_of(DICE, examples())
    worst = worst_of(found, is_more_better=True)
    assert worst is not None
    assert (worst.fact, worst.value) == ("manufacturer", "Beta")
    assert worst.figure.subjects == 12
    assert worst.gap.value == pytest.approx(-0.15, abs=0.02)
    assert is_clear(worst)
    assert not is_clear(of(found, "sex")["female"])


def test_a_fact_that_all_share_divides_nothing() -> None:
    found = strata_of(DICE, examples())
    assert of(found, "kernel") == {}
    assert of(found, "site") == {}
    assert set(of(found, "scanner")) == {"Alpha One", "Beta Two"}


def test_ages_and_sizes_are_banded() -> None:
    found = strata_of(DICE, examples())
    ages = of(found, "age")
    assert list(ages) == ["18 to 39", "40 to 64", "65 and over", UNKNOWN]
    assert ages[UNKNOWN].figure.subjects == 3
    sizes = of(found, "lesion size")
    assert [each.figure.subjects for each in sizes.values()] == [8, 8, 8]
    assert next(iter(sizes)).startswith("small, up to 8")


def test_too_few_subjects_are_shown_but_not_called_the_worst() -> None:
    few = examples()
    few = [
        dataclasses.replace(each, facts=dataclasses.replace(each.facts, site="Tiny"))
        if place in {0, 2}
        else each
        for place, each in enumerate(few)
    ]
    found = strata_of(DICE, few)
    assert of(found, "site")["Tiny"].figure.subjects == 2
    worst = worst_of(found, is_more_better=True)
    assert worst is not None
    assert worst.value != "Tiny"
    assert worst_of(found[:0], is_more_better=True) is None


def test_where_less_is_better_the_worst_is_the_most() -> None:
    found = strata_of(metrics_of("segment")[3], examples())
    assert worst_of(found, is_more_better=False) is not None
    by_size = of(found, "manufacturer")
    assert by_size["Alpha"].figure.value == pytest.approx(1.0)
