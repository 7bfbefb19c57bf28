"""`sightline up`: the listener and the web server here, the worker in a process beside.

Where the setting `receivers` asks for several, they receive in processes beside too.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.associations import close_lost_associations
from sightline.hub.hub import Hub
from sightline.intake.connections import listen
from sightline.intake.dimse import Listener
from sightline.intake.mllp import MllpListener
from sightline.intake.watched import WatchedFolder
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
    hl7 = MllpListener(archive, settings) if settings.hl7_port else None
    web = WebServer(settings, create_app(settings, archive, hub))
    worker = ChildProcess(settings, ("worker",))
    watched = WatchedFolder(
        archive,
        Path(settings.watch_dir),
        quiet_s=settings.watch_quiet_s,
        default_issuer=settings.issuer_of("watch"),
    )
    receiving: Listener | Receivers
    if settings.receivers == 1:
        receiving = Listener(archive, settings)
    else:
        receiving = Receivers(archive, settings)
    receiving.start()
    try:
        if hl7 is not None:
            hl7.start()
        web.start()
        if settings.watch_dir:
            watched.start()
        worker.start()
        _log.info("up", web=web.url, dimse=f"{settings.ae_title}@{settings.host}:{receiving.port}")
        while not stop.wait(_TICK_S):
            worker.revive()
            if isinstance(receiving, Receivers):
                receiving.revive()
    finally:
        worker.stop()
        watched.stop()
        web.stop()
        if hl7 is not None:
            hl7.stop()
        receiving.stop()
        archive.close()
        hub.close()


class Receivers:
    """Processes that receive on one port, started again when they die.

    Raises:
        BadSettings: The address, the port, a rule or a certificate cannot be used.
    """

    def __init__(self, archive: Archive, settings: Settings) -> None:
        Listener(archive, settings)  # it says here, not in each of them, what is wrong
        self._archive = archive
        self._settings = settings
        self._listening = listen(settings.host, settings.dimse_port)
        self._processes: dict[int, ChildProcess] = {}

    @property
    def port(self) -> int:
        """The TCP port that they share."""
        return int(self._listening.getsockname()[1])

    def start(self) -> None:
        """Start them."""
        close_lost_associations(self._archive)
        descriptor = self._listening.fileno()
        for number in range(1, self._settings.receivers + 1):
            verb = ("receive", "--number", str(number), "--descriptor", str(descriptor))
            child = ChildProcess(self._settings, verb, descriptors=(descriptor,))
            child.start()
            self._processes[number] = child

    def revive(self) -> None:
        """Start again whichever died, and close the associations it had."""
        for number, child in self._processes.items():
            if child.revive():
                close_lost_associations(self._archive, receiver=number)

    def stop(self) -> None:
        """End all of them."""
        for child in self._processes.values():
            child.stop()
        self._listening.close()


class ChildProcess:
    """A process of ours, started again with growing pauses when it dies.

    Args:
        settings: which it reads as we did.
        verb: what it does: a verb of `sightline` that takes `--parent`, and its options.
        descriptors: what it finds open.
    """

    def __init__(
        self, settings: Settings, verb: tuple[str, ...], *, descriptors: tuple[int, ...] = ()
    ) -> None:
        self._settings = settings
        self._verb = verb
        self._descriptors = descriptors
        self._process: subprocess.Popen[bytes] | None = None
        self._pause_s = 1.0
        self._next_start = 0.0

    def start(self) -> None:
        """Start it."""
        command = [sys.executable, "-m", "sightline", *self._verb, "--parent", str(os.getpid())]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=self._settings.as_environment(), pass_fds=self._descriptors
        )

    def revive(self) -> bool:
        """Start it again if it died; tell whether we have just found it dead."""
        if self._process is None or self._process.poll() is None:
            return False
        is_news = self._next_start == 0.0
        if is_news:
            _log.error(
                f"{self._verb[0]}_died",
                status=self._process.returncode,
                restart_in=self._pause_s,
            )
            self._next_start = clock.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        elif clock.monotonic() >= self._next_start:
            self._next_start = 0.0
            self.start()
        return is_news

    def stop(self) -> None:
        """Let it finish its step, then end it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
