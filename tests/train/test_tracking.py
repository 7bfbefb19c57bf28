"""Curves in MLflow's own database, read back by MLflow itself."""

from pathlib import Path

import pytest

from sightline.train.progress import CurvePoint, Progress
from sightline.train.tracking import Tracker

mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")

RECORD = {"seed": 0, "precision": "float32", "steps": 4, "kept_step": 4, "seconds": 1.0}


def _progress(*dice: float | None) -> Progress:
    curve = tuple(
        CurvePoint(step=2 * number, loss=1 / number, scores={"a": score, "b": None})
        for number, score in enumerate(dice, start=1)
    )
    return Progress(
        step=2 * len(dice),
        steps=6,
        loss=0.5,
        patches_per_s=3.0,
        time_left_s=1.0,
        validation_score=None,
        wait_share=0.1,
        curve=curve,
    )


def test_each_validation_is_written_once_though_the_run_was_resumed(tmp_path: Path) -> None:
    database = tmp_path / "data" / "mlflow.db"
    heard: list[int] = []
    first = Tracker.of(database, "run-1", name="tiny")
    hear = first.heard_by(lambda progress: heard.append(progress.step))
    hear(_progress(None))
    hear(_progress(None))
    resumed = Tracker.of(database, "run-1", name="tiny")
    resumed.heard_by(lambda _: None)(_progress(None, 0.5))
    resumed.end(RECORD)
    client, run_id = resumed.client, resumed.run_id
    assert heard == [2, 2]
    assert run_id == first.run_id
    losses = client.get_metric_history(run_id, "loss")
    assert [(each.step, each.value) for each in losses] == [(2, 1.0), (4, 0.5)]
    assert [each.value for each in client.get_metric_history(run_id, "dice/a")] == [0.5]
    kept = client.get_run(run_id)
    assert kept.info.status == "FINISHED"
    assert kept.data.params["steps"] == "4"


def test_a_database_that_cannot_be_used_is_no_reason_to_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "mlflow.db"
    broken.write_bytes(b"no database at all" * 100)
    tracker = Tracker.of(broken, "run-1", name="tiny")
    heard: list[int] = []
    tracker.heard_by(lambda progress: heard.append(progress.step))(_progress(0.5))
    tracker.end(RECORD)
    assert heard == [2]
    assert "tracking_failed" in capsys.readouterr().out
    assert tracker.client is None


def test_without_a_database_nothing_is_written(tmp_path: Path) -> None:
    tracker = Tracker.of(None, "run-1", name="tiny")
    tracker.heard_by(lambda _: None)(_progress(0.5))
    tracker.end(RECORD)
    assert not list(tmp_path.iterdir())
