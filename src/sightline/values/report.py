"""A report outside DICOM that passed the door; what it was made of is a record of the archive."""

import dataclasses

from sightline.values.identity import HubStudyUid, SubjectId


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DeidentifiedReport:
    """An order, report or value of a subject, without identifiers; only `deid` makes one.

    Attributes:
        study_uid: the study it is about; None where it is tied to none.
        kind: `order`, `report` or `observation`.
        date: `YYYYMMDD`, moved as every date of the subject is; empty where unknown.
        title: such as the procedure ordered, cleaned.
        text: cleaned.
        unit: of an observation; empty where a word of it is unknown.
        status: such as F for final; empty where it is no short code.
        replaced: how many identifiers of each kind were replaced in title and text.
    """

    study_uid: HubStudyUid | None
    subject_id: SubjectId
    kind: str
    date: str
    title: str
    text: str
    unit: str
    status: str
    replaced: dict[str, int]
