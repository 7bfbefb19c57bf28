import concurrent.futures
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
import sqlalchemy as sa
from dicomweb_client import DICOMwebClient

from sightline.archive.archive import Archive
from sightline.archive.completeness import complete_quiet_studies
from sightline.archive.quarantine import holdings
from sightline.archive.studies import study
from sightline.catalog.archive_tables import ASSOCIATION
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.values.identity import StudyUid
from sightline.web.app import create_app
from sightline.web.server import WebServer
from tests.counterparties import wait_until
from tests.instances import ROOT, STUDY, part10_of, slice_of, uid
from tests.web.stage import Stage

TYPE = 'multipart/related; type="application/dicom"; boundary=b0'
Model = dict[str, Any]


def body_of(contents: Iterable[bytes], *, part_type: str = "application/dicom") -> bytes:
    head = f"--b0\r\nContent-Type: {part_type}\r\n\r\n".encode()
    return b"".join(head + content + b"\r\n" for content in contents) + b"--b0--\r\n"


def files(count: int, **attributes: object) -> list[bytes]:
    return [part10_of(slice_of(number, **attributes)) for number in range(1, count + 1)]


def store(
    url: str, body: bytes | Iterable[bytes], path: str = "/archive/studies", **headers: str
) -> httpx.Response:
    content = body if isinstance(body, bytes) else iter(body)
    given = {"Content-Type": TYPE, "Accept": "application/dicom+json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{url}{path}", content=content, headers=given, timeout=60)


