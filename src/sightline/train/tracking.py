"""Curves of runs in MLflow's own database, where it is installed; never a reason for a run to fail.

`mlflow ui --backend-store-uri sqlite:///sightline-data/mlflow.db` shows them. What a run needs to
be repeated stays in the hub: this is a copy for people who know MLflow.
"""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from sightline import clock, extras, log
from sightline.settings import set_for_libraries
from sightline.train.progress import CurvePoint, Progress

_log = log.get("train")
_TAG = "sightline.run"


@dataclasses.dataclass(kw_only=True, slots=True)
class Tracker:
    """Writes one run; after a first failure it is silent.

    Attributes:
        client: MLflow's; None where nothing is written.
        run_id: that MLflow gave.
        points: validations that are written.
    """

    client: Any = None
    run_id: str = ""
    points: int = 0

    @classmethod
    def of(cls, database: Path | None, run_id: str, *, name: str) -> Self:
        """Open the record of a run, a resumed one where it left off; without MLflow do nothing."""
        tracker = cls()
        if database is not None and extras.is_installed("mlflow"):
            tracker._try(lambda: tracker._open(database, run_id, name=name))
        return tracker

    def heard_by(self, on_progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """Give a listener that writes each new validation, and passes everything on."""

        def hear(progress: Progress) -> None:
            if len(progress.curve) > self.points:
                fresh = progress.curve[self.points :]
                self.points = len(progress.curve)
                if self.client is not None:
                    self._try(lambda: self._write(fresh, progress))
            on_progress(progress)

        return hear

    def end(self, record: dict[str, Any]) -> None:
        """Write settings and outcome."""
        if self.client is not None:
            self._try(lambda: self._finish(record))

    def _open(self, database: Path, run_id: str, *, name: str) -> None:
        # It would tell its makers over the network that it is used.
        set_for_libraries("MLFLOW_DISABLE_TELEMETRY", "true")
        mlflow = extras.load("mlflow", extra="mlflow")
        database.parent.mkdir(parents=True, exist_ok=True)
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{database.resolve()}")
        experiment = client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
        known = client.search_runs([experiment_id], filter_string=f"tags.`{_TAG}` = '{run_id}'")
        begun = (
            known[0]
            if known
            else client.create_run(experiment_id, run_name=run_id, tags={_TAG: run_id})
        )
        self.client, self.run_id = client, begun.info.run_id
        self.points = len(client.get_metric_history(self.run_id, "loss"))

    def _write(self, points: tuple[CurvePoint, ...], progress: Progress) -> None:
        for point in points:
            values = {"loss": point.loss, "wait_share": progress.wait_share}
            values |= {"patches_per_s": progress.patches_per_s}
            values |= {
                f"{point.metric}/{name}": score
                for name, score in point.scores.items()
                if score is not None
            }
            if point.mean_score is not None:
                values[point.metric] = point.mean_score
            now = int(clock.timestamp() * 1000)
            for name, value in values.items():
                self.client.log_metric(self.run_id, name, value, timestamp=now, step=point.step)

    def _finish(self, record: dict[str, Any]) -> None:
        for name in ("seed", "precision", "steps", "kept_step", "seconds"):
            self.client.log_param(self.run_id, name, record[name])
        self.client.set_terminated(self.run_id)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            # What MLflow warns of is its own use of its libraries.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                work()
        except (OSError, RuntimeError, ValueError, ImportError, sa.exc.SQLAlchemyError) as error:
            self._give_up(error)
        except extras.load("mlflow.exceptions", extra="mlflow").MlflowException as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        _log.warning("tracking_failed", why=f"{type(error).__name__}: {error}"[:200])
        self.client = None
