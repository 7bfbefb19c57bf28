"""Objects by STOW-RS: to a real Orthanc, to our own archive, and to services that refuse."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.studies import study
from sightline.errors import PeerFailed
from sightline.hub.hub import Hub
from sightline.peers.stow import store
from sightline.settings import Settings
from sightline.values.identity import StudyUid
from sightline.web.app import create_app
from sightline.web.server import WebServer
from tests.counterparties import HOST, Orthanc, free_port
from tests.instances import STUDY, part10_of, slice_of, uid
from tests.told import WebService

TLS = ssl.create_default_context()
CONTENT = part10_of(slice_of(1))


def failed(*reasons: int) -> bytes:
    items = [{"00081197": {"vr": "US", "Value": [reason]}} for reason in reasons]
    return json.dumps({"00081198": {"vr": "SQ", "Value": items}}).encode()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = Archive.at(tmp_path / "archive")
    yield opened
    opened.close()


@pytest.fixture
def archive_url(archive: Archive, tmp_path: Path) -> Iterator[str]:
    hub = Hub.at(tmp_path / "hub")
    settings = Settings.load(data_dir=tmp_path, web_port=0)
    server = WebServer(settings, create_app(settings, archive, hub))
    server.start()
    yield f"{server.url}/archive"
    server.stop()
    hub.close()


def test_our_own_archive_keeps_the_bytes_and_a_repeat_is_the_same_object(
    archive: Archive, archive_url: str
) -> None:
    for url in (archive_url, f"{archive_url}/"):
        store(url, CONTENT, tls=TLS)
    (kept,) = study(archive, StudyUid(STUDY)).instances
    assert archive.objects.get(kept.digest) == CONTENT


def test_orthanc_takes_it_and_a_repeat_is_the_same_object(orthanc: Orthanc) -> None:
    if not Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so").exists():
        pytest.skip("Orthanc's DICOMweb plugin is not installed; see tools/system_packages.sh")
    for _ in range(2):
        store(f"{orthanc.url}/dicom-web", CONTENT, tls=TLS)
    assert list(orthanc.instances()) == [uid(1)]


def test_what_our_own_archive_cannot_understand_is_a_failure(archive_url: str) -> None:
    with pytest.raises(PeerFailed, match=r"did not store the object \(409\): 0xC000"):
        store(archive_url, b"junk", tls=TLS)


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (409, failed(0x0122), r"\(409\): 0x0122"),
        (202, failed(0xA700), r"\(202\): 0xA700"),
        (200, failed(0xA700), r"\(200\): 0xA700"),
        (202, b"<xml/>", r"\(202\): no reason given"),
        (409, b"[]", r"\(409\): no reason given"),
        (503, b"", "answered 503"),
        (301, b"", "answered 301"),
    ],
)
def test_a_refusal_is_a_failure_with_its_reason(status: int, body: bytes, problem: str) -> None:
    with WebService((status, body)) as service, pytest.raises(PeerFailed, match=problem):
        store(service.url, CONTENT, tls=TLS)


@pytest.mark.parametrize(("status", "body"), [(200, b""), (200, b"<xml/>"), (202, b"{}")])
def test_what_was_stored_with_or_without_a_warning_is_stored(status: int, body: bytes) -> None:
    with WebService((status, body)) as service:
        store(service.url, CONTENT, tls=TLS)
        ((path, kind, sent),) = service.requests
    assert path == "/studies"
    assert kind.startswith('multipart/related; type="application/dicom"; boundary=')
    boundary = kind.rpartition("=")[2].encode()
    assert sent.split(b"\r\n\r\n", 1)[1] == CONTENT + b"\r\n--" + boundary + b"--\r\n"


def test_no_boundary_stands_in_the_object() -> None:
    with WebService((200, b"")) as service:
        store(service.url, CONTENT, tls=TLS)
        boundary = service.requests[0][1].rpartition("=")[2]
        content = CONTENT + boundary.encode()
        store(service.url, content, tls=TLS)
        other = service.requests[1][1].rpartition("=")[2].encode()
    assert other not in content


def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(PeerFailed, match="cannot be reached"):
        store(f"http://{HOST}:{free_port()}", CONTENT, tls=TLS)
