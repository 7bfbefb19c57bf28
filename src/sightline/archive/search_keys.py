"""The keys of a search and what they ask of each table (PS3.4 C.2.2.2)."""

import dataclasses

import sqlalchemy as sa

from sightline.catalog.archive_tables import INSTANCE, PATIENT, SERIES, STUDY
from sightline.values.names import folded, words_of

_BEFORE_WORDS = ("=", "^", " ", "-")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A range of dates (`YYYYMMDD`) or times (`HHMMSS`), ends included; an empty end is open."""

    first: str = ""
    last: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """What must match; an empty key matches anything.

    Texts are matched without regard to case; `*` stands for any text, `?` for one character.
    Of several UIDs or modalities one must match. Names are matched without regard to accents, by
    any of their groups (PS3.4 C.2.2.2.1).

    Attributes:
        is_fuzzy: names match whose words begin with the words asked for, in any order.
    """

    patient_name: str = ""
    is_fuzzy: bool = False
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
        *(_fuzzy_name(keys) if keys.is_fuzzy else _name(keys)),
        *_text(PATIENT.c.patient_id, keys.patient_id),
        *_range(PATIENT.c.birth_date, keys.birth_date),
        *_text(PATIENT.c.sex, keys.sex),
    ]


def of_study(keys: Keys) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on the study, but for its modalities."""
    return [
        *_any_of(STUDY.c.uid, keys.study_uids),
        *_range(STUDY.c.study_date, keys.study_date),
        *_range(STUDY.c.study_time, keys.study_time),
        *_text(STUDY.c.accession_number, keys.accession_number),
        *_text(STUDY.c.description, keys.study_description),
    ]


def of_modalities(keys: Keys) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on the modalities of a study, as it tells them itself."""
    wanted = keys.modalities_in_study
    found = [STUDY.c.modalities.contains(f"|{each}|", autoescape=True) for each in wanted]
    return [sa.or_(*found)] if found else []


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
    return [column.ilike(_pattern(value), escape="\\")]


def _pattern(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def _name(keys: Keys) -> list[sa.ColumnElement[bool]]:
    if not keys.patient_name.strip("*"):
        return []
    # As catalogued, a group stands between equals signs and does not end in carets.
    group = folded(keys.patient_name).strip("= ").rstrip("^ ")
    first = "" if group.startswith("*") else "="
    last = "" if group.endswith("*") else "="
    pattern = _pattern(f"*{first}{group.strip('*')}{last}*")
    return [PATIENT.c.name_key.like(pattern, escape="\\")]


def _fuzzy_name(keys: Keys) -> list[sa.ColumnElement[bool]]:
    return [
        sa.or_(
            *(
                PATIENT.c.name_key.contains(before + word, autoescape=True)
                for before in _BEFORE_WORDS
            )
        )
        for word in words_of(keys.patient_name)
    ]


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
        # A letter comes after every digit: all that begins with the end of the range is in it.
        conditions.append(column < f"{value.last}z")
    return conditions
