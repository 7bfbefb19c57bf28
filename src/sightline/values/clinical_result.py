"""A published prediction as other systems of the hospital are told of it."""

import dataclasses
import datetime as dt
import hashlib
from typing import Literal, TypeAlias

from sightline.values.finding import Finding
from sightline.values.identity import InstanceUid, Patient, SeriesUid
from sightline.values.prediction import Prediction

MessageKind: TypeAlias = Literal["hl7", "fhir"]
"""The languages that it is told in."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PublishedInstance:
    """One DICOM object that was published of a prediction."""

    instance_uid: InstanceUid
    series_uid: SeriesUid
    sop_class_uid: str
    modality: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClinicalResult:
    """What one message says.

    Attributes:
        prediction: it is published.
        patient: whose study it is now, after merges.
        study_date: `YYYYMMDD`, as the study says it.
        study_time: `HHMMSS.f` in the local time of the scanner, as the study says it.
        modality: of the series that was predicted on.
    """

    prediction: Prediction
    patient: Patient
    accession_number: str
    study_date: str
    study_time: str
    modality: str
    instances: tuple[PublishedInstance, ...]

    @property
    def finding(self) -> Finding:
        """What was found; a published prediction has it."""
        assert self.prediction.finding is not None  # noqa: S101 - publishing requires it
        return self.prediction.finding

    @property
    def message_id(self) -> str:
        """Names the message, so that a repeat is the same; 20 characters, as MSH-10 allows."""
        return hashlib.sha256(self.prediction.lineage_id.encode()).hexdigest()[:20]

    @property
    def published_at(self) -> dt.datetime:
        """When it was published, in UTC, to the second; the same in every repeat."""
        if self.prediction.finished_at is None:
            return dt.datetime.fromisoformat(self.prediction.created_at).astimezone(dt.UTC)
        return dt.datetime.fromtimestamp(int(self.prediction.finished_at), dt.UTC)
