"""One model applied to one series."""

import dataclasses
from typing import Literal, TypeAlias

from sightline.values.finding import Finding
from sightline.values.identity import LineageId, SeriesUid, StudyUid

PredictionState: TypeAlias = Literal["started", "published", "failed"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One model applied to one series; its objects' UIDs follow from `lineage_id`.

    Attributes:
        series_digest: of the instances predicted on, so that a changed series is done again.
        model_version: `NAME@N`.
        created_at: ISO 8601 in UTC; recorded once, so that a repeat writes the same bytes.
        problem: why it failed; empty otherwise.
        picture_digest: object of the archive: a PNG for the study page; empty until published.
    """

    lineage_id: LineageId
    study_uid: StudyUid
    series_uid: SeriesUid
    series_digest: str
    model_id: LineageId
    model_version: str
    created_at: str
    state: PredictionState = "started"
    problem: str = ""
    finding: Finding | None = None
    picture_digest: str = ""
    finished_at: float | None = None
