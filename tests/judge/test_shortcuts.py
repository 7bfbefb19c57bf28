"""The shortcut check finds what was planted, and nothing where nothing is."""

import numpy as np
import pytest

from sightline.judge.metrics import figure_of, metrics_of
from sightline.judge.shortcuts import check_shortcuts, scanner_tests
from sightline.values.evaluation import Facts, ProbeFigure, ScoredExample
from tests.judge.examples import masks, scores, separated

AUROC = metrics_of("classify")[0]


def two_scanners(count: int) -> list[Facts]:
    """Most of the ill were seen by Beta, so that the scanner is worth reading."""
    return [
        Facts(manufacturer="Alpha" if place % 3 else "Beta", model="X") for place in range(count)
    ]


def honest(seed: int = 0, count: int = 90) -> list[ScoredExample]:
    said, truths = separated(seed, count)
    return scores(said, truths, facts=two_scanners(count))


def reads_the_scanner(count: int = 90) -> list[ScoredExample]:
    said, truths = separated(0, count)
    facts = two_scanners(count)
    is_beta = np.array([each.manufacturer == "Beta" for each in facts])
    return scores(np.clip(said + 0.3 * is_beta, 0, 1), truths, facts=facts)


def probe(left: list[ScoredExample], whole: list[ScoredExample]) -> ProbeFigure:
    return ProbeFigure(
        probe="the lungs hidden",
        metric="AUROC",
        figure=figure_of(AUROC, left),
        whole=figure_of(AUROC, whole),
        chance=0.5,
    )


def test_a_score_that_knows_the_scanner_is_found_out() -> None:
    found = check_shortcuts(reads_the_scanner())
    assert found.is_suspect
    assert "shortcut is likely" in found.words
    assert "Beta X can be read off what is said of tuberculosis" in found.words
    beta = next(each for each in found.scanners if each.scanner == "Beta X")
    assert beta.auroc > 0.75
    assert beta.p < 0.01
    assert beta.subjects == 30


@pytest.mark.parametrize("seed", range(3))
def test_an_honest_score_is_not(seed: int) -> None:
    found = check_shortcuts(honest(seed))
    assert not found.is_suspect
    assert "No scanner can be read off" in found.words


def test_more_of_the_ill_on_one_scanner_is_no_shortcut() -> None:
    said, truths = separated(4, 120, gap=2)
    random = np.random.default_rng(4)
    facts = [
        Facts(manufacturer="Beta" if random.random() < (0.8 if ill else 0.2) else "Alpha")
        for ill in truths
    ]
    assert not check_shortcuts(scores(said, truths, facts=facts)).is_suspect


def test_many_images_of_few_patients_prove_nothing() -> None:
    said, truths = separated(0, 10)
    facts = [Facts(manufacturer="Alpha" if place < 5 else "Beta") for place in range(10)]
    said = said + np.where(np.arange(10) < 5, 0.0, 0.2)
    said, truths = np.repeat(said, 30).clip(0, 1), np.repeat(truths, 30)
    found = scores(
        said,
        truths,
        facts=[each for each in facts for _ in range(30)],
        subjects=[f"S-{place // 30}" for place in range(300)],
    )
    assert min(each.p for each in scanner_tests(found)) > 0.01


def test_masks_are_tested_by_what_is_drawn_beyond_the_truth() -> None:
    facts = two_scanners(60)
    found = masks([0.8] * 60, facts=facts)
    assert not check_shortcuts(found).is_suspect


def test_hiding_the_anatomy_must_cost_the_score() -> None:
    whole = honest()
    said, truths = separated(9, 90, gap=0.9)
    kept = check_shortcuts(whole, [probe(scores(said, truths), whole)])
    assert kept.is_suspect
    assert "With the lungs hidden, AUROC stays" in kept.words
    assert "rests on something else" in kept.words
    blind = scores(np.random.default_rng(5).random(90), truths)
    lost = check_shortcuts(whole, [probe(blind, whole)])
    assert not lost.is_suspect
    assert "where 0.5 is chance" in lost.words


def test_one_scanner_alone_is_said_to_be_untested() -> None:
    said, truths = separated(0, 40)
    one = scores(said, truths, facts=[Facts(manufacturer="Alpha", model="X")] * 40)
    found = check_shortcuts(one)
    assert (found.scanners, found.is_suspect) == ((), False)
    assert found.words.startswith("Nothing could be tested. All examples come from one scanner")
