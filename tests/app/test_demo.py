"""The demo before it begins; `make demo` runs the rest."""

import socket
from pathlib import Path

import pytest

from sightline.app.demo import Demo
from sightline.errors import Refused
from sightline.settings import Settings


@pytest.mark.parametrize("taken", ["dimse_port", "web_port"])
def test_phantoms_do_not_go_to_whoever_listens(tmp_path: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        unused = free.getsockname()[1]
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
