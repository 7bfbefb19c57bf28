"""An archive of its own for each test, and a listener that receives into it."""

import dataclasses
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.intake.dimse import Listener
from sightline.peers.dimse import Destination
from sightline.settings import Settings
from tests.counterparties import HOST, end, free_port, listens, wait_until

_SERVE = """
import signal, sys, threading
from sightline.intake.dimse import serve_dimse
from sightline.settings import Settings

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
serve_dimse(Settings.load(data_dir=sys.argv[1], dimse_port=int(sys.argv[2])), stop)
"""


def serve_command(data_dir: Path, port: int) -> list[str]:
    """What runs a listener, and nothing else, in a process of its own."""
    return [sys.executable, "-c", _SERVE, str(data_dir), str(port)]


@dataclasses.dataclass
class ListenerProcess:
    """A listener in a process of its own, which tests may kill or starve."""

    data_dir: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def destination(self) -> Destination:
        return Destination(ae_title="SIGHTLINE", host=HOST, port=self.port)

    def start(self) -> None:
        command = serve_command(self.data_dir, self.port)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(lambda: listens(self.port), seconds=60)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def limit(self, kind: int, value: int) -> int:
        """Change a resource limit of the running process and return what it was."""
        assert self.process is not None
        soft, hard = resource.prlimit(self.process.pid, kind)
        resource.prlimit(self.process.pid, kind, (value, hard))
        return soft

    def highest_descriptor(self) -> int:
        assert self.process is not None
        return max(int(each.name) for each in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def memory_kib(self, name: str) -> int:
        """Return `VmRSS`, or its peak `VmHWM`."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.split(f"{name}:")[1].split()[0])

    def forget_peak(self) -> None:
        assert self.process is not None
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", encoding="ascii")

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path / "data", dimse_port=0)


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    opened = Archive.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def listener(archive: Archive, settings: Settings) -> Iterator[Listener]:
    running = Listener(archive, settings)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def listener_process(settings: Settings) -> Iterator[ListenerProcess]:
    """Give a listener, already started, on the data directory of `settings` and `archive`."""
    running = ListenerProcess(settings.data_dir, free_port())
    running.start()
    yield running
    running.stop()
