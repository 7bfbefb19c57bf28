"""`sightline up`: the listener and the web server here, the worker in a process beside."""

import os
import signal
import subprocess
import sys
import threading

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.hub.hub import Hub
from sightline.intake.dimse import Listener
from sightline.settings import Settings
from sightline.web.app import create_app
from sightline.web.server import WebServer

_log = log.get("app")
_TICK_S = 0.5
_LONGEST_PAUSE_S = 30.0


def run_up(settings: Settings) -> None:
    """Receive, serve pages and work until SIGTERM or SIGINT.

    Raises:
        BadSettings: The data directory or a port cannot be used.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    archive, hub = Archive.open(settings), Hub.open(settings)
    listener = Listener(archive, settings)
    web = WebServer(settings, create_app(settings, archive, hub))
    worker = WorkerProcess(settings)
    listener.start()
    try:
        web.start()
        worker.start()
        _log.info("up", web=web.url, dimse=f"{settings.ae_title}@{settings.host}:{listener.port}")
        while not stop.wait(_TICK_S):
            worker.revive()
    finally:
        worker.stop()
        web.stop()
        listener.stop()
        archive.close()
        hub.close()


class WorkerProcess:
    """A child process that works, started again with growing pauses when it dies."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._pause_s = 1.0
        self._next_start = 0.0

    def start(self) -> None:
        """Start the worker."""
        command = [sys.executable, "-m", "sightline", "worker", "--parent", str(os.getpid())]
        self._process = subprocess.Popen(command, env=self._settings.as_environment())  # noqa: S603 - our own command

    def revive(self) -> None:
        """Start the worker again if it died."""
        if self._process is None or self._process.poll() is None:
            return
        if self._next_start == 0.0:
            _log.error("worker_died", status=self._process.returncode, restart_in=self._pause_s)
            self._next_start = clock.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        elif clock.monotonic() >= self._next_start:
            self._next_start = 0.0
            self.start()

    def stop(self) -> None:
        """Let the worker finish its step, then end it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
