"""The keys of a search and what they ask of each table (PS3.4 C.2.2.2)."""

import dataclasses

import sqlalchemy as sa

from sightline.catalog.archive_tables import INSTANCE, PATIENT, SERIES, STUDY


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A range of dates (`YYYYMMDD`) or times (`HHMMSS`), ends included; an empty end is open."""

    first: str = ""
    last: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """What must match; an empty key matches anything.

    Texts are matched without regard to case; `*` stands for any text, `?` for one character.
    Of several UIDs or modalities one must match.
    """

    patient_name: str = ""
    patient_id: str = ""
    birth_date: Range = Range()
    sex: str = ""
    study_uids: tuple[str, ...] = ()
    study_date: Range = Range()
    study_time: Range = Range()
    accession_number: str = ""
    study_description: str = ""
    modalities_in_study: tuple[str, ...] = ()
    series_uids: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    series_number: int | None = None
    series_description: str = ""
    body_part: str = ""
    instance_uids: tuple[str, ...] = ()
    sop_class_uids: tuple[str, ...] = ()
    instance_number: int | None = None


def of_patient(keys: Keys) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on the patient."""
    return [
        *_text(PATIENT.c.name, keys.patient_name),
        *_text(PATIENT.c.patient_id, keys.patient_id),
        *_range(PATIENT.c.birth_date, keys.birth_date),
        *_text(PATIENT.c.sex, keys.sex),
    ]


def of_study(keys: Keys) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on the study."""
    conditions = [
        *_any_of(STUDY.c.uid, keys.study_uids),
        *_range(STUDY.c.study_date, keys.study_date),
        *_range(STUDY.c.study_time, keys.study_time),
        *_text(STUDY.c.accession_number, keys.accession_number),
        *_text(STUDY.c.description, keys.study_description),
    ]
    if keys.modalities_in_study:
        modality = SERIES.c.modality.in_(keys.modalities_in_study)
        conditions.append(STUDY.c.uid.in_(sa.select(SERIES.c.study_uid).where(modality)))
    return conditions


def of_series(keys: Keys) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on the series itself."""
    return [
        *_any_of(SERIES.c.uid, keys.series_uids),
        *_any_of(SERIES.c.modality, keys.modalities),
        *_number(SERIES.c.number, keys.series_number),
        *_text(SERIES.c.description, keys.series_description),
        *_text(SERIES.c.body_part, keys.body_part),
    ]


def of_instance(keys: Keys) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on the instance itself."""
    return [
        *_any_of(INSTANCE.c.uid, keys.instance_uids),
        *_any_of(INSTANCE.c.sop_class_uid, keys.sop_class_uids),
        *_number(INSTANCE.c.number, keys.instance_number),
    ]


def _text(column: sa.Column[str], value: str) -> list[sa.ColumnElement[bool]]:
    if not value.strip("*"):
        return []
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return [column.ilike(escaped.replace("*", "%").replace("?", "_"), escape="\\")]


def _any_of(column: sa.Column[str], values: tuple[str, ...]) -> list[sa.ColumnElement[bool]]:
    return [column.in_(values)] if values else []


def _number(column: sa.Column[int], value: int | None) -> list[sa.ColumnElement[bool]]:
    return [] if value is None else [column == value]


def _range(column: sa.Column[str], value: Range) -> list[sa.ColumnElement[bool]]:
    conditions = []
    if value.first or value.last:
        # What is stored may be unknown, and may be more exact than the end of the range.
        conditions.append(column != "")
        conditions.append(column >= value.first)
    if value.last:
        conditions.append(sa.func.substr(column, 1, len(value.last)) <= value.last)
    return conditions
