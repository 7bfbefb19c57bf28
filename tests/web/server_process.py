"""The web server in a process of its own, whose memory can be watched."""

import re
import subprocess
import sys
from pathlib import Path

from tests.counterparties import HOST, end, free_port, listens, wait_until

_SERVE = """
import signal, sys, threading
from sightline.archive.archive import Archive
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.web.app import create_app
from sightline.web.server import serve_web

settings = Settings.load(data_dir=sys.argv[1], web_port=int(sys.argv[2]))
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
archive, hub = Archive.open(settings), Hub.open(settings)
server = serve_web(settings, create_app(settings, archive, hub))
stop.wait()
server.stop()
"""


class ServerProcess:
    """Serves the data directory of `folder` until it is stopped."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", _SERVE, str(folder), str(self.port)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(self.port), seconds=60)
        self._before_bytes = 0
        self.watch_memory()

    def watch_memory(self) -> None:
        """Forget how much it ever took until now."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5", encoding="ascii")
        self._before_bytes = self._memory_bytes("VmRSS")

    def grown_bytes(self) -> int:
        """Return how much more it took at any time since than when the watch began."""
        return self._memory_bytes("VmHWM") - self._before_bytes

    def stop(self) -> None:
        end(self._process)

    def _memory_bytes(self, name: str) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024
