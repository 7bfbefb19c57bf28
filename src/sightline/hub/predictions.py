"""What models said of collections: a row, a mask and its place in lineage for each series."""

import dataclasses
from typing import Any

import sqlalchemy as sa

from sightline.catalog.database import insert_new
from sightline.catalog.hub_tables import COLLECTION_VERSION, MODEL, PREDICTION, SERIES
from sightline.errors import UnknownName
from sightline.hub.collections import lineage_id as collection_id
from sightline.hub.collections import version as collection_version
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.values.collection import CollectionVersion
from sightline.values.finding import Finding
from sightline.values.identity import HubSeriesUid, LineageId, SubjectId
from sightline.values.model import ModelRecord
from sightline.values.prediction import HubPrediction


def add_prediction(hub: Hub, made: HubPrediction, chosen: CollectionVersion) -> None:
    """Enter a prediction, with its model and its series as parents.

    One there already of that model, version and series stays as it is.
    """
    row = {
        "lineage_id": made.lineage_id,
        "model_id": made.model_id,
        "version_id": collection_id(chosen),
        "series_uid": made.series_uid,
        "split": made.split,
        "volume_digest": made.volume_digest,
        "mask_digest": made.mask_digest,
        "finding": dataclasses.asdict(made.finding),
        "created_at": made.created_at,
    }
    facts = {"model": made.model, "collection": made.collection, "split": made.split}
    with hub.database.write() as connection:
        if insert_new(connection, PREDICTION, row):
            node = node_of(made.lineage_id, "prediction", name=made.lineage_id, facts=facts)
            record(connection, node, [made.model_id, LineageId(made.series_uid)])


def predictions(
    hub: Hub, *, model_id: LineageId | None = None, label: str | None = None
) -> list[HubPrediction]:
    """List predictions, of one model or one collection version where they are given.

    What is more urgent comes first, as in a reading list, then what is older.

    Raises:
        UnknownName: There is no such collection.
    """
    query = _query()
    if model_id is not None:
        query = query.where(PREDICTION.c.model_id == model_id)
    if label is not None:
        query = query.where(
            PREDICTION.c.version_id == collection_id(collection_version(hub, label))
        )
    with hub.database.read() as connection:
        found = [_prediction(row) for row in connection.execute(query).all()]
    return sorted(found, key=lambda each: -each.finding.priority)


def prediction(hub: Hub, prediction_id: str) -> HubPrediction:
    """Return a prediction.

    Raises:
        UnknownName: There is no such prediction in the hub.
    """
    with hub.database.read() as connection:
        row = connection.execute(_query().where(PREDICTION.c.lineage_id == prediction_id)).first()
    if row is None:
        raise UnknownName(
            f"the hub has no prediction {prediction_id!r}",
            hint="`sightline predictions list` shows what is there.",
        )
    return _prediction(row)


def masks_drawn(hub: Hub, record: ModelRecord, name: str) -> dict[HubSeriesUid, str]:
    """Return the mask that a model drew of each series of a collection, or of that one series.

    Raises:
        UnknownName: There is neither such a collection nor such a prediction.
    """
    found = [
        each for each in predictions(hub, model_id=record.lineage_id) if each.series_uid == name
    ] or predictions(hub, model_id=record.lineage_id, label=name)
    return {each.series_uid: each.mask_digest for each in found if each.mask_digest}


def mask_drawn_before(hub: Hub, model_id: LineageId, volume_digest: str) -> str | None:
    """Return the mask that a model drew of the same voxels for another version, if it did."""
    with hub.database.read() as connection:
        found: str | None = connection.execute(
            sa.select(PREDICTION.c.mask_digest).where(
                PREDICTION.c.model_id == model_id,
                PREDICTION.c.volume_digest == volume_digest,
                PREDICTION.c.mask_digest.is_not(None),
            )
        ).scalar()
    return found if found is not None and hub.array_path(found).exists() else None


def _query() -> sa.Select[Any]:
    return (
        sa.select(
            PREDICTION,
            SERIES.c.subject_id,
            MODEL.c.name.label("model_name"),
            MODEL.c.version.label("model_version"),
            COLLECTION_VERSION.c.name.label("collection_name"),
            COLLECTION_VERSION.c.version.label("collection_version"),
        )
        .join(SERIES, SERIES.c.uid == PREDICTION.c.series_uid)
        .join(MODEL, MODEL.c.lineage_id == PREDICTION.c.model_id)
        .join(COLLECTION_VERSION, COLLECTION_VERSION.c.lineage_id == PREDICTION.c.version_id)
        .order_by(PREDICTION.c.created_at, PREDICTION.c.lineage_id)
    )


def _prediction(row: sa.Row[Any]) -> HubPrediction:
    return HubPrediction(
        lineage_id=LineageId(row.lineage_id),
        model_id=LineageId(row.model_id),
        model=f"{row.model_name}@{row.model_version}",
        collection=f"{row.collection_name}@{row.collection_version}",
        series_uid=HubSeriesUid(row.series_uid),
        subject_id=SubjectId(row.subject_id),
        split=row.split,
        volume_digest=row.volume_digest,
        mask_digest=row.mask_digest,
        finding=Finding.from_json(row.finding),
        created_at=row.created_at,
    )
