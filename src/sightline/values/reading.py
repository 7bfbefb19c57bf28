"""What one author said of one series, beside what others said of it."""

import dataclasses
from typing import Literal, TypeAlias

from sightline.values.identity import HubSeriesUid, LineageId, SubjectId

ConsensusMethod: TypeAlias = Literal["majority", "staple"]
METHODS: tuple[ConsensusMethod, ...] = ("majority", "staple")

ReadingState: TypeAlias = Literal["current", "earlier", "superseded", "withdrawn"]

_CONSENSUS = "consensus:"


def consensus_author(method: ConsensusMethod) -> str:
    """Return the author of a consensus, such as `consensus:majority`."""
    return f"{_CONSENSUS}{method}"


def is_consensus(author: str) -> bool:
    """Tell whether an author stands for several, and not for a person."""
    return author.startswith(_CONSENSUS)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One annotation of a series; its mask may be empty: the author looked and marked nothing.

    Attributes:
        author: pseudonym of a reader, or `consensus:majority`.
        mask_digest: array of the hub, on the grid of the series.
        state: `earlier` where the author has a newer one of the same classes; `withdrawn` where
            it, or one that it was made of, was.
        superseded_by: the annotation that a person set in its place.
        reason: why that was done.
    """

    annotation_id: LineageId
    series_uid: HubSeriesUid
    subject_id: SubjectId
    author: str
    classes: tuple[str, ...]
    mask_digest: str
    created_at: str
    state: ReadingState = "current"
    superseded_by: LineageId | None = None
    reason: str = ""
