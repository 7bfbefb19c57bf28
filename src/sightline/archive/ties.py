"""Tying orders, reports and values to studies, now or when the study comes."""

import dataclasses
import datetime as dt
import importlib.resources
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.patients import survivor_of
from sightline.archive.record_changes import note_change
from sightline.catalog.archive_tables import CLINICAL_RECORD, CLINICAL_TIE, PATIENT, STUDY
from sightline.settings import Settings
from sightline.values.identity import StudyUid
from sightline.values.tie_rules import TieRule, TieRules

RULES_FILE = "clinical-rules.yaml"

_BATCH = 200

_NOTHING_YET = "no study agrees with it yet"
_SEVERAL = "several studies agree with it"
_OTHER_PATIENT = "what it names is the study of another patient"


def load_rules(settings: Settings) -> TieRules:
    """Read the rules of a data directory, or those that come with Sightline.

    Raises:
        BadSettings: The file of the data directory cannot be used.
    """
    own = settings.data_dir / RULES_FILE
    if own.exists():
        return TieRules.from_file(own)
    with importlib.resources.as_file(importlib.resources.files("sightline.archive")) as folder:
        return TieRules.from_file(Path(folder) / RULES_FILE)


@dataclasses.dataclass(frozen=True, slots=True)
class _Found:
    """A study that agrees with a record, and by how many days their dates differ."""

    uid: StudyUid
    days: int


def tie(connection: sa.Connection, record_id: int, rules: TieRules) -> bool:
    """Tie one record anew, within the caller's transaction; tell whether it found a study."""
    record = connection.execute(
        sa.select(CLINICAL_RECORD).where(CLINICAL_RECORD.c.id == record_id)
    ).one()
    before = connection.execute(
        sa.select(CLINICAL_TIE.c.study_uid).where(CLINICAL_TIE.c.record == record_id)
    )
    touched = list(before.scalars())
    connection.execute(CLINICAL_TIE.delete().where(CLINICAL_TIE.c.record == record_id))
    person = None if record.patient is None else survivor_of(connection, record.patient)
    waiting = _NOTHING_YET
    for rule in rules.rules:
        if record.kind not in rule.kinds:
            continue
        found, is_anothers = _candidates(connection, rule, record, person=person)
        if is_anothers:
            waiting = _OTHER_PATIENT
            break
        if found:
            chosen = _choose(found, rule)
            waiting = "" if chosen else _SEVERAL
            _enter(connection, record_id, chosen, rule=rule)
            touched += [each.uid for each in chosen]
            break
    note_change(connection, touched)
    connection.execute(
        CLINICAL_RECORD.update().where(CLINICAL_RECORD.c.id == record_id).values(waiting=waiting)
    )
    return not waiting


def tie_records_of(connection: sa.Connection, patients: Iterable[int], rules: TieRules) -> None:
    """Tie all records of these identities anew: who they are has changed."""
    rows = connection.execute(
        sa.select(CLINICAL_RECORD.c.id).where(CLINICAL_RECORD.c.patient.in_(list(patients)))
    ).scalars()
    for record_id in list(rows):
        tie(connection, record_id, rules)


def tie_waiting(archive: Archive, rules: TieRules, *, since: float = 0.0) -> int:
    """Tie what waited for studies that came at `since` or later; return how many found one.

    Args:
        archive: the identified store.
        rules: of the site.
        since: seconds since the epoch.
    """
    with archive.database.read() as connection:
        due = list(connection.execute(_due(since)).scalars())
    tied = 0
    for first in range(0, len(due), _BATCH):
        # Receiving has its turn between two batches.
        with archive.database.write() as connection:
            tied += sum(tie(connection, each, rules) for each in due[first : first + _BATCH])
    return tied


def _due(since: float) -> sa.Select[int]:
    """Select waiting records that some study of late may agree with."""
    fresh = sa.select(STUDY.c.uid).where(STUDY.c.first_received_at >= since)
    people = sa.select(STUDY.c.patient).where(STUDY.c.first_received_at >= since)
    accessions = sa.select(STUDY.c.accession_number).where(
        STUDY.c.first_received_at >= since, STUDY.c.accession_number != ""
    )
    mine = sa.select(PATIENT.c.id).where(
        sa.func.coalesce(PATIENT.c.survivor, PATIENT.c.id).in_(people)
    )
    return (
        sa.select(CLINICAL_RECORD.c.id)
        .where(
            CLINICAL_RECORD.c.waiting != "",
            sa.or_(
                CLINICAL_RECORD.c.accession_number.in_(accessions),
                CLINICAL_RECORD.c.study_uid.in_(fresh),
                CLINICAL_RECORD.c.patient.in_(mine),
            ),
        )
        .order_by(CLINICAL_RECORD.c.id)
    )


def _candidates(
    connection: sa.Connection,
    rule: TieRule,
    record: sa.Row[tuple[object, ...]],
    *,
    person: int | None,
) -> tuple[Sequence[_Found], bool]:
    """Return the studies that agree, and whether what the record names is only another's."""
    query = sa.select(STUDY.c.uid, STUDY.c.patient, STUDY.c.study_date)
    if rule.by == "accession_number":
        if not record.accession_number:
            return (), False
        query = query.where(STUDY.c.accession_number == record.accession_number)
    elif rule.by == "study_uid":
        if not record.study_uid:
            return (), False
        query = query.where(STUDY.c.uid == record.study_uid)
    else:
        return _near(connection, query, rule, record=record, person=person), False
    rows = connection.execute(query.order_by(STUDY.c.uid)).all()
    found = [
        _Found(StudyUid(row.uid), abs(_days(record.date, row.study_date) or 0))
        for row in rows
        if person is None or row.patient == person
    ]
    return found, bool(rows) and not found


def _near(
    connection: sa.Connection,
    query: sa.Select[str, int, str],
    rule: TieRule,
    *,
    record: sa.Row[tuple[object, ...]],
    person: int | None,
) -> Sequence[_Found]:
    if person is None or not record.date:
        return ()
    rows = connection.execute(query.where(STUDY.c.patient == person).order_by(STUDY.c.uid)).all()
    found = []
    for row in rows:
        days = _days(record.date, row.study_date)
        if days is not None and -rule.days_before <= days <= rule.days_after:
            found.append(_Found(StudyUid(row.uid), abs(days)))
    return found


def _days(of_record: str, of_study: str) -> int | None:
    """Tell by how many days a study is younger than a record; None where a date is no date."""
    try:
        first, second = (dt.datetime.strptime(text, "%Y%m%d") for text in (of_record, of_study))  # noqa: DTZ007 - days, not moments
    except ValueError:
        return None
    return (second - first).days


def _choose(found: Sequence[_Found], rule: TieRule) -> Sequence[_Found]:
    if len(found) == 1 or rule.when_several == "all":
        return found
    if rule.when_several == "wait":
        return ()
    nearest = min(each.days for each in found)
    return [each for each in found if each.days == nearest][:1]


def _enter(
    connection: sa.Connection, record_id: int, chosen: Iterable[_Found], *, rule: TieRule
) -> None:
    for each in chosen:
        row = {"record": record_id, "study_uid": each.uid, "rule": rule.by}
        connection.execute(CLINICAL_TIE.insert().values(**row))