@pytest.fixture(scope="module")
def shared_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve an archive that several tests store into."""
    folder = tmp_path_factory.mktemp("shared")
    archive, hub = Archive.at(folder / "archive"), Hub.at(folder / "hub")
    settings = Settings.load(data_dir=folder, web_port=0)
    server = WebServer(settings, create_app(settings, archive, hub))
    server.start()
    yield server.url
    server.stop()
    archive.close()
    hub.close()


def items(model: Model, tag: str) -> list[Model]:
    found: list[Model] = model.get(tag, {}).get("Value", [])
    return found


def endings(stage: Stage) -> list[str]:
    with stage.archive.database.read() as connection:
        rows = connection.execute(sa.select(ASSOCIATION).order_by(ASSOCIATION.c.id)).all()
    assert {row.calling_ae for row in rows} <= {"STOW-RS"}
    return [row.ended for row in rows]


def test_what_is_stored_is_kept_byte_for_byte(stage: Stage, empty_url: str) -> None:
    sent = files(3)
    answer = store(empty_url, body_of(sent))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    model = answer.json()
    assert model["00081190"]["Value"] == [f"/archive/studies/{STUDY}"]
    assert set(model) == {"00081190", "00081199"}
    stored = items(model, "00081199")
    assert [each["00081155"]["Value"] for each in stored] == [[uid(n)] for n in (1, 2, 3)]
    kept = study(stage.archive, StudyUid(STUDY)).instances
    assert sorted(stage.archive.objects.get(each.digest) for each in kept) == sorted(sent)
    for content, each in zip(sent, stored, strict=True):
        place = f"{empty_url}{each['00081190']['Value'][0]}"
        got = httpx.get(place, headers={"Accept": "application/dicom"})
        assert got.content == content
    assert endings(stage) == ["released"]


def test_a_study_completes_when_its_upload_ended(stage: Stage, empty_url: str) -> None:
    completed_meanwhile = []

    def pieces() -> Iterator[bytes]:
        whole = body_of(files(2))
        yield whole[:-40]
        wait_until(lambda: bool(httpx.get(f"{empty_url}/archive/studies").json()))
        completed_meanwhile.extend(complete_quiet_studies(stage.archive, quiet_period_s=0))
        yield whole[-40:]

    assert store(empty_url, pieces()).status_code == 200
    assert completed_meanwhile == []
    assert complete_quiet_studies(stage.archive, quiet_period_s=0) == [STUDY]


def test_dicomweb_client_stores(stage: Stage, empty_url: str) -> None:
    client = DICOMwebClient(f"{empty_url}/archive")
    images = [pydicom.dcmread(pydicom.filebase.DicomBytesIO(each)) for each in files(5)]
    answer = client.store_instances(images)
    assert len(answer.ReferencedSOPSequence) == 5
    assert "FailedSOPSequence" not in answer
    again = client.store_instances(images, study_instance_uid=STUDY)
    assert len(again.ReferencedSOPSequence) == 5
    assert len(client.search_for_instances(STUDY)) == 5
    assert client.retrieve_study(STUDY) == images
    assert holdings(stage.archive) == []


def test_a_part_that_is_broken_does_not_stop_the_others(stage: Stage, empty_url: str) -> None:
    good, other = files(2)
    answer = store(empty_url, body_of([b"junk", good, other[:200], other]))
    assert answer.status_code == 202
    model = answer.json()
    assert len(items(model, "00081199")) == 2
    assert [each["00081197"]["Value"] for each in items(model, "0008119A")] == [[0xC000]] * 2
    assert len(study(stage.archive, StudyUid(STUDY)).instances) == 2


def test_instances_of_another_study_than_the_address(empty_url: str) -> None:
    other = f"{ROOT}.2"
    sent = [*files(1), part10_of(slice_of(2, StudyInstanceUID=other))]
    path = f"/archive/studies/{other}"
    answer = store(empty_url, body_of(sent), path)
    assert answer.status_code == 202
    (failed,) = items(answer.json(), "00081198")
    assert failed["00081155"]["Value"] == [uid(1)]
    assert failed["00081197"]["Value"] == [0xA900]
    answer = store(empty_url, body_of(sent[:1]), path)
    assert answer.status_code == 409
    assert "00081199" not in answer.json()
    assert len(httpx.get(f"{empty_url}/archive/instances").json()) == 1


def test_a_conflict_is_kept_and_said(stage: Stage, empty_url: str) -> None:
    (first,) = files(1)
    (second,) = files(1, StudyDescription="Another text")
    assert store(empty_url, body_of([first])).status_code == 200
    answer = store(empty_url, body_of([second]))
    assert answer.status_code == 202
    (stored,) = items(answer.json(), "00081199")
    assert stored["00081196"]["Value"] == [0xB0C0]
    (held,) = holdings(stage.archive)
    assert stage.archive.objects.get(held.digest) == second  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/dicom", 415),
        ("multipart/form-data; boundary=b0", 415),
        ('multipart/related; type="application/dicom+json"; boundary=b0', 415),
        ("", 415),
        ("multipart/related", 400),
        ("multipart/related; boundary=" + "x" * 201, 400),
        ("multipart/related; boundary=other", 400),
        ("multipart/related; boundary=b0", 200),
        ('multipart/related; type="application/dicom"; boundary="b0"', 200),
        ("Multipart/Related; Boundary=b0; Type=application/DICOM; start=1", 200),
    ],
)
def test_content_types(shared_url: str, content_type: str, status: int) -> None:
    answer = store(shared_url, body_of(files(1)), Content_Type=content_type)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["hint"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [("*/*", 200), ("application/json", 200), ("application/dicom+xml", 406), ("text/html", 406)],
)
def test_accept(shared_url: str, accept: str, status: int) -> None:
    place = f"{ROOT}.{len(accept)}"
    names = {"StudyInstanceUID": place, "SeriesInstanceUID": f"{place}.1"}
    body = body_of(files(1, SOPInstanceUID=f"{place}.1.1", **names))
    assert store(shared_url, body, Accept=accept).status_code == status
    # Nothing is kept where the answer could not be read.
    found = httpx.get(f"{shared_url}/archive/studies?StudyInstanceUID={place}").json()
    assert len(found) == (1 if status == 200 else 0)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "ends before its last delimiter"),
        (b"--b0--\r\n", "holds no part"),
        (b"--b0\r\n\r\nx", "ends before its last delimiter"),
        (b"--b0 text\r\n\r\nx", "the multipart body is broken"),
    ],
)
def test_broken_bodies(stage: Stage, empty_url: str, body: bytes, problem: str) -> None:
    answer = store(empty_url, body)
    assert answer.status_code == 400
    assert problem in answer.json()["problem"]
    assert endings(stage) == ["aborted"]


def test_what_came_before_the_break_stays(stage: Stage, empty_url: str) -> None:
    whole = body_of(files(2))
    answer = store(empty_url, whole[:-100])
    assert answer.status_code == 400
    assert "were kept" in answer.json()["hint"]
    assert len(study(stage.archive, StudyUid(STUDY)).instances) == 1


def test_a_study_uid_that_is_none(shared_url: str) -> None:
    assert store(shared_url, body_of(files(1)), "/archive/studies/x").status_code == 400


def test_parts_of_another_type_are_not_understood(shared_url: str) -> None:
    answer = store(shared_url, body_of(files(1), part_type="application/pdf"))
    assert answer.status_code == 409
    (failed,) = items(answer.json(), "0008119A")
    assert failed["00081197"]["Value"] == [0xC000]


def test_an_instance_that_is_too_large(stage: Stage) -> None:
    settings = Settings.load(data_dir=stage.folder.parent, web_port=0, max_instance_bytes=1024**2)
    server = WebServer(settings, create_app(settings, stage.archive, stage.hub))
    server.start()
    try:
        large = part10_of(slice_of(2, size=800))
        answer = store(server.url, body_of([*files(1), large]))
        assert answer.status_code == 413
        assert "max_instance_bytes" not in answer.json()["problem"]
        assert len(study(stage.archive, StudyUid(STUDY)).instances) == 1
    finally:
        server.stop()


def test_a_sender_that_leaves(stage: Stage, empty_url: str) -> None:
    port = int(empty_url.rpartition(":")[2])
    body = body_of(files(3))[:-300]
    head = (
        f"POST /archive/studies HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {TYPE}\r\n"
        f"Content-Length: {len(body) + 300}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.encode() + body)
        wait_until(lambda: len(httpx.get(f"{empty_url}/archive/instances").json()) == 2)
    wait_until(lambda: endings(stage) == ["lost"])


def test_many_uploads_at_once_lose_nothing(empty_url: str) -> None:
    def upload(number: int) -> int:
        place = f"{ROOT}.{number}"
        names = {"StudyInstanceUID": place, "SeriesInstanceUID": f"{place}.1"}
        sent = [
            part10_of(slice_of(each, SOPInstanceUID=f"{place}.1.{each}", **names))
            for each in range(1, 6)
        ]
        return store(empty_url, body_of(sent)).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(upload, range(10, 18))) == {200}
    assert len(httpx.get(f"{empty_url}/archive/instances").json()) == 8 * 5


def test_more_uploads_than_places_are_told_to_wait(tmp_path: Path, stage: Stage) -> None:
    settings = Settings.load(data_dir=tmp_path, web_port=0, max_associations=1)
    server = WebServer(settings, create_app(settings, stage.archive, Hub.at(tmp_path / "hub2")))
    server.start()
    answers = []

    def pieces() -> Iterator[bytes]:
        yield b"--b0\r\n\r\n"
        answers.append(store(server.url, body_of(files(1))))
        yield files(1)[0] + b"\r\n--b0--"

    try:
        assert store(server.url, pieces()).status_code == 200
    finally:
        server.stop()
    assert [answer.status_code for answer in answers] == [503]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
    ],
)
def test_pages_of_other_sites_store_nothing(
    shared_url: str, headers: dict[str, str], status: int
) -> None:
    assert store(shared_url, body_of(files(1)), **headers).status_code == status
    assert store(shared_url, body_of(files(1)), Origin=shared_url).status_code == 200
