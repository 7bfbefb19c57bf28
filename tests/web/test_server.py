import socket
import threading
from pathlib import Path

import httpx
import pytest

from sightline.archive.archive import Archive
from sightline.errors import BadSettings
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.web.app import create_app
from sightline.web.server import WebServer, serve_web
from tests.counterparties import wait_until
from tests.web.stage import Stage


def test_it_stops_and_leaves_its_port(stage: Stage, tmp_path: Path) -> None:
    before = threading.active_count()
    settings = Settings.load(data_dir=tmp_path, web_port=0)
    server = serve_web(settings, create_app(settings, stage.archive, stage.hub))
    port = int(server.url.rpartition(":")[2])
    assert httpx.get(f"{server.url}/api/health").json()["status"] == "ok"
    server.stop()
    # The pool's threads are told to end when the loop does, and end a moment later.
    wait_until(lambda: threading.active_count() <= before)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/api/health")
    again = Settings.load(data_dir=tmp_path, web_port=port)
    second = serve_web(again, create_app(again, stage.archive, stage.hub))
    assert second.url == server.url
    second.stop()


def test_a_port_in_use_is_said_to_be_so(stage: Stage, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings.load(data_dir=tmp_path, web_port=taken.getsockname()[1])
        server = WebServer(settings, create_app(settings, stage.archive, stage.hub))
        with pytest.raises(BadSettings, match="cannot listen on"):
            server.start()
        server.stop()


def test_requests_are_answered_beside_each_other(stage: Stage, tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, web_port=0)
    server = serve_web(settings, create_app(settings, stage.archive, stage.hub))
    answers: list[int] = []

    def ask() -> None:
        with httpx.Client(timeout=30) as client:
            answers.extend(client.get(f"{server.url}/api/worklist").status_code for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.stop()
    assert answers == [200] * 60


def test_what_nobody_foresaw_is_logged_without_patients(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.load(data_dir=tmp_path, web_port=0)
    archive, hub = Archive.open(settings), Hub.open(settings)
    server = serve_web(settings, create_app(settings, archive, hub))
    with archive.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE study RENAME TO lost")
    answer = httpx.get(f"{server.url}/archive/studies?PatientName=Probe")
    health = httpx.get(f"{server.url}/api/health")
    server.stop()
    archive.close()
    hub.close()
    assert (answer.status_code, health.status_code) == (500, 500)
    assert answer.json()["problem"] == "something unforeseen went wrong"
    output = "".join(capfd.readouterr())
    assert "request_crashed" in output
    assert "search.py" in output
    assert "Probe" not in output + answer.text


def test_small_answers_do_not_wait_for_acknowledgements(stage: Stage, tmp_path: Path) -> None:
    """With Nagle's algorithm every answer in two parts takes at least 40 ms."""
    settings = Settings.load(data_dir=tmp_path, web_port=0)
    server = serve_web(settings, create_app(settings, stage.archive, stage.hub))
    with httpx.Client() as client:
        seconds = [
            client.get(f"{server.url}/static/icon.svg").elapsed.total_seconds() for _ in range(30)
        ]
    server.stop()
    assert min(seconds) < 0.03
