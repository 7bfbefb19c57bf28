"""Real counter-parties on loopback: DCMTK's tools and Orthanc, started and stopped by fixtures."""

import contextlib
import dataclasses
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

HOST = "127.0.0.1"
# DCMTK's default sender waits for acknowledgements that receivers delay.
UNDELAYED = {"TCP_NODELAY": "1", "TCP_BUFFER_LENGTH": "131072"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Orthanc:
    """A running Orthanc that takes and gives everything.

    Attributes:
        url: of its REST interface, without a slash at the end; DICOMweb lies at `/dicom-web`.
    """

    ae_title: str
    dicom_port: int
    http_port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    @property
    def destination(self) -> str:
        return f"{self.ae_title}@{HOST}:{self.dicom_port}"

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection(HOST, self.http_port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, content
        return content

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.call("GET", path))

    def instances(self) -> dict[str, str]:
        """Orthanc's own id of every instance, by SOP Instance UID."""
        found = self.get("/instances?expand")
        return {each["MainDicomTags"]["SOPInstanceUID"]: each["ID"] for each in found}

    def count_instances(self) -> int:
        return len(self.get("/instances"))

    def file(self, orthanc_id: str) -> bytes:
        return self.call("GET", f"/instances/{orthanc_id}/file")

    def clear(self) -> None:
        for each in self.get("/patients"):
            self.call("DELETE", f"/patients/{each}")

    def knows(self, name: str, *, ae_title: str, port: int) -> None:
        """Tell Orthanc of a peer, so that it may send to it."""
        body = json.dumps([ae_title, HOST, port]).encode()
        self.call("PUT", f"/modalities/{name}", body)

    def send(self, name: str, orthanc_ids: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
        return json.loads(
            self.call("POST", f"/modalities/{name}/store", json.dumps(list(orthanc_ids)).encode())
        )


_UNASKED_PORTS = iter(random.sample(range(15_000, 32_000), 17_000))


def free_port() -> int:
    """Find a TCP port that nobody uses, and give each only once.

    Below the range from which the system takes the near end of a connection: between the asking
    and the listening nobody is given it.
    """
    for port in _UNASKED_PORTS:
        with socket.socket() as asked, contextlib.suppress(OSError):
            asked.bind((HOST, port))
            return port
    raise AssertionError("every port was given")


def wait_until(is_true: Callable[[], bool], *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"still false after {seconds} s"
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex((HOST, port)) == 0


def program(name: str) -> str:
    """Find an installed program, or skip with the reason."""
    # Debian's first: pynetdicom brings a storescu of its own into an active environment.
    found = shutil.which(name, path="/usr/bin:/usr/sbin:" + os.environ.get("PATH", ""))
    if found is None:
        pytest.skip(f"{name} is not installed; see tools/system_packages.sh")
    return found


def dcmtk(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's tools to its end."""
    return subprocess.run(
        [program(name), *map(str, arguments)],
        env=os.environ | UNDELAYED,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def start_dcmtk(name: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Start one of DCMTK's tools."""
    return subprocess.Popen(
        [program(name), *map(str, arguments)],
        env=os.environ | UNDELAYED,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def orthanc_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Start one Orthanc for all tests."""
    binary = program("Orthanc")
    folder = tmp_path_factory.mktemp("orthanc")
    running = Orthanc(ae_title="ORTHANC", dicom_port=free_port(), http_port=free_port())
    settings = _orthanc_settings(running, folder)
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    log = (folder / "log").open("wb")
    process = subprocess.Popen([binary, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(running.http_port) and listens(running.dicom_port))
        yield running
    finally:
        end(process)
        log.close()


@pytest.fixture
def orthanc(orthanc_process: Orthanc) -> Orthanc:
    """Give a running Orthanc that holds nothing."""
    orthanc_process.clear()
    return orthanc_process


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Give port and folder of a receiver of DCMTK that writes every byte as it came."""
    folder, port = tmp_path / "storescp", free_port()
    folder.mkdir()
    process = start_dcmtk("storescp", "+B", "+xa", "-pm", "-od", folder, port)
    try:
        wait_until(lambda: listens(port))
        yield port, folder
    finally:
        end(process)


def _orthanc_settings(running: Orthanc, folder: Path) -> dict[str, object]:
    plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
    return {
        "Name": "counterparty",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "DicomAet": running.ae_title,
        "DicomPort": running.dicom_port,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "UnknownSopClassAccepted": True,
        "HttpPort": running.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(plugin)] if plugin.exists() else [],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
