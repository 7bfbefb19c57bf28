"""The worker process: completes studies, runs their jobs, sends what is owed."""

import functools
import os
import signal
import threading
from collections.abc import Callable

from sightline import clock, log
from sightline.app.completing import Completer
from sightline.app.study_job import JOB_NAME, RECORDS_JOB_NAME, StudyJob
from sightline.archive.archive import Archive
from sightline.archive.commitments import hurry_all
from sightline.archive.record_changes import changes_to_start, mark_change_started
from sightline.archive.studies import first_received_at, mark_started, studies_to_start
from sightline.archive.ties import load_rules, tie_waiting
from sightline.audit.anchor import Anchor
from sightline.deid.hub_door import HubDoor
from sightline.hub.hub import Hub
from sightline.intake.commitment import deliver_reports
from sightline.jobs.engine import Jobs
from sightline.peers.tls import client_tls
from sightline.serve.alerting import tell_due
from sightline.serve.engine import Engine
from sightline.serve.messages import tellers
from sightline.serve.outbox import deliver_due, deliver_messages
from sightline.settings import Settings
from sightline.values.identity import StudyUid
from sightline.values.tie_rules import TieRules

_log = log.get("app")
_TICK_S, _PAUSE_S = 0.25, 2.0
_LONGEST_COMMIT_S = 10.0
_LONGEST_GOODBYE_S = 5.0


def run_worker(settings: Settings, *, parent: int | None = None) -> None:
    """Work until asked to stop by SIGTERM or SIGINT, or until `parent` is gone.

    Args:
        settings: of the data directory to work for.
        parent: process id whose end ends the worker, so that none is left behind.

    Raises:
        BadSettings: The data directory cannot be used.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    jobs = Jobs(settings.jobs_dir)
    archive, hub = Archive.open(settings), Hub.open(settings)
    engine = Engine.of(hub, settings)
    door = HubDoor.open(settings)
    job = StudyJob(settings, archive, hub, door, engine)
    jobs.define(JOB_NAME, job)
    jobs.define(RECORDS_JOB_NAME, job.records)
    jobs.launch(workers=1)
    hurry_all(archive)
    senders = _start_senders(stop, archive, settings)
    completer = Completer(archive, settings)
    _log.info("worker_ready")
    anchor, rules, since = Anchor.open(settings), load_rules(settings), 0.0
    while not stop.is_set() and _has_parent(parent):
        completer.complete_studies()
        _start_complete_studies(archive, jobs)
        if door.passes_free_text:
            _start_changed_records(archive, jobs)
        since = _tie_to_new_studies(archive, rules, since)
        anchor.advance(archive.database)
        stop.wait(_TICK_S)
    stop.set()
    completer.close()
    jobs.close()
    last = clock.monotonic() + _LONGEST_GOODBYE_S
    for sender in senders:
        sender.join(timeout=max(0.0, last - clock.monotonic()))


def _start_complete_studies(archive: Archive, jobs: Jobs) -> None:
    for study_uid, revision in studies_to_start(archive):
        id_ = f"{job_stem(archive, study_uid)}/{revision}"
        jobs.start(JOB_NAME, id_, study_uid=study_uid, revision=revision)
        mark_started(archive, study_uid, revision)


def _start_changed_records(archive: Archive, jobs: Jobs) -> None:
    for study_uid, revision in changes_to_start(archive):
        id_ = f"{job_stem(archive, study_uid)}/records/{revision}"
        jobs.start(RECORDS_JOB_NAME, id_, study_uid=study_uid, revision=revision)
        mark_change_started(archive, study_uid, revision)


def job_stem(archive: Archive, study_uid: StudyUid) -> str:
    """Return how the ids of a study's jobs begin: a repeat after a crash is the same job.

    A study that was retired and comes again, perhaps for another patient, counts from one again,
    so when it came is part of it.
    """
    return f"{study_uid}@{first_received_at(archive, study_uid):.3f}"


def _tie_to_new_studies(archive: Archive, rules: TieRules, since: float) -> float:
    """Tie what waited for studies that came lately; return from when to look next time."""
    looked_at = clock.timestamp()
    tied = tie_waiting(archive, rules, since=since)
    if tied:
        _log.info("records_tied", records=tied)
    # A study is dated when it is entered, and seen when that is committed.
    return looked_at - _LONGEST_COMMIT_S


def _start_senders(
    stop: threading.Event, archive: Archive, settings: Settings
) -> list[threading.Thread]:
    senders = [
        threading.Thread(target=send_until, args=(stop, send), daemon=True)
        for send in senders_of(archive, settings)
    ]
    for sender in senders:
        sender.start()
    return senders


def senders_of(archive: Archive, settings: Settings) -> list[Callable[[], int]]:
    """Return what sends, each to be called in a thread of its own: no peer waits for another.

    Each sends what is due, and returns how much arrived.

    Raises:
        BadSettings: A certificate cannot be used.
    """
    tls, most = client_tls(settings), settings.max_outbox_attempts

    def send_objects() -> int:
        sent = deliver_due(archive, calling_ae=settings.ae_title, max_attempts=most, tls=tls)
        return sent + deliver_reports(archive, settings)

    return [
        send_objects,
        functools.partial(tell_due, archive, settings, tls=tls),
        *(
            functools.partial(deliver_messages, archive, kind, tell, max_attempts=most)
            for kind, tell in tellers(settings).items()
        ),
    ]


def send_until(stop: threading.Event, send: Callable[[], int]) -> None:
    """Send what is due, until `stop` is set; a disk or catalog that fails is tried again."""
    while not stop.is_set():
        try:
            sent = send()
        except OSError as error:
            _log.error("sending_failed", problem=str(error))
            stop.wait(_PAUSE_S)
            continue
        if not sent:
            stop.wait(_TICK_S)


def _has_parent(parent: int | None) -> bool:
    return parent is None or os.getppid() == parent
