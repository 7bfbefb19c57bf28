"""Reports outside DICOM through the door: HL7, FHIR and CSV records that the archive keeps."""

import datetime as dt
import re
from collections import Counter

from sightline.deid.codes import is_unit
from sightline.deid.contract import context_of, name_of
from sightline.deid.free_text import clean_text
from sightline.deid.known_identifiers import KnownIdentifiers
from sightline.deid.profile import DEFAULT_PROFILE, Profile, load_profile
from sightline.deid.vault import Vault
from sightline.errors import Refused
from sightline.values.clinical import ClinicalRecord
from sightline.values.identity import HubStudyUid, Patient, StudyUid
from sightline.values.report import DeidentifiedReport

_STATUS = re.compile(r"[A-Za-z]{1,2}|registered|partial|preliminary|final|amended|corrected|active")
_DAY = "%Y%m%d"


def deidentify_report(
    record: ClinicalRecord,
    patient: Patient,
    known: KnownIdentifiers,
    *,
    vault: Vault,
    profile: Profile | None = None,
    study_uid: StudyUid | None = None,
) -> DeidentifiedReport:
    """Return what may leave of a record of a patient.

    Args:
        record: as the archive keeps it.
        patient: whom it is about, after merges.
        known: what the records know of the patient.
        vault: gives the names.
        profile: says whether dates move; that of a hub where none is given.
        study_uid: the study it is tied to.

    Raises:
        Refused: The patient has no id, by which they could be told from others.
    """
    if not patient.patient_id.strip():
        raise Refused(
            "a report of a patient without an id cannot be de-identified",
            hint="Correct the patient in the system that sent it, and let it send again.",
        )
    profile = profile or load_profile(DEFAULT_PROFILE)
    context = context_of(patient, vault, profile)
    title = clean_text(record.title, known, context)
    text = clean_text(record.text, known, context)
    return DeidentifiedReport(
        study_uid=HubStudyUid(name_of(study_uid, vault, profile)) if study_uid else None,
        subject_id=context.subject_id,
        kind=record.kind,
        date=moved_date(record.date, context.offset_days),
        title=title.text,
        text=text.text,
        unit=record.unit if is_unit(record.unit) else "",
        status=record.status if _STATUS.fullmatch(record.status) else "",
        replaced=dict(Counter(title.counts) + Counter(text.counts)),
    )


def moved_date(date: str, days: int) -> str:
    """Return a day, `YYYYMMDD`, moved back by so many days; empty where it is no day."""
    try:
        day = dt.datetime.strptime(date, _DAY).replace(tzinfo=dt.UTC)
        return (day - dt.timedelta(days=days)).strftime(_DAY)
    except (ValueError, OverflowError):
        return ""
