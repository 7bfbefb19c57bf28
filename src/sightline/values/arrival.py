"""How an instance came to us, and what became of it."""

import dataclasses
from typing import Literal, TypeAlias

from sightline.values.identity import InstanceUid, LineageId, StudyUid

Outcome: TypeAlias = Literal["new", "duplicate", "conflict"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Who handed an instance over.

    Attributes:
        name: such as `dimse:CT_SCANNER_2`, `import`, `annotate`.
        association: row id of the open DICOM association it came by.
        default_issuer: whose patient ids these are where an instance does not say.
    """

    name: str
    association: int | None = None
    default_issuer: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """What became of one instance; whatever the outcome, its bytes are durable.

    Attributes:
        outcome: `conflict` means that it waits in quarantine beside what was there before.
    """

    uid: InstanceUid
    study_uid: StudyUid
    outcome: Outcome


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """Why something waits in quarantine; nothing is ever dropped.

    Attributes:
        study_uid: identified, of the archive.
        series_uid: empty where the whole study is meant.
        instance_uid: empty where the whole series is meant.
        reason: a short code, such as `burned_in_text_likely`.
        detail: a sentence for people; no patient value.
        id: of its row; 0 before it has one.
        state: `held`, or what a person decided: `released` or `deleted`.
    """

    study_uid: StudyUid
    reason: str
    detail: str
    series_uid: str = ""
    instance_uid: str = ""
    digest: str = ""
    held_at: float = 0.0
    id: int = 0
    state: str = "held"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OutgoingResult:
    """One of our objects on its way to the archive and to the PACS."""

    content: bytes
    lineage_id: LineageId
