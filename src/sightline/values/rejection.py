"""What a PACS takes back, and what each reason asks (IHE RAD, Imaging Object Change Management)."""

import dataclasses

from sightline.values.identity import InstanceUid, StudyUid

TITLES = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
    "113039": "Data Retention Policy Expired",
}
"""Document titles of rejection notes (PS3.16 CID 7011), by code of DCM."""

STAYS_IN_HUB = frozenset({"113039"})
"""The hospital's term of keeping says nothing against what was de-identified before it ended."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RejectionNote:
    """A Key Object Selection that takes instances back.

    Attributes:
        code: one of `TITLES`.
        rejected: study and instance UIDs of what it names.
    """

    note_uid: InstanceUid
    study_uid: StudyUid
    code: str
    rejected: tuple[tuple[StudyUid, InstanceUid], ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """One rejected instance of the archive; its bytes are kept.

    Attributes:
        note_uid: empty for a result of ours that was withdrawn without one.
        has_arrived: False for one that its note named before it came.
    """

    instance_uid: InstanceUid
    study_uid: StudyUid
    code: str
    note_uid: InstanceUid
    has_arrived: bool
