"""Intervals over subjects."""

import numpy as np
import pytest

from sightline.judge import resampling
from sightline.judge.resampling import figure_by_subjects, mean_of_statistics, subject_means


def test_an_interval_agrees_with_the_normal_theory() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 200)
    subjects = [f"S-{number}" for number in range(200)]
    found = figure_by_subjects(subject_means(values, subjects), subjects)
    assert found.value == pytest.approx(float(values.mean()))
    half = 1.96 * values.std() / np.sqrt(200)
    assert found.low == pytest.approx(float(values.mean()) - half, abs=0.003)
    assert found.high == pytest.approx(float(values.mean()) + half, abs=0.003)


@pytest.mark.parametrize("count", [8, 40])
def test_an_interval_covers_the_truth_as_often_as_it_says(count: int) -> None:
    random = np.random.default_rng(1)
    subjects = [f"S-{number}" for number in range(count)]
    covered = 0
    for _ in range(200):
        values = random.normal(0.5, 0.2, count)
        found = figure_by_subjects(subject_means(values, subjects), subjects, replicates=500)
        covered += found.low < 0.5 < found.high
    # Plain percentiles of eight cover 87 %.
    assert 0.915 <= covered / 200 <= 0.985


def test_ten_examples_of_one_subject_are_no_ten_subjects() -> None:
    random = np.random.default_rng(2)
    of_subject = np.repeat(random.normal(0.7, 0.1, 20), 10)
    named = [f"S-{number // 10}" for number in range(200)]
    alone = [f"S-{number}" for number in range(200)]
    clustered = figure_by_subjects(subject_means(of_subject, named), named)
    wrong = figure_by_subjects(subject_means(of_subject, alone), alone)
    assert clustered.subjects == 20
    assert clustered.value == pytest.approx(wrong.value)
    # The root of ten is 3.2.
    assert (clustered.high - clustered.low) / (wrong.high - wrong.low) == pytest.approx(
        3.2, rel=0.2
    )


def test_a_subject_counts_once_however_many_examples_it_brings() -> None:
    values, subjects = np.array([1.0, 1.0, 1.0, 0.0]), ["a", "a", "a", "b"]
    assert figure_by_subjects(subject_means(values, subjects), subjects).value == 0.5


def test_what_could_not_be_scored_is_left_out() -> None:
    nan = float("nan")
    subjects = ["a", "b", "c", "d"]
    table = np.array([[0.5, nan], [0.7, nan], [nan, nan], [nan, 0.2]])
    statistic = mean_of_statistics([subject_means(column, subjects) for column in table.T])
    scored = ~np.isnan(table).all(axis=1)
    found = figure_by_subjects(statistic, subjects, scored=scored)
    assert found.value == pytest.approx((0.6 + 0.2) / 2)
    assert found.subjects == 3
    nothing = figure_by_subjects(
        subject_means(np.full(4, nan), subjects), subjects, scored=np.zeros(4, bool)
    )
    assert (nothing.value, nothing.low, nothing.subjects) == (None, None, 0)


def test_one_subject_has_no_interval() -> None:
    found = figure_by_subjects(subject_means(np.array([0.5, 0.7]), ["a", "a"]), ["a", "a"])
    assert (found.value, found.low, found.high, found.subjects) == (0.6, None, None, 1)


def test_it_is_the_same_every_time_and_in_any_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random(30)
    subjects = [f"S-{number % 12}" for number in range(30)]
    first = figure_by_subjects(subject_means(values, subjects), subjects)
    assert figure_by_subjects(subject_means(values, subjects), subjects) == first
    monkeypatch.setattr(resampling, "_CHUNK_VALUES", 30 * 7)
    assert figure_by_subjects(subject_means(values, subjects), subjects) == first
