"""Jobs of named steps that survive a crash, on DBOS with a database file of its own.

A job is a function `job(step, **arguments)`. It does its work through `step(name, function,
**arguments)`: after a crash the job runs again, finished steps answer with what they returned,
and the one that was under way runs once more. Steps are therefore idempotent, and arguments and
answers are JSON values. Why DBOS: docs/decisions/0003-jobs-engine.md.
"""

import dataclasses
import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from dbos import DBOS, DBOSConfig, SetWorkflowID

from sightline import log
from sightline.catalog.database import sqlite_url
from sightline.errors import SightlineError
from sightline.store.durable import make_folder

_log = log.get("jobs")
_QUEUE = "studies"
# Pinned, so that an upgrade adopts the jobs that the version before left unfinished.
_APPLICATION_VERSION = "1"
_ATTEMPTS = 3
_UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]


class StepRunner(Protocol):
    """Runs one step, or answers with what it returned before a crash."""

    def __call__(self, name: str, function: Callable[..., Any], /, **arguments: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Run `function(**arguments)` as the step `name`."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class JobState:
    """One job, for people.

    Attributes:
        state: DBOS's word: PENDING, ENQUEUED, SUCCESS, ERROR, CANCELLED.
        problem: why it failed; empty otherwise.
    """

    id: str
    name: str
    state: str
    problem: str


class Jobs:
    """The jobs of one data directory; one process at a time runs them."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._lock = self._claim(folder / "lock")
        logging.getLogger("dbos").setLevel(logging.ERROR)
        config: DBOSConfig = {
            "name": "sightline",
            "system_database_url": sqlite_url(folder / "jobs.db"),
            "application_version": _APPLICATION_VERSION,
            "executor_id": "local",
            "enable_otlp": False,
            "run_migrations": True,
            "console_log_level": "ERROR",
        }
        DBOS(config=config)
        self._workflows: dict[str, Callable[..., Any]] = {}
        self._turns = threading.Semaphore()

    def define(self, name: str, job: Callable[..., None]) -> None:
        """Bind a name to a job; all are defined before `launch`."""

        def _run(arguments: dict[str, Any]) -> None:
            try:
                with self._turns:
                    job(_run_step, **arguments)
            except Exception as error:
                # The one place of this process that catches everything: record, then let the
                # engine mark the job failed.
                _log.exception("job_failed", job=name, why=_problem(error))
                raise

        self._workflows[name] = DBOS.workflow(name=name)(_run)

    def launch(self, *, workers: int) -> None:
        """Begin to work, first on what a crash left unfinished.

        Args:
            workers: how many jobs may run at a time.
        """
        self._turns = threading.Semaphore(workers)
        DBOS.launch()
        DBOS.register_queue(_QUEUE, worker_concurrency=workers, polling_interval_sec=0.2)

    def start(self, name: str, id_: str, /, **arguments: Any) -> None:  # noqa: ANN401 - any JSON value
        """Queue a job durably; a repeat with the same id changes nothing.

        Where nothing else is to be done it begins at once: the queue is looked at five times a
        second, for which a study would wait.
        """
        is_idle = not DBOS.list_workflows(status=_UNFINISHED, limit=1, load_input=False)
        with SetWorkflowID(id_):
            if is_idle:
                DBOS.start_workflow(self._workflows[name], arguments)
            else:
                DBOS.enqueue_workflow(_QUEUE, self._workflows[name], arguments)

    def close(self) -> None:
        """Stop after the steps under way; what is left goes on at the next launch."""
        DBOS.destroy(workflow_completion_timeout_sec=5)
        os.close(self._lock)

    @staticmethod
    def _claim(path: Path) -> int:
        # A worker that outlives its parent for a moment keeps the next one waiting here.
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return handle


def job_states(*, failed_only: bool = False) -> list[JobState]:
    """List jobs of the launched engine, newest first."""
    found = DBOS.list_workflows(status="ERROR" if failed_only else None, sort_desc=True)
    return [
        JobState(
            id=each.workflow_id,
            name=each.name,
            state=each.status,
            problem=_problem(each.error) if each.error else "",
        )
        for each in found
    ]


def _run_step(name: str, function: Callable[..., Any], /, **arguments: Any) -> Any:  # noqa: ANN401 - any JSON value
    options: Any = {
        "name": name,
        "retries_allowed": True,
        "max_attempts": _ATTEMPTS,
        "interval_seconds": 1.0,
        # A refusal of ours stays a refusal; a full disk or a busy database may pass.
        "should_retry": lambda error: not isinstance(error, SightlineError),
    }
    return DBOS.run_step(options, function, **arguments)


def _problem(error: BaseException) -> str:
    return error.problem if isinstance(error, SightlineError) else type(error).__name__
