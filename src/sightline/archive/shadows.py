"""What models in shadow say: kept apart from what is published, so that nobody is shown it."""

import dataclasses

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import SHADOW
from sightline.catalog.database import insert_new
from sightline.values.finding import Finding
from sightline.values.identity import LineageId, SeriesUid, StudyUid
from sightline.values.prediction import Beside, Making, ShadowPrediction


def start_shadow(archive: Archive, wanted: ShadowPrediction) -> ShadowPrediction:
    """Enter one, or return the one that is already there for series and model."""
    with archive.database.write() as connection:
        insert_new(connection, SHADOW, dataclasses.asdict(wanted))
        found = connection.execute(
            sa.select(SHADOW).where(
                SHADOW.c.series_uid == wanted.series_uid,
                SHADOW.c.series_digest == wanted.series_digest,
                SHADOW.c.model_id == wanted.model_id,
            )
        ).one()
    return _shadow(found)


def keep_shadow(archive: Archive, made: ShadowPrediction) -> None:
    """Keep what a model in shadow said; a repeat changes nothing."""
    row = dataclasses.asdict(dataclasses.replace(made, state="kept", problem=""))
    with archive.database.write() as connection:
        connection.execute(
            SHADOW.update()
            .where(SHADOW.c.lineage_id == made.lineage_id, SHADOW.c.state != "kept")
            .values(row)
        )


def fail_shadow(archive: Archive, lineage_id: LineageId, problem: str) -> None:
    """Record that a model in shadow could not answer; its gate counts that."""
    with archive.database.write() as connection:
        connection.execute(
            SHADOW.update()
            .where(SHADOW.c.lineage_id == lineage_id, SHADOW.c.state != "kept")
            .values(state="failed", problem=problem)
        )


def shadows_of(archive: Archive, model_id: LineageId) -> list[ShadowPrediction]:
    """List what one model said in shadow, oldest first."""
    query = (
        sa.select(SHADOW)
        .where(SHADOW.c.model_id == model_id)
        .order_by(SHADOW.c.created_at, SHADOW.c.lineage_id)
    )
    with archive.database.read() as connection:
        return [_shadow(row) for row in connection.execute(query)]


def _shadow(row: sa.Row[tuple[object, ...]]) -> ShadowPrediction:
    return ShadowPrediction(
        lineage_id=LineageId(row.lineage_id),
        study_uid=StudyUid(row.study_uid),
        series_uid=SeriesUid(row.series_uid),
        series_digest=row.series_digest,
        model_id=LineageId(row.model_id),
        model_version=row.model_version,
        created_at=row.created_at,
        state=row.state,
        problem=row.problem,
        finding=row.finding and Finding.from_json(row.finding),
        seg_digest=row.seg_digest,
        making=row.making and Making.from_json(row.making),
        beside=row.beside and Beside(**row.beside),
    )
