"""Whether a series looks like those that a model learnt from, and in which way it does not.

A look is a group of numbers; its distance is the root mean square of their deviations from what
the model learnt from, in spreads. Each of those series has a distance from all the others, as in a
jackknife of conformal prediction (Barber et al. 2021, doi:10.1214/20-AOS1965); what lies beyond
nineteen in twenty of these by a third is unlike them. A limit at the largest of them missed half of
the chests that were turned: one odd series among those that it learnt from was enough.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sightline.values.likeness import Familiar, Likeness, Look, Norm

FEWEST = 5
"""Of fewer series nothing can be said."""

_MOST, _MARGIN = 0.95, 1.35
_LEAST_LIMIT = 1.0
# Of the spread of all traits of a look: what hardly varies is not measured more finely than that.
_LEAST_SHARE = 0.1
_LEAST_SPREAD: dict[Look, float] = {"values": 0.01, "texture": 0.05, "size": 0.05, "layout": 0.01}
_METAL_MARGIN, _LEAST_METAL = 2.0, 2e-4

_WORDS: dict[Look, str] = {
    "values": "its brightness is",
    "texture": "its noise and sharpness are",
    "size": "its size or spacing is",
    "layout": "what lies where in it is",
}


def familiar_with(seen: Sequence[Likeness]) -> Familiar | None:
    """Return what a model that learnt from some series is familiar with; None of too few."""
    if len(seen) < FEWEST:
        return None
    norms = {look: _norm(look, [each.traits[look] for each in seen]) for look in _WORDS}
    return Familiar(
        norms=norms,
        series=len(seen),
        metal=max(each.metal for each in seen),
        scanners=tuple(sorted({each.scanner for each in seen} - {""})),
    )


def cautions_of(familiar: Familiar, likeness: Likeness) -> tuple[str, ...]:
    """Say in which way a series is unlike what a model learnt from; nothing where it is not."""
    found = []
    for look, words in _WORDS.items():
        norm = familiar.norms[look]
        distance = distance_of(norm, likeness.traits[look])
        if distance > norm.limit:
            found.append(
                f"{words} unlike the {familiar.series} series that the model learnt from "
                f"({distance:.1f} spreads from their mean, at most {norm.limit:.1f} is usual)"
            )
    if likeness.metal > max(_METAL_MARGIN * familiar.metal, _LEAST_METAL):
        found.append(
            f"{likeness.metal:.2%} of it is as dense as metal, and at most {familiar.metal:.2%} of "
            "what the model learnt from"
        )
    if familiar.scanners and likeness.scanner and likeness.scanner not in familiar.scanners:
        found.append(f"the model learnt from no images of the scanner {likeness.scanner}")
    return tuple(found)


def distance_of(norm: Norm, traits: Sequence[float] | npt.NDArray[np.float64]) -> float:
    """Return how far a look lies from the mean, in spreads."""
    deviations = (np.asarray(traits) - np.array(norm.mean)) / np.array(norm.spread)
    return float(np.sqrt((deviations**2).mean()))


def _norm(look: Look, seen: Sequence[Sequence[float]]) -> Norm:
    """Describe one look of some series."""
    traits = np.array(seen)
    alone = []
    for number, own in enumerate(traits):
        mean, spread = _middle(look, np.delete(traits, number, axis=0))
        alone.append(distance_of(Norm(mean=mean, spread=spread, limit=0.0), own))
    mean, spread = _middle(look, traits)
    limit = _MARGIN * max(float(np.quantile(alone, _MOST)), _LEAST_LIMIT)
    return Norm(mean=mean, spread=spread, limit=limit)


def _middle(
    look: Look, traits: npt.NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and spread of each column of (series, traits)."""
    spread = traits.std(axis=0)
    least = max(_LEAST_SHARE * float(np.sqrt((spread**2).mean())), _LEAST_SPREAD[look])
    return tuple(map(float, traits.mean(axis=0))), tuple(map(float, np.maximum(spread, least)))
