"""The demo before it begins; `make demo` runs the rest."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sightline.app.demo import Demo
from sightline.errors import Refused
from sightline.settings import Settings
from tests.counterparties import free_port, listens, wait_until


@pytest.mark.parametrize("taken", ["dimse_port", "web_port"])
def test_phantoms_do_not_go_to_whoeverlistens(tmp_path: Path, taken: str) -> None:
    unused = free_port()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports = {"dimse_port": unused, "web_port": unused, taken: listener.getsockname()[1]}
        settings = Settings(data_dir=tmp_path / "data", **ports)
        said: list[str] = []
        with pytest.raises(Refused, match=f"listens on 127.0.0.1:{ports[taken]}"):
            Demo(settings, said.append).run(keep_serving=False)
    assert not said
    assert not (tmp_path / "data").exists()


def test_it_begins_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(Refused, match="is not empty"):
        Demo(Settings(data_dir=tmp_path), lambda _line: None).run(keep_serving=False)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_who_ends_it_from_outside_ends_its_server(tmp_path: Path) -> None:
    dimse, web = free_port(), free_port()
    environment = {
        **os.environ,
        "SIGHTLINE_DATA_DIR": str(tmp_path / "data"),
        "SIGHTLINE_DIMSE_PORT": str(dimse),
        "SIGHTLINE_WEB_PORT": str(web),
    }
    program = [sys.executable, "-m", "sightline", "demo"]
    demo = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: listens(dimse))
        demo.send_signal(signal.SIGTERM)
        said, _ = demo.communicate(timeout=90)
    finally:
        demo.kill()
    assert said.endswith("Stopping.\n")
    assert not listens(dimse)
    assert not listens(web)
