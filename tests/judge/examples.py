"""Numbers of made-up examples, as a model might have reached them."""

from collections.abc import Sequence

import numpy as np

from sightline.values.evaluation import (
    Candidate,
    CandidateNumbers,
    Facts,
    MaskNumbers,
    ProbabilityNumbers,
    ScoredExample,
)


def masks(
    dice: Sequence[float | None],
    *,
    subjects: Sequence[str] | None = None,
    facts: Sequence[Facts] | None = None,
    class_name: str = "lesion",
) -> list[ScoredExample]:
    """One example a Dice."""
    return [
        ScoredExample(
            subject_id=subjects[place] if subjects else f"S-{place:010d}",
            series_uid=f"2.25.{place}",
            numbers=(
                MaskNumbers(
                    class_name=class_name, dice=value, truth_ml=1 + place, answer_ml=2 + place
                ),
            ),
            facts=facts[place] if facts else Facts(),
            lesion_ml=1.0 + place,
        )
        for place, value in enumerate(dice)
    ]


def scores(
    said: Sequence[float] | np.ndarray,
    truths: Sequence[bool] | np.ndarray,
    *,
    subjects: Sequence[str] | None = None,
    facts: Sequence[Facts] | None = None,
) -> list[ScoredExample]:
    """One example a probability."""
    return [
        ScoredExample(
            subject_id=subjects[place] if subjects else f"S-{place:010d}",
            series_uid=f"2.25.{place}",
            numbers=(
                ProbabilityNumbers(
                    class_name="tuberculosis", score=float(score), truth=bool(truth)
                ),
            ),
            facts=facts[place] if facts else Facts(),
        )
        for place, (score, truth) in enumerate(zip(said, truths, strict=True))
    ]


def marks(*found: tuple[int, Sequence[tuple[float, int | None]]]) -> list[CandidateNumbers]:
    """One example each: how many lesions there are, and (score, lesion) of each candidate."""
    return [
        CandidateNumbers(
            class_name="nodule",
            candidates=tuple(Candidate(score=score, lesion=lesion) for score, lesion in each),
            lesions=lesions,
        )
        for lesions, each in found
    ]


def separated(seed: int, count: int, *, gap: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that tell two classes apart, more or less, with ties."""
    random = np.random.default_rng(seed)
    truths = random.random(count) < 0.4
    said = 1 / (1 + np.exp(-(random.normal(0, 1, count) + gap * (truths - 0.5) * 2)))
    return said.round(2), truths
