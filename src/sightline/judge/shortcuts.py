"""Whether a model may look at the wrong thing: at the scanner, at the surroundings, at the frame.

(DeGrave et al., 2021, doi 10.1038/s42256-021-00338-7, show how often it does.) None of the tests
proves a shortcut or its absence; each is a reason to look.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sightline.judge.metrics import numbers_by_class
from sightline.judge.ordinal import ranks_of
from sightline.judge.resampling import ratio
from sightline.judge.strata import FEWEST
from sightline.values.evaluation import (
    AmountNumbers,
    CandidateNumbers,
    MaskNumbers,
    Numbers,
    PictureNumbers,
    ProbabilityNumbers,
    ProbeFigure,
    ScannerTest,
    ScoredExample,
    ShortcutCheck,
)

_PERMUTATIONS = 2000
_SEED = 20_240_503
_P = 0.05
_LEAST_AUROC = 0.1
_LEAST_KEPT = 0.25
_CHANCE_MARGIN = 0.02

_Scores = npt.NDArray[np.float64]


def check_shortcuts(
    examples: Sequence[ScoredExample], probes: Sequence[ProbeFigure] = ()
) -> ShortcutCheck:
    """Put the tests together and say what they mean, in words with figures.

    Args:
        examples: of the model to the images as they are.
        probes: what it says of images from which something was taken away.
    """
    tests = scanner_tests(examples)
    scanners = _scanner_words(tests)
    of_probes = [_probe_words(each) for each in probes]
    findings = [*scanners, *(words for words, is_suspect in of_probes if is_suspect)]
    calm = [words for words, is_suspect in of_probes if not is_suspect]
    if not scanners:
        calm.insert(0, _calm_words(examples, tests))
    if findings:
        verdict = "A shortcut is likely. " if len(findings) > 1 else "A shortcut is possible. "
    else:
        verdict = "No shortcut was found. " if probes or tests else "Nothing could be tested. "
    return ShortcutCheck(
        scanners=tests,
        probes=tuple(probes),
        is_suspect=bool(findings),
        words=verdict + " ".join([*findings, *calm]),
    )


def scanner_tests(examples: Sequence[ScoredExample]) -> tuple[ScannerTest, ...]:
    """Test each scanner of enough subjects against all others, class by class."""
    scanners = np.array([example.facts.scanner for example in examples], dtype=str)
    subjects = np.array([example.subject_id for example in examples], dtype=str)
    found = []
    for class_name, numbers in numbers_by_class(examples).items():
        scores, truths = _said(numbers)
        for scanner in sorted(set(scanners.tolist()) - {""}):
            of_it = set(subjects[scanners == scanner].tolist())
            others = set(subjects[(scanners != scanner) & (scanners != "")].tolist())
            if min(len(of_it), len(others)) >= FEWEST:
                is_known = scanners != ""
                separation, p = separation_of(
                    scores[is_known],
                    scanners[is_known] == scanner,
                    truths=truths[is_known],
                    subjects=subjects[is_known],
                )
                test = ScannerTest(
                    class_name=class_name,
                    scanner=scanner,
                    auroc=separation,
                    p=p,
                    subjects=len(of_it),
                )
                found.append(test)
    return tuple(found)


def separation_of(
    scores: _Scores,
    members: npt.NDArray[np.bool_],
    *,
    truths: npt.NDArray[np.float64],
    subjects: npt.NDArray[np.str_],
) -> tuple[float, float]:
    """Tell how well scores separate members from others among examples of one truth.

    Returns:
        AUROC, the mean over truths weighed by pairs, and the chance of so much when members are
        drawn anew among the subjects of one truth.
    """
    random = np.random.Generator(np.random.Philox(key=[_SEED, 0]))
    won = pairs = np.zeros(1 + _PERMUTATIONS)
    for value in np.unique(truths):
        chosen = truths == value
        drawn = _redrawn(members[chosen], subjects[chosen], random)
        inside = drawn.sum(axis=1)
        # Of all pairs of a member and another, so many has the member won (Mann-Whitney).
        won = won + drawn @ ranks_of(scores[chosen]) - inside * (inside + 1) / 2
        pairs = pairs + inside * (chosen.sum() - inside)
    separations = ratio(won, pairs)
    observed = float(separations[0])
    if np.isnan(observed):
        return 0.5, 1.0
    as_much = (np.abs(separations - 0.5) >= abs(observed - 0.5) - 1e-12).sum()
    return observed, float(as_much / (1 + _PERMUTATIONS))


def _redrawn(
    members: npt.NDArray[np.bool_], subjects: npt.NDArray[np.str_], random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return members, then permutations of who is one among the subjects; (1 + many, examples)."""
    _, first, place = np.unique(subjects, return_index=True, return_inverse=True)
    of_subjects = np.tile(members[first], (1 + _PERMUTATIONS, 1))
    of_subjects[1:] = random.permuted(of_subjects[1:], axis=1)
    drawn = of_subjects[:, place].astype(np.float64)
    drawn[0] = members
    return drawn


