"""Where instances lie: what retrieving asks, without counts and names."""

import dataclasses
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import INSTANCE, SERIES
from sightline.values.identity import Digest, InstanceUid, SeriesUid, StudyUid

_BATCH = 1000
_SELECT: sa.Select[Any] = sa.select(
    INSTANCE.c.uid,
    INSTANCE.c.series_uid,
    INSTANCE.c.study_uid,
    INSTANCE.c.transfer_syntax_uid,
    INSTANCE.c.frames,
    INSTANCE.c.digest,
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LocatedInstance:
    """One instance; `frames` is None for no image."""

    uid: InstanceUid
    series_uid: SeriesUid
    study_uid: StudyUid
    transfer_syntax_uid: str
    frames: int | None
    digest: Digest


def locate(
    archive: Archive, study_uid: str, *, series_uid: str = "", instance_uid: str = ""
) -> list[LocatedInstance]:
    """List the instances of a study, a series or an instance, by series and number."""
    query = (
        _SELECT.join(SERIES, INSTANCE.c.series_uid == SERIES.c.uid)
        .where(INSTANCE.c.study_uid == study_uid)
        .order_by(SERIES.c.number, SERIES.c.uid, INSTANCE.c.number, INSTANCE.c.uid)
    )
    if series_uid:
        query = query.where(INSTANCE.c.series_uid == series_uid)
    if instance_uid:
        query = query.where(INSTANCE.c.uid == instance_uid)
    with archive.database.read() as connection:
        return [_located(row) for row in connection.execute(query)]


def first_of_studies(archive: Archive, uids: Collection[str]) -> dict[str, LocatedInstance]:
    """Give one instance of each study, always the same, by the UID of the study."""
    found = _firsts(archive, INSTANCE.c.study_uid, uids)
    return {each.study_uid: each for each in found}


def first_of_series(archive: Archive, uids: Collection[str]) -> dict[str, LocatedInstance]:
    """Give one instance of each series, always the same, by the UID of the series."""
    found = _firsts(archive, INSTANCE.c.series_uid, uids)
    return {each.series_uid: each for each in found}


def _firsts(
    archive: Archive, column: sa.Column[str], uids: Collection[str]
) -> list[LocatedInstance]:
    firsts = (
        sa.select(sa.func.min(INSTANCE.c.uid))
        .where(column.in_(list(uids)[:_BATCH]))
        .group_by(column)
    )
    with archive.database.read() as connection:
        query = _SELECT.where(INSTANCE.c.uid.in_(firsts))
        return [_located(row) for row in connection.execute(query)]


def _located(row: sa.Row[Any]) -> LocatedInstance:
    return LocatedInstance(
        uid=InstanceUid(row.uid),
        series_uid=SeriesUid(row.series_uid),
        study_uid=StudyUid(row.study_uid),
        transfer_syntax_uid=row.transfer_syntax_uid,
        frames=row.frames,
        digest=Digest(row.digest),
    )
