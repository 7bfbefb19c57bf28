"""One model applied to one series: of a patient, to be published, or of a collection."""

import dataclasses
from typing import Any, Literal, Self, TypeAlias

from sightline.values.collection import Split
from sightline.values.finding import Finding
from sightline.values.identity import HubSeriesUid, LineageId, SeriesUid, StudyUid, SubjectId

PredictionState: TypeAlias = Literal["started", "published", "kept", "failed"]
"""What became of it; a model in shadow publishes nothing, and what it says is kept."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """How a prediction was made: with its model's weights, all it takes to make it again.

    Attributes:
        inputs: digests of the instances that were read, in that order.
        back_end: name of what ran the network.
        machine: where it ran, with the number of threads.
        software: name and version of all that had a part in it.
        seconds: how long each step took.
        patients: rows of the archive: whom the objects name, and whom the images name; empty where
            nobody looked.
        familiar: object of the hub: what the series was held against; empty where nothing was.
    """

    inputs: tuple[str, ...]
    back_end: str
    machine: str
    software: dict[str, str]
    seconds: dict[str, float]
    patients: tuple[int, ...] = ()
    familiar: str = ""

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `dataclasses.asdict` made of it and JSON kept."""
        inputs, patients = tuple(content["inputs"]), tuple(content.get("patients", ()))
        return cls(**(content | {"inputs": inputs, "patients": patients}))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One model applied to one series; its objects' UIDs follow from `lineage_id`.

    Attributes:
        series_digest: of the instances predicted on, so that a changed series is done again.
        model_version: `NAME@N`.
        created_at: ISO 8601 in UTC; recorded once, so that a repeat writes the same bytes.
        problem: why it failed; empty otherwise.
        picture_digest: object of the archive: a PNG for the study page; empty until published.
        making: how it was made; None until published, and for those of earlier versions.
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
    making: Making | None = None
    finished_at: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What the live version of a model said of the same series.

    Attributes:
        lineage_id: of its prediction.
        model_id: of the version that was live then.
        dice: overlap of both masks, mean of the classes that either drew; None where neither drew.
        is_same_priority: whether both give the study the same priority.
    """

    lineage_id: LineageId
    model_id: LineageId
    dice: float | None
    is_same_priority: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ShadowPrediction:
    """A model in shadow applied to one series: kept, and shown and sent to nobody.

    Attributes:
        prediction: without picture.
        seg_digest: object of the archive: the SEG; empty where nothing is drawn.
        beside: None where no live version published on the same instances.
    """

    prediction: Prediction
    seg_digest: str = ""
    beside: Beside | None = None


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
