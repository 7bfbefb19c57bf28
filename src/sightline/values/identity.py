"""Who and what: identified and de-identified names never share a type."""

import dataclasses
from typing import NewType

StudyUid = NewType("StudyUid", str)
"""Study Instance UID of the archive: identified."""
SeriesUid = NewType("SeriesUid", str)
"""Series Instance UID of the archive: identified."""
InstanceUid = NewType("InstanceUid", str)
"""SOP Instance UID of the archive: identified."""

SubjectId = NewType("SubjectId", str)
"""Pseudonym of a patient, such as `S-4KQ7X2M5NA`."""
HubStudyUid = NewType("HubStudyUid", str)
"""Study Instance UID of the hub."""
HubSeriesUid = NewType("HubSeriesUid", str)
"""Series Instance UID of the hub."""
HubInstanceUid = NewType("HubInstanceUid", str)
"""SOP Instance UID of the hub."""

Digest = NewType("Digest", str)
"""SHA-256 of stored bytes, 64 hexadecimal digits."""
LineageId = NewType("LineageId", str)
"""Opaque id of something with parents, such as `model-9f2c41d07b3e`."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """An identified person, as the hospital names them."""

    patient_id: str
    issuer: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""
