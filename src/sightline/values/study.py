"""A study on either side of the door. The hub accepts only the second type."""

import dataclasses
from collections.abc import Callable

from sightline.values.identity import (
    Digest,
    HubInstanceUid,
    HubSeriesUid,
    HubStudyUid,
    InstanceUid,
    LineageId,
    Patient,
    SeriesUid,
    StudyUid,
    SubjectId,
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class IdentifiedInstance:
    """One stored instance of the archive.

    Attributes:
        digest: of its bytes; empty where they are known from a folder alone.
        read: returns the Part 10 file exactly as kept, checked against its digest.
        size_bytes: of the file; 0 where nobody asked.
        lineage_id: set for a result of ours: the lineage id of that result.
        released: reasons to hold it that a person looked into and lifted.
    """

    uid: InstanceUid
    series_uid: SeriesUid
    sop_class_uid: str
    digest: Digest
    read: Callable[[], bytes] = dataclasses.field(repr=False, compare=False)
    lineage_id: LineageId | None = None
    released: frozenset[str] = frozenset()
    size_bytes: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class IdentifiedStudy:
    """A study as it came, with the patient it belongs to.

    Attributes:
        date: as the catalog has it; empty where nobody asked.
    """

    uid: StudyUid
    patient: Patient
    revision: int
    instances: tuple[IdentifiedInstance, ...]
    date: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DeidentifiedInstance:
    """One instance after the door.

    Attributes:
        content: the whole Part 10 file.
        lineage_id: carried over from a result of ours.
        source_series_uid: for a segmentation, the hub series it was drawn on.
    """

    uid: HubInstanceUid
    series_uid: HubSeriesUid
    sop_class_uid: str
    content: bytes
    lineage_id: LineageId | None = None
    source_series_uid: HubSeriesUid | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What the door did to one study; holds no patient value.

    Attributes:
        actions: how often each action was taken, by name.
        outputs: digest of every instance that left, by hub UID.
        held: how many instances stay in quarantine, by reason.
        public_key: of the hub that signed it, hexadecimal; empty where nobody did.
        signature: over all the rest, hexadecimal.
    """

    study_uid: HubStudyUid
    subject_id: SubjectId
    profile: str
    table_edition: str
    options: tuple[str, ...]
    actions: dict[str, int]
    outputs: dict[str, Digest]
    held: dict[str, int]
    created_at: str
    public_key: str = ""
    signature: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DeidentifiedStudy:
    """A study that passed the door; only `deid` makes one."""

    uid: HubStudyUid
    subject_id: SubjectId
    instances: tuple[DeidentifiedInstance, ...]
    certificate: Certificate
