"""What models in shadow say: kept apart from what is published, so that nobody is shown it."""

import dataclasses
from typing import Any

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.prediction_rows import prediction_of
from sightline.catalog.archive_tables import SHADOW
from sightline.catalog.database import insert_new
from sightline.values.identity import LineageId
from sightline.values.prediction import Beside, Prediction, ShadowPrediction


def start_shadow(archive: Archive, wanted: Prediction) -> Prediction:
    """Enter one, or return the one that is already there for series and model."""
    with archive.database.write() as connection:
        insert_new(connection, SHADOW, _row(ShadowPrediction(prediction=wanted)))
        found = connection.execute(
            sa.select(SHADOW).where(
                SHADOW.c.series_uid == wanted.series_uid,
                SHADOW.c.series_digest == wanted.series_digest,
                SHADOW.c.model_id == wanted.model_id,
            )
        ).one()
    return prediction_of(found)


def keep_shadow(archive: Archive, made: ShadowPrediction) -> None:
    """Keep what a model in shadow said; a repeat changes nothing."""
    kept = dataclasses.replace(made.prediction, state="kept", problem="")
    _change(archive, kept.lineage_id, _row(dataclasses.replace(made, prediction=kept)))


def fail_shadow(archive: Archive, lineage_id: LineageId, problem: str) -> None:
    """Record that a model in shadow could not answer; its gate counts that."""
    _change(archive, lineage_id, {"state": "failed", "problem": problem})


def shadows_of(archive: Archive, model_id: LineageId) -> list[ShadowPrediction]:
    """List what one model said in shadow, oldest first."""
    query = (
        sa.select(SHADOW)
        .where(SHADOW.c.model_id == model_id)
        .order_by(SHADOW.c.created_at, SHADOW.c.lineage_id)
    )
    with archive.database.read() as connection:
        return [
            ShadowPrediction(
                prediction=prediction_of(row),
                seg_digest=row.seg_digest,
                beside=row.beside and Beside(**row.beside),
            )
            for row in connection.execute(query)
        ]


def _row(shadow: ShadowPrediction) -> dict[str, Any]:
    facts = dataclasses.asdict(shadow)
    facts |= facts.pop("prediction")
    return {column.name: facts[column.name] for column in SHADOW.columns}


def _change(archive: Archive, lineage_id: LineageId, values: dict[str, Any]) -> None:
    """Change what is not kept yet: what was said once stays."""
    with archive.database.write() as connection:
        connection.execute(
            SHADOW.update()
            .where(SHADOW.c.lineage_id == lineage_id, SHADOW.c.state != "kept")
            .values(values)
        )
