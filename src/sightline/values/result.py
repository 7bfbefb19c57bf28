"""What every object we publish says of its origin."""

import dataclasses

from sightline.values.identity import InstanceUid, LineageId, Patient, SeriesUid


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ResultIdentity:
    """Names one published object and what made it.

    Attributes:
        author: a reader's name for something drawn by hand; else the model's name.
        model_version: `NAME@N`; empty for something drawn by hand.
        model_digest: SHA-256 of the weights; empty for something drawn by hand.
        lineage_id: what `sightline trace` resolves; None for something drawn by hand.
        created_at: ISO 8601 in UTC, recorded once, so that a repeat writes the same bytes.
        patient: whom it is about; None for whom the images name.
    """

    instance_uid: InstanceUid
    series_uid: SeriesUid
    series_number: int
    series_description: str
    author: str
    created_at: str
    model_version: str = ""
    model_digest: str = ""
    lineage_id: LineageId | None = None
    is_research_only: bool = True
    patient: Patient | None = None
