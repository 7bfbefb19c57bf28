"""Rows of the tables of predictions, read."""

import sqlalchemy as sa

from sightline.values.finding import Finding
from sightline.values.identity import LineageId, SeriesUid, StudyUid
from sightline.values.prediction import Making, Prediction


def prediction_of(row: sa.Row[tuple[object, ...]]) -> Prediction:
    """Read a row of a table of predictions; one of models in shadow has no picture, nor an end."""
    return Prediction(
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
        picture_digest=getattr(row, "picture_digest", ""),
        making=row.making and Making.from_json(row.making),
        finished_at=getattr(row, "finished_at", None),
    )
