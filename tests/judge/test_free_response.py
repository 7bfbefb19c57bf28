"""Free-response curves, against a plain loop over thresholds."""

import numpy as np
import pytest

from sightline.judge.free_response import (
    RATES,
    competition_metric,
    froc_points,
    sensitivity_at_rate,
)
from sightline.values.evaluation import CandidateNumbers
from tests.judge.examples import marks


def plain_sensitivity(found: list[CandidateNumbers], rate: float) -> float:
    """Look at every threshold, and at none."""
    scores = {each.score for numbers in found for each in numbers.candidates}
    best = 0.0
    for threshold in scores:
        hits, false = 0, 0
        for numbers in found:
            kept = [each for each in numbers.candidates if each.score >= threshold]
            hits += len({each.lesion for each in kept if each.lesion is not None})
            false += sum(each.lesion is None for each in kept)
        if false / len(found) <= rate:
            best = max(best, hits / sum(numbers.lesions for numbers in found))
    return best


def made_up(seed: int, examples: int = 30) -> list[CandidateNumbers]:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(examples):
        lesions = int(random.integers(0, 4))
        hits = [
            (round(random.random(), 1), int(random.integers(lesions)))
            for _ in range(lesions + 1)
            if lesions
        ]
        false = [(round(random.random() * 0.8, 1), None) for _ in range(random.integers(6))]
        found.append((lesions, [*hits, *false]))
    return marks(*found)


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_a_plain_loop(seed: int) -> None:
    found = made_up(seed)
    once = np.ones((1, len(found)))
    expected = [plain_sensitivity(found, rate) for rate in RATES]
    for rate, each in zip(RATES, expected, strict=True):
        assert sensitivity_at_rate(found, rate)(once)[0] == pytest.approx(each)
    assert competition_metric(found)(once)[0] == pytest.approx(np.mean(expected))


def test_an_example_drawn_twice_counts_twice() -> None:
    found = made_up(5, examples=6)
    twice = [*found, found[2]]
    weights = np.ones((1, 6))
    weights[0, 2] = 2
    assert competition_metric(found)(weights)[0] == pytest.approx(
        competition_metric(twice)(np.ones((1, 7)))[0]
    )


def test_a_curve_by_hand() -> None:
    found = marks((2, [(0.9, 0), (0.8, 0), (0.5, None), (0.4, 1)]), (0, [(0.6, None)]))
    false, sensitivity = froc_points(found)
    assert sensitivity == (0.0, 0.5, 0.5, 0.5, 0.5, 1.0)
    assert false == (0.0, 0.0, 0.0, 0.5, 1.0, 1.0)


def test_without_lesions_or_candidates() -> None:
    once = np.ones((1, 1))
    assert np.isnan(competition_metric(marks((0, [(0.5, None)])))(once)[0])
    assert froc_points(marks((0, []))) == ((), ())
    assert competition_metric(marks((2, [])))(once)[0] == 0.0
