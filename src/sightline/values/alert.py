"""A time-critical finding that somebody must acknowledge."""

import dataclasses
from typing import Literal, TypeAlias

from sightline.values.identity import LineageId, StudyUid

AlertEnd: TypeAlias = Literal["", "acknowledged", "withdrawn"]
"""How an alert ended; empty while it is open."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One alert, of one prediction.

    Attributes:
        id: its number, which stands in mail.
        words: of the finding.
        raised_at: when the finding was published; seconds since the epoch, as all moments here.
        escalates_at: when others are told, too.
        notices: how often people were told, the page left aside.
        problem: of the last attempt to tell somebody; empty where it succeeded.
        closed_by: who acknowledged it.
        note: what they said.
    """

    id: int
    lineage_id: LineageId
    study_uid: StudyUid
    model: str
    words: str
    raised_at: float
    escalates_at: float
    is_escalated: bool
    next_notice_at: float
    notices: int
    problem: str
    closed: AlertEnd
    closed_at: float | None
    closed_by: str
    note: str