def _said(numbers: Sequence[Numbers]) -> tuple[_Scores, npt.NDArray[np.float64]]:
    """Return what the model says of each example, and the truth that is held equal."""
    said = [_said_of(each) for each in numbers]
    scores, truths = zip(*said, strict=True)
    return np.array(scores, dtype=np.float64), np.array(truths, dtype=np.float64)


def _said_of(numbers: Numbers) -> tuple[float, float]:
    match numbers:
        case ProbabilityNumbers():
            return numbers.score, float(numbers.truth)
        case MaskNumbers():
            return numbers.answer_ml - numbers.truth_ml, 0.0
        case AmountNumbers():
            return numbers.answer - numbers.truth, 0.0
        case CandidateNumbers():
            surest = max((each.score for each in numbers.candidates), default=0.0)
            return surest, float(numbers.lesions > 0)
        case PictureNumbers():
            return numbers.psnr_db, 0.0


def _scanner_words(tests: Sequence[ScannerTest]) -> list[str]:
    # Of many tests one is bound to find something; the bound is shared among them (Bonferroni).
    suspect = [
        each for each in tests if each.p * len(tests) < _P and abs(each.auroc - 0.5) >= _LEAST_AUROC
    ]
    return [
        f"The scanner {each.scanner} can be read off what is said of {_plain(each.class_name)}: "
        f"AUROC {each.auroc:.2f} among examples of one truth (p = {each.p:.4f})."
        for each in suspect
    ]


def _calm_words(examples: Sequence[ScoredExample], tests: Sequence[ScannerTest]) -> str:
    if not tests:
        scanners = {example.facts.scanner for example in examples} - {""}
        if len(scanners) == 1:
            return f"All examples come from one scanner ({scanners.pop()}): its part is not tested."
        return f"No two scanners have {FEWEST} subjects each: their part is not tested."
    most = max(tests, key=lambda each: abs(each.auroc - 0.5))
    return (
        "No scanner can be read off what is said: the most separated, "
        f"{most.scanner}, reaches AUROC {most.auroc:.2f} (p = {most.p:.2f})."
    )


def _probe_words(probe: ProbeFigure) -> tuple[str, bool]:
    found, whole = probe.figure, probe.whole
    if found.value is None or whole.value is None or whole.value <= probe.chance:
        return f"With {probe.probe}, nothing could be scored.", False
    kept = (found.value - probe.chance) / (whole.value - probe.chance)
    surely = found.low if found.low is not None else found.value
    is_suspect = kept >= _LEAST_KEPT and surely > probe.chance + _CHANCE_MARGIN
    interval = f" ({found.low:.2f} to {found.high:.2f})" if found.low is not None else ""
    words = (
        f"With {probe.probe}, {probe.metric} {'stays' if is_suspect else 'falls to'} "
        f"{found.value:.2f}{interval} of {whole.value:.2f}"
    )
    if is_suspect:
        return f"{words}: the answer rests on something else, too.", True
    return f"{words}, where {probe.chance:g} is chance.", False


def _plain(class_name: str) -> str:
    return class_name.replace("_", " ")
