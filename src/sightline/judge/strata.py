"""Who is served worse: the first metric by scanner, kernel, site, sex, age and size of lesion."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from sightline.judge.metrics import Metric, figure_of, statistic_of
from sightline.judge.resampling import Values, Weights, figure_by_subjects
from sightline.values.evaluation import ALL_CLASSES, ScoredExample, Stratum

FEWEST = 5
"""Of fewer subjects a stratum is shown, but not called the worst."""

UNKNOWN = "not recorded"
_AGES = ((18, "under 18"), (40, "18 to 39"), (65, "40 to 64"))
_OLDEST = "65 and over"
_BANDS = ("under", "none", "small", "medium", "large")
_SEXES = {"F": "female", "M": "male", "O": "other"}


def strata_of(metric: Metric, examples: Sequence[ScoredExample]) -> tuple[Stratum, ...]:
    """Return every stratum of every fact that divides the examples."""
    found: list[Stratum] = []
    for fact, value_of in _facts(examples).items():
        groups: dict[str, list[int]] = defaultdict(list)
        for place, example in enumerate(examples):
            groups[value_of(example)].append(place)
        if len(groups) > 1:
            found += [
                _stratum(metric, examples, groups[value], fact=fact, value=value)
                for value in sorted(groups, key=_order)
            ]
    return tuple(found)


def worst_of(strata: Sequence[Stratum], *, is_more_better: bool) -> Stratum | None:
    """Return the stratum with the worst figure, of those of enough subjects; None without any."""
    known = [
        each
        for each in strata
        if each.figure.value is not None
        and each.figure.subjects >= FEWEST
        and each.value != UNKNOWN
    ]
    sign = 1 if is_more_better else -1
    return min(known, key=lambda each: sign * (each.figure.value or 0.0), default=None)


def is_clear(gap: Stratum) -> bool:
    """Tell whether the interval of a stratum's difference to the rest leaves zero out."""
    low, high = gap.gap.low, gap.gap.high
    return low is not None and high is not None and (low > 0 or high < 0)


def _stratum(
    metric: Metric, examples: Sequence[ScoredExample], places: list[int], *, fact: str, value: str
) -> Stratum:
    is_in = np.zeros(len(examples), bool)
    is_in[places] = True
    inside = [example for example, chosen in zip(examples, is_in, strict=True) if chosen]
    outside = [example for example, chosen in zip(examples, is_in, strict=True) if not chosen]
    of_these = statistic_of(metric, inside, ALL_CLASSES)
    of_others = statistic_of(metric, outside, ALL_CLASSES)

    def gap(weights: Weights) -> Values:
        return of_these(weights[:, is_in]) - of_others(weights[:, ~is_in])

    return Stratum(
        fact=fact,
        value=value,
        figure=figure_of(metric, inside),
        gap=figure_by_subjects(gap, [example.subject_id for example in examples]),
    )


def _order(value: str) -> tuple[int, str]:
    """Put bands by size, all else by name, and the unknown last."""
    first_word = value.partition(" ")[0].rstrip(",")
    if value == UNKNOWN:
        return 9, value
    return (_BANDS.index(first_word) if first_word in _BANDS else len(_BANDS)), value


def _facts(examples: Sequence[ScoredExample]) -> dict[str, Callable[[ScoredExample], str]]:
    bounds = _thirds([each.lesion_ml for each in examples if each.lesion_ml])
    return {
        "manufacturer": lambda example: example.facts.manufacturer or UNKNOWN,
        "scanner": lambda example: example.facts.scanner if example.facts.model else UNKNOWN,
        "kernel": lambda example: example.facts.kernel or UNKNOWN,
        "site": lambda example: example.facts.site or UNKNOWN,
        "sex": lambda example: _SEXES.get(example.facts.sex, UNKNOWN),
        "age": lambda example: _age(example.facts.age_years),
        "lesion size": lambda example: _size(example.lesion_ml, bounds),
    }


def _age(years: float | None) -> str:
    if years is None:
        return UNKNOWN
    return next((name for end, name in _AGES if years < end), _OLDEST)


def _thirds(volumes_ml: list[float]) -> tuple[float, float] | None:
    if len(volumes_ml) < 3 * FEWEST:
        return None
    low, high = np.quantile(volumes_ml, (1 / 3, 2 / 3))
    return float(low), float(high)


def _size(volume_ml: float | None, bounds: tuple[float, float] | None) -> str:
    if volume_ml is None or bounds is None:
        return UNKNOWN
    if volume_ml == 0:
        return "none"
    if volume_ml <= bounds[0]:
        return f"small, up to {bounds[0]:.3g} ml"
    if volume_ml <= bounds[1]:
        return f"medium, up to {bounds[1]:.3g} ml"
    return f"large, above {bounds[1]:.3g} ml"
