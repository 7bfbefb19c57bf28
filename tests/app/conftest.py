"""A real `sightline up` in a process of its own, that tests may kill."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest


@dataclasses.dataclass
class Sightline:
    """One data directory, and the server that may be running on it."""

    data_dir: Path
    web_port: int
    dimse_port: int
    pacs: str = ""
    quiet_period_s: float = 1.0
    process: subprocess.Popen[bytes] | None = None

    @property
    def destination(self) -> str:
        return f"SIGHTLINE@127.0.0.1:{self.dimse_port}"

    @property
    def environment(self) -> dict[str, str]:
        return dict(os.environ) | {
            "SIGHTLINE_DATA_DIR": str(self.data_dir),
            "SIGHTLINE_WEB_PORT": str(self.web_port),
            "SIGHTLINE_DIMSE_PORT": str(self.dimse_port),
            "SIGHTLINE_PACS": self.pacs,
            "SIGHTLINE_QUIET_PERIOD_S": str(self.quiet_period_s),
            "SIGHTLINE_THREADS": "2",
            "COLUMNS": "200",
        }

    def start(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "server.log").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sightline", "up"],
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        self.wait_until_up()

    def wait_until_up(self, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        url = f"http://127.0.0.1:{self.web_port}/api/health"
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        pytest.fail(f"not up after {timeout_s} s: {self.log()[-2000:]}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=40)

    def log(self) -> str:
        return (self.data_dir / "server.log").read_text(errors="replace")

    def run(self, *arguments: str, timeout_s: float = 300) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sightline", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def sightline(tmp_path: Path) -> Iterator[Sightline]:
    """Give a data directory with free ports; whatever was started is stopped."""
    made = Sightline(tmp_path / "data", web_port=free_port(), dimse_port=free_port())
    yield made
    made.stop()
