"""Searching the archive as DICOM queries do: by keys, at three levels."""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from sightline.archive.archive import Archive
from sightline.archive.search_keys import (
    Keys,
    of_instance,
    of_modalities,
    of_patient,
    of_series,
    of_study,
)
from sightline.catalog.archive_tables import INSTANCE, PATIENT, SERIES, STUDY
from sightline.values.identity import (
    Digest,
    InstanceUid,
    LineageId,
    Patient,
    SeriesUid,
    StudyUid,
)

Found = TypeVar("Found")
IS_SHOWN = INSTANCE.c.rejected == ""
"""What a PACS rejected is kept and not found."""

_HAS_SHOWN = sa.exists().where(INSTANCE.c.series_uid == SERIES.c.uid, IS_SHOWN)
# So many patients, or series of a modality, are looked up one by one; PostgreSQL does more.
_FEW, _FEW_IN_ARRAY = 1000, 5000
_FEW_SERIES = 2500
_BATCH = 1000


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Which part of the matches is wanted; no limit gives all of them."""

    offset: int = 0
    limit: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Matches(Generic[Found]):
    """The matches within the window, and whether there are more after it."""

    found: tuple[Found, ...]
    has_more: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FoundStudy:
    """One study and what it holds.

    Attributes:
        date: `YYYYMMDD` or empty.
        time: `HHMMSS.ffffff`, a beginning of it, or empty.
        study_id: None, as the referring physician, where an older Sightline did not note it.
        modalities: of its series, in alphabetical order.
    """

    uid: StudyUid
    patient: Patient
    date: str
    time: str
    accession_number: str
    description: str
    study_id: str | None
    referring_physician: str | None
    modalities: tuple[str, ...]
    series: int
    instances: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FoundSeries:
    """One series and its study."""

    uid: SeriesUid
    study: FoundStudy
    modality: str
    number: int | None
    description: str
    body_part: str
    manufacturer: str
    manufacturer_model: str
    instances: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FoundInstance:
    """One instance and its series; `rows`, `columns` and `frames` are None for no image."""

    uid: InstanceUid
    series: FoundSeries
    sop_class_uid: str
    transfer_syntax_uid: str
    number: int | None
    rows: int | None
    columns: int | None
    frames: int | None
    digest: Digest
    size_bytes: int
    lineage_id: LineageId | None


def search_studies(archive: Archive, keys: Keys, window: Window) -> Matches[FoundStudy]:
    """Find studies, newest first; keys of series and instances ask for one that matches."""
    query = (
        sa.select(STUDY.c.uid)
        .where(*of_study(keys), STUDY.c.is_rejected.is_(sa.false()))
        # One index holds this order, so that a search may stop when its page is full.
        .order_by(STUDY.c.study_date.desc(), STUDY.c.study_time.desc(), STUDY.c.uid.desc())
    )
    if series := [*of_series(keys)]:
        query = query.where(STUDY.c.uid.in_(sa.select(SERIES.c.study_uid).where(*series)))
    if instances := [*of_instance(keys)]:
        query = query.where(STUDY.c.uid.in_(sa.select(INSTANCE.c.study_uid).where(*instances)))
    with archive.database.read() as connection:
        if patient := of_patient(keys):
            query = _of_patients(connection, query, patient)
        if keys.modalities_in_study:
            query = _of_modalities(connection, query, keys)
        rows, has_more = _page(connection, query, window)
        studies = _studies(connection, [row.uid for row in rows])
    return Matches(found=tuple(studies[row.uid] for row in rows), has_more=has_more)


def search_series(archive: Archive, keys: Keys, window: Window) -> Matches[FoundSeries]:
    """Find series, by number; keys of instances ask for one that matches."""
    query = (
        sa.select(SERIES.c.uid)
        .join(STUDY, SERIES.c.study_uid == STUDY.c.uid)
        .join(PATIENT, STUDY.c.patient == PATIENT.c.id)
        .where(*of_patient(keys), *of_study(keys), *of_modalities(keys))
        .where(*of_series(keys), _HAS_SHOWN)
        .order_by(STUDY.c.study_date.desc(), STUDY.c.uid, SERIES.c.number, SERIES.c.uid)
    )
    if instances := [*of_instance(keys)]:
        query = query.where(SERIES.c.uid.in_(sa.select(INSTANCE.c.series_uid).where(*instances)))
    with archive.database.read() as connection:
        rows, has_more = _page(connection, query, window)
        series = _series(connection, [row.uid for row in rows])
    return Matches(found=tuple(series[row.uid] for row in rows), has_more=has_more)


def search_instances(archive: Archive, keys: Keys, window: Window) -> Matches[FoundInstance]:
    """Find instances, by series and number."""
    query = (
        sa.select(INSTANCE)
        .join(SERIES, INSTANCE.c.series_uid == SERIES.c.uid)
        .join(STUDY, SERIES.c.study_uid == STUDY.c.uid)
        .join(PATIENT, STUDY.c.patient == PATIENT.c.id)
        .where(*of_patient(keys), *of_study(keys), *of_modalities(keys))
        .where(*of_series(keys), *of_instance(keys), IS_SHOWN)
        .order_by(SERIES.c.number, SERIES.c.uid, INSTANCE.c.number, INSTANCE.c.uid)
    )
    with archive.database.read() as connection:
        rows, has_more = _page(connection, query, window)
        series = _series(connection, {row.series_uid for row in rows})
    found = tuple(_instance(row, series[row.series_uid]) for row in rows)
    return Matches(found=found, has_more=has_more)


def _of_patients(
    connection: sa.Connection, query: sa.Select[Any], conditions: list[sa.ColumnElement[bool]]
) -> sa.Select[Any]:
    """Restrict a search of studies to the patients that satisfy `conditions`.

    Where few do, their studies are looked up and sorted. Where many do, a page is soon full of
    them: then the studies are gone through in order. Either way little is read.
    """
    few = _FEW_IN_ARRAY if connection.dialect.name == "postgresql" else _FEW
    found = connection.execute(sa.select(PATIENT.c.id).where(*conditions).limit(few + 1))
    patients = found.scalars().all()
    if len(patients) <= few:
        return query.where(_is_one_of(connection, STUDY.c.patient, list(patients)))
    return query.join(PATIENT, STUDY.c.patient == PATIENT.c.id).where(*conditions)


def _of_modalities(connection: sa.Connection, query: sa.Select[Any], keys: Keys) -> sa.Select[Any]:
    """Restrict a search of studies to those that hold one of the modalities wanted.

    Where few series are of them, their studies are looked up: else every study would be gone
    through for a page that never fills. Where many are, the studies tell theirs themselves.
    """
    of_these = sa.select(SERIES.c.study_uid).where(SERIES.c.modality.in_(keys.modalities_in_study))
    found = connection.execute(of_these.limit(_FEW_SERIES + 1)).scalars().all()
    if len(found) > _FEW_SERIES:
        return query.where(*of_modalities(keys))
    return query.where(_is_one_of(connection, STUDY.c.uid, sorted(set(found))))


def _is_one_of(
    connection: sa.Connection, column: sa.Column[Any], values: list[Any]
) -> sa.ColumnElement[bool]:
    if connection.dialect.name == "postgresql":
        # One parameter, in which it looks up by hash, or which it looks up in an index.
        return column == sa.any_(sa.literal(values, ARRAY(column.type)))
    return column.in_(values)


def _page(
    connection: sa.Connection, query: sa.Select[Any], window: Window
) -> tuple[list[sa.Row[Any]], bool]:
    if window.limit is None:
        return list(connection.execute(query.offset(window.offset)).all()), False
    rows = connection.execute(query.offset(window.offset).limit(window.limit + 1)).all()
    return list(rows[: window.limit]), len(rows) > window.limit


def _studies(connection: sa.Connection, uids: Collection[str]) -> dict[str, FoundStudy]:
    query = sa.select(STUDY, PATIENT).join(PATIENT, STUDY.c.patient == PATIENT.c.id)
    rows = _rows_of(connection, query, STUDY.c.uid, uids=uids)
    series = _counts(connection, SERIES.c.study_uid, uids, only=_HAS_SHOWN)
    instances = _counts(connection, INSTANCE.c.study_uid, uids, only=IS_SHOWN)
    return {
        row.uid: FoundStudy(
            uid=StudyUid(row.uid),
            patient=Patient(
                patient_id=row.patient_id,
                issuer=row.issuer,
                name=row.name,
                birth_date=row.birth_date,
                sex=row.sex,
            ),
            date=row.study_date,
            time=row.study_time,
            accession_number=row.accession_number,
            description=row.description,
            study_id=row.study_id,
            referring_physician=row.referring_physician,
            modalities=tuple(sorted(each for each in row.modalities.split("|") if each)),
            series=series.get(row.uid, 0),
            instances=instances.get(row.uid, 0),
        )
        for row in rows
    }


def _series(connection: sa.Connection, uids: Collection[str]) -> dict[str, FoundSeries]:
    rows = _rows_of(connection, sa.select(SERIES), SERIES.c.uid, uids=uids)
    studies = _studies(connection, {row.study_uid for row in rows})
    instances = _counts(connection, INSTANCE.c.series_uid, uids, only=IS_SHOWN)
    return {
        row.uid: FoundSeries(
            uid=SeriesUid(row.uid),
            study=studies[row.study_uid],
            modality=row.modality,
            number=row.number,
            description=row.description,
            body_part=row.body_part,
            manufacturer=row.manufacturer,
            manufacturer_model=row.manufacturer_model,
            instances=instances.get(row.uid, 0),
        )
        for row in rows
    }


def _counts(
    connection: sa.Connection,
    column: sa.Column[str],
    uids: Collection[str],
    *,
    only: sa.ColumnElement[bool],
) -> dict[str, int]:
    counted: dict[str, int] = {}
    for some in _batches(uids):
        query = sa.select(column, sa.func.count()).where(column.in_(some), only).group_by(column)
        counted |= {row[0]: row[1] for row in connection.execute(query)}
    return counted


def _rows_of(
    connection: sa.Connection,
    query: sa.Select[Any],
    column: sa.Column[str],
    *,
    uids: Collection[str],
) -> list[sa.Row[Any]]:
    return [
        row for some in _batches(uids) for row in connection.execute(query.where(column.in_(some)))
    ]


def _batches(uids: Collection[str]) -> Iterator[list[str]]:
    """Give some at a time: a database takes only so many values at once."""
    every = list(uids)
    return (every[start : start + _BATCH] for start in range(0, len(every), _BATCH))


def _instance(row: sa.Row[Any], series: FoundSeries) -> FoundInstance:
    return FoundInstance(
        uid=InstanceUid(row.uid),
        series=series,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        number=row.number,
        rows=row.rows,
        columns=row.columns,
        frames=row.frames,
        digest=Digest(row.digest),
        size_bytes=row.size_bytes,
        lineage_id=LineageId(row.lineage_id) if row.lineage_id else None,
    )
