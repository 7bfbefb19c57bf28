"""Waits in a model's order are those of queueing theory, where it has a closed form."""

import math

import numpy as np
import pytest

from sightline.errors import BadSettings
from sightline.serve.reading_order import Load, simulate, waits

ONE = Load(per_hour=9, reading_min=4, readers=1, prevalence=0.1, sensitivity=0.9, specificity=0.85)


def closed_form(load: Load) -> tuple[float, float, float]:
    """Mean minutes of waiting: in plain order, of the flagged, of the others (Cobham 1954).

    M/M/c with one speed for all: somebody waits at all with Erlang's C, and then for what is read
    at c times the speed.
    """
    offered = load.per_hour * load.reading_min / 60
    busy = offered / load.readers
    terms = [offered**k / math.factorial(k) for k in range(load.readers)]
    last = offered**load.readers / math.factorial(load.readers) / (1 - busy)
    residual = last / (sum(terms) + last) * load.reading_min / load.readers
    flagged = load.prevalence * load.sensitivity + (1 - load.prevalence) * (1 - load.specificity)
    first = busy * flagged
    return (
        residual / (1 - busy),
        residual / (1 - first),
        residual / ((1 - first) * (1 - busy)),
    )


def expected(load: Load) -> tuple[float, float, float, float]:
    """Of all in plain order; of positives, missed ones and negatives in the model's order."""
    plain, first, second = closed_form(load)
    false_alarms = 1 - load.specificity
    return (
        plain,
        load.sensitivity * first + (1 - load.sensitivity) * second,
        second,
        false_alarms * first + (1 - false_alarms) * second,
    )


def assert_within(load: Load, studies: int, share: float) -> None:
    found = simulate(load, studies=studies, seed=1)
    means = [each.mean for each in (found.plain, found.positives, found.missed, found.negatives)]
    assert means == pytest.approx(expected(load), rel=share)


def test_one_reader_is_within_two_percent_of_the_closed_form() -> None:
    assert_within(ONE, 1_500_000, 0.02)


@pytest.mark.gate
@pytest.mark.parametrize("readers", [1, 2, 5])
@pytest.mark.parametrize("per_hour", [6.0, 9.0, 11.0])
@pytest.mark.parametrize("prevalence", [0.02, 0.2])
def test_loads_of_every_kind_are_within_two_percent(
    readers: int, per_hour: float, prevalence: float
) -> None:
    load = Load(
        per_hour=per_hour * readers,
        reading_min=4,
        readers=readers,
        prevalence=prevalence,
        sensitivity=0.8,
        specificity=0.9,
    )
    found = simulate(load, studies=6_000_000, seed=2)
    plain, positives, _, negatives = expected(load)
    assert found.plain.mean == pytest.approx(plain, rel=0.02)
    assert found.positives.mean == pytest.approx(positives, rel=0.02)
    assert found.negatives.mean == pytest.approx(negatives, rel=0.02)


def test_the_flagged_come_first_and_nobody_is_interrupted() -> None:
    # The first is being read when the others come; the flagged one overtakes one of them.
    found = waits([0, 1, 2], [10, 10, 10], [False, False, True], readers=1)
    assert found.tolist() == [0, 19, 8]
    assert waits([0, 1, 2], [10, 10, 10], [False] * 3, readers=1).tolist() == [0, 9, 18]
    assert waits([0, 1, 2], [10, 10, 10], [False] * 3, readers=2).tolist() == [0, 0, 8]


def test_a_flag_that_comes_late_helps_from_then_on() -> None:
    lengths = [10, 10, 10, 10]
    flags = [False, False, False, True]
    # Known at minute 9: before the second is begun.
    assert waits([0, 1, 2, 3], lengths, flags, readers=1, late_min=6).tolist() == [0, 19, 28, 7]
    # Known at minute 15: the second is being read.
    assert waits([0, 1, 2, 3], lengths, flags, readers=1, late_min=12).tolist() == [0, 9, 28, 17]
    # Known when it is read already.
    assert waits([0, 1, 2, 3], lengths, flags, readers=1, late_min=90).tolist() == [0, 9, 18, 27]


def test_a_pause_ends_with_the_next_study() -> None:
    assert waits([0, 100, 101], [5, 5, 5], [False] * 3, readers=1).tolist() == [0, 0, 4]


def test_a_model_that_flags_nothing_changes_nothing() -> None:
    load = Load(per_hour=9, reading_min=4, readers=1, prevalence=0.1, sensitivity=0, specificity=1)
    found = simulate(load, studies=20_000)
    assert found.flagged == 0
    together = (found.positives, found.negatives)
    assert np.average(
        [each.mean for each in together], weights=[each.studies for each in together]
    ) == pytest.approx(found.plain.mean)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    plain, *_ = closed_form(ONE)
    held = 0
    for seed in range(40):
        found = simulate(ONE, studies=20_000, seed=seed).plain
        held += found.low <= plain <= found.high
    assert held >= 34


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"per_hour": 15.0}, "busy 100% of their time"),
        ({"sensitivity": 1.2}, "sensitivity is 1.2"),
        ({"readers": 0}, "not above 0"),
    ],
)
def test_what_cannot_be_read_is_refused(wrong: dict[str, float], said: str) -> None:
    known = {name: getattr(ONE, name) for name in ONE.__slots__}
    with pytest.raises(BadSettings, match=said):
        simulate(Load(**(known | wrong)))
