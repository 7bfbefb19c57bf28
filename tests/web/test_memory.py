"""Memory stays flat while a large study passes in by STOW-RS and out again by WADO-RS."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sightline.intake.multipart import MultipartReader
from tests.instances import STUDY, part10_of, slice_of, uid
from tests.web.server_process import ServerProcess

MOST_BYTES = 64 * 1024**2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path / "data")
    yield running
    running.stop()


@pytest.mark.parametrize("count", [400, pytest.param(4000, marks=pytest.mark.gate)])
def test_a_study_passes_in_and_out(server: ServerProcess, count: int) -> None:
    """4,000 slices of 512 x 512 are 2.1 GB."""
    sent: set[str] = set()

    def body() -> Iterator[bytes]:
        for content in slices(count):
            sent.add(hashlib.sha256(content).hexdigest())
            yield b"--b0\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n"
        yield b"--b0--\r\n"

    place = f"{server.url}/archive/studies"
    assert httpx.get(place, timeout=60).json() == []
    server.watch_memory()
    kind = 'multipart/related; type="application/dicom"; boundary=b0'
    answer = httpx.post(place, content=body(), headers={"Content-Type": kind}, timeout=600)
    assert answer.status_code == 200
    assert len(answer.json()["00081199"]["Value"]) == count == len(sent)
    assert server.grown_bytes() <= MOST_BYTES
    got: set[str] = set()
    with httpx.stream("GET", f"{place}/{STUDY}", timeout=600) as retrieved:
        boundary = retrieved.headers["content-type"].partition("boundary=")[2]
        reader = MultipartReader(boundary, max_part_bytes=MOST_BYTES)
        for piece in retrieved.iter_bytes():
            got |= {hashlib.sha256(part.content).hexdigest() for part in reader.feed(piece)}
    assert got == sent
    assert server.grown_bytes() <= MOST_BYTES


def slices(count: int) -> Iterator[bytes]:
    """Make slices that differ in their UID and number alone."""
    model = part10_of(slice_of(1, size=512, SOPInstanceUID=uid(100_000)))
    for number in range(count):
        yield model.replace(uid(100_000).encode(), uid(100_000 + number).encode())
