"""One model applied to one series: of a patient, to be published, or of a collection."""

import dataclasses
from typing import Literal, TypeAlias

from sightline.values.collection import Split
from sightline.values.finding import Finding
from sightline.values.identity import HubSeriesUid, LineageId, SeriesUid, StudyUid, SubjectId

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


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HubPrediction:
    """One model applied to one series of a collection version, kept in the hub.

    Attributes:
        model: `NAME@N`.
        collection: `NAME@N`.
        volume_digest: the array it was applied to.
        mask_digest: the array of what it drew; None where it draws nothing.
        created_at: ISO 8601 in UTC.
    """

    lineage_id: LineageId
    model_id: LineageId
    model: str
    collection: str
    series_uid: HubSeriesUid
    subject_id: SubjectId
    split: Split
    volume_digest: str
    mask_digest: str | None
    finding: Finding
    created_at: str
