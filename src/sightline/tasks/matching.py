"""Found places against true ones: which is hit by which, as LUNA16 counts."""

from collections.abc import Sequence

import numpy as np

from sightline.values.evaluation import Candidate, CandidateNumbers
from sightline.values.statement import Place

# A point has no extent; a reader's click is that near.
_LEAST_REACH_MM = 5.0


def match(name: str, found: Sequence[Place], true: Sequence[Place]) -> CandidateNumbers:
    """Tell which true place each found one hits: its centre lies within that one's radius.

    The nearest counts where there are several (10.1016/j.media.2017.06.015). A second hit of one
    lesion is neither a hit nor a false alarm; who counts sees that by its number.

    Args:
        name: of the class of all places.
        found: by a model.
        true: by a reader.
    """
    candidates = []
    for place in sorted(found, key=lambda each: -each.score):
        ways = [_distance(place, other) for other in true]
        near = [n for n, other in enumerate(true) if ways[n] <= _reach_mm(other)]
        lesion = min(near, key=ways.__getitem__) if near else None
        candidates.append(Candidate(score=place.score, lesion=lesion))
    return CandidateNumbers(class_name=name, candidates=tuple(candidates), lesions=len(true))


def _distance(one: Place, other: Place) -> float:
    return float(np.linalg.norm(np.subtract(one.centre_mm, other.centre_mm)))


def _reach_mm(place: Place) -> float:
    return max(max(place.size_mm) / 2, _LEAST_REACH_MM)
