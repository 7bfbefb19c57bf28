"""A job that an earlier version began is taken up after an upgrade."""

import dataclasses
from pathlib import Path

from sightline.app.study_job import StudyJob
from sightline.archive.archive import Archive
from sightline.archive.results import prediction
from sightline.deid.hub_door import HubDoor
from sightline.hub.hub import Hub
from sightline.serve.engine import Engine
from sightline.serve.predicting import predict_series
from sightline.settings import Settings
from sightline.values.model import ModelRecord
from tests.serve.test_remaking import archive, receive, record

__all__ = ["archive", "record"]


def test_what_was_predicted_before_predictions_said_how_is_published(
    archive: Archive, hub: Hub, record: ModelRecord, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    engine = Engine(hub, threads=1)
    made = predict_series(
        archive, engine, hub, series_uid=receive(archive), model_id=record.lineage_id
    )
    assert made is not None
    of_then = dataclasses.asdict(made)
    del of_then["prediction"]["making"]
    StudyJob(settings, archive, hub, HubDoor.open(settings), engine).publish(of_then)
    published = prediction(archive, made.prediction.lineage_id)
    assert (published.state, published.making) == ("published", None)
