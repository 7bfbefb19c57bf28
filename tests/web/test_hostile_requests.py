"""Requests that nobody should send: mutated, cut short, oversized, aimed at other files."""

import random
import select
import socket
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.counterparties import HOST
from tests.instances import ROOT, SERIES, STUDY, part10_of, slice_of, uid
from tests.web.server_process import ServerProcess

LONGEST_S = 5.0
INSTANCE = f"/archive/studies/{STUDY}/series/{SERIES}/instances/{uid(1)}"
TYPE = 'multipart/related; type="application/dicom"; boundary=b0'


class Target:
    """A server over an archive of its own, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.process = ServerProcess(folder / "data")
        self.root = folder / "data"
        self.outside = folder
        (folder / "canary.txt").write_text("CANARY-OUTSIDE-THE-ROOT", encoding="utf-8")
        assert self.store(*(part10_of(slice_of(number)) for number in (1, 2, 3))) == 200

    def store(self, *contents: bytes) -> int:
        return self.post(body_of(*contents)).status_code

    def post(self, body: bytes) -> httpx.Response:
        return httpx.post(
            f"{self.process.url}/archive/studies",
            content=body,
            headers={"Content-Type": TYPE},
            timeout=60,
        )

    def send(self, request: bytes) -> tuple[int, bytes]:
        """Send bytes and no more; return the status (0 where it closes) and what came.

        The server may wait for the rest of a request that is cut short, or for another one: it is
        left a second, then the sender leaves.
        """
        began, came = time.monotonic(), bytearray()
        with socket.create_connection((HOST, self.process.port), timeout=LONGEST_S) as connection:
            try:
                connection.sendall(request)
                is_leaving = False
                while True:
                    if not is_leaving and not select.select([connection], [], [], 1)[0]:
                        connection.shutdown(socket.SHUT_WR)
                        is_leaving = True
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    came += piece
            except (ConnectionResetError, BrokenPipeError):
                pass
        seconds = time.monotonic() - began
        assert seconds <= LONGEST_S, (seconds, request[:500])
        if not came:
            return 0, b""
        assert came.startswith(b"HTTP/1.1 "), request[:500]
        return int(came[9:12]), bytes(came)

    def files_outside(self) -> set[str]:
        return {
            str(path)
            for path in self.outside.rglob("*")
            if path.is_file() and self.root not in path.parents
        }

    def names_inside(self) -> set[str]:
        """The names that are no digests."""
        return {
            path.name
            for path in (self.root / "archive").rglob("*")
            if path.is_file() and not (len(path.name) == 64 and path.name.isalnum())
        }


def body_of(*contents: bytes, head: bytes = b"Content-Type: application/dicom\r\n") -> bytes:
    parts = b"".join(b"--b0\r\n" + head + b"\r\n" + each + b"\r\n" for each in contents)
    return parts + b"--b0--\r\n"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    made = Target(tmp_path_factory.mktemp("hostile"))
    yield made
    made.process.stop()


def assert_healthy(target: Target) -> None:
    url = target.process.url
    assert httpx.get(f"{url}/api/health", timeout=60).status_code == 200
    got = httpx.get(f"{url}{INSTANCE}", headers={"Accept": "application/dicom"}, timeout=60)
    assert got.content == part10_of(slice_of(1))
    fresh = part10_of(slice_of(9, SOPInstanceUID=f"{uid(9)}.{time.time_ns()}"))
    assert target.store(fresh) == 200
    assert target.process.grown_bytes() <= 64 * 1024**2


@pytest.mark.parametrize("count", [2000, pytest.param(20_000, marks=pytest.mark.gate)])
def test_no_mutated_request_is_a_server_error_or_hangs(target: Target, count: int) -> None:
    target.process.watch_memory()
    outside, chance = target.files_outside(), random.Random(20_000)  # noqa: S311 - repeatable
    requests = [mutated(chance) for _ in range(count)]
    with ThreadPoolExecutor(16) as senders:
        answers = list(senders.map(target.send, requests))
    for request, (status, _) in zip(requests, answers, strict=True):
        assert status < 500, request[:2000]
    statuses = Counter(status for status, _ in answers)
    # The requests reach every kind of answer, not only the first refusal.
    assert {200, 400, 404, 406, 415} <= set(statuses), statuses
    assert statuses[200] >= count / 20, statuses
    assert target.files_outside() == outside
    assert_healthy(target)


PATHS = (
    "/archive/studies",
    "/archive/series",
    "/archive/instances",
    f"/archive/studies/{STUDY}",
    f"/archive/studies/{STUDY}/series",
    f"/archive/studies/{STUDY}/metadata",
    f"/archive/studies/{STUDY}/series/{SERIES}/instances",
    f"/archive/studies/{STUDY}/series/{SERIES}/metadata",
    INSTANCE,
    f"{INSTANCE}/metadata",
    f"{INSTANCE}/frames/1",
    f"{INSTANCE}/bulkdata/7FE00010",
    f"{INSTANCE}/bulkdata/00081140/0/00081155",
)
QUERIES = (
    "PatientName=*pro*",
    "PatientName=Probe%5EOne&fuzzymatching=true",
    "StudyDate=20240101-20241231",
    "StudyTime=10-",
    "ModalitiesInStudy=CT%5CMR",
    f"StudyInstanceUID={STUDY}",
    "limit=2&offset=1",
    "includefield=all",
    "includefield=00080090,PixelSpacing",
    "SeriesNumber=1",
    "accept=application/dicom%2Bjson",
    "window=40,400",
)
HEADERS = (
    "Accept: application/dicom+json",
    "Accept: */*",
    'Accept: multipart/related; type="application/dicom"; transfer-syntax=*',
    'Accept: multipart/related; type="application/octet-stream"',
    "Accept: image/jp2;q=0.5, text/html",
    "Accept-Charset: utf-8",
    "Range: bytes=0-10",
    "If-None-Match: *",
    "Origin: https://evil.example",
    "Transfer-Encoding: chunked",
    "Content-Encoding: gzip",
    "Expect: 100-continue",
    "X-Forwarded-Host: evil.example",
    "Cookie: a=b",
)
POST_TYPES = (
    TYPE,
    TYPE,
    TYPE,
    "multipart/related; boundary=b0",
    "multipart/related",
    'multipart/related; boundary="b0',
    "application/dicom",
    "multipart/form-data; boundary=b0",
)
NASTY = (
    *(b"\0", b"\r\n", b"%00", b"%", b"%zz", b"..", b"/", b"\\", b"\xff\xfe", b"'", b'"', b";"),
    *(b"%0d%0aX: y", b"-1", b"99999999999999999999", b"*" * 200, b"9" * 70, b"%25%s%n", b"\x80"),
    *("ä".encode(), b"%F0%9F%92%A9", b"%ED%A0%80", b"1e9", b"NaN", b"{}", b"--b0", b"?" * 50),
)


def mutated(chance: random.Random) -> bytes:
    """Make a request that is genuine but for a few mutations."""
    if chance.random() < 0.35:
        request = posted(chance)
    else:
        method = chance.choice(("GET",) * 12 + ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "FOO"))
        query = "&".join(chance.sample(QUERIES, chance.randrange(4)))
        headers = "\r\n".join(chance.sample(HEADERS, chance.randrange(3)))
        text = f"{method} {chance.choice(PATHS)}?{query} HTTP/1.1\r\nHost: localhost\r\n"
        request = f"{text}Connection: close\r\n{headers}\r\n\r\n".encode()
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        request = mutate(request, chance)
    return request


def posted(chance: random.Random) -> bytes:
    content = part10_of(slice_of(chance.randrange(1, 4)))
    contents = [content] * chance.randrange(1, 3)
    if chance.random() < 0.5:
        contents[0] = mutate(contents[0], chance)
    body = body_of(*contents)
    if chance.random() < 0.5:
        body = mutate(body, chance)
    length = chance.choice((len(body), len(body), len(body), 0, -1, len(body) + 99, 10**18))
    sizes = f"Content-Length: {length}\r\n"
    if chance.random() < 0.2:
        size = chance.choice((f"{len(body):x}", "0", "ffffffffffffffff", "-1", "zz"))
        body = f"{size}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        sizes = "Transfer-Encoding: chunked\r\n"
    path = chance.choice(
        ("/archive/studies", f"/archive/studies/{STUDY}", f"/archive/studies/{ROOT}")
    )
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: {chance.choice(POST_TYPES)}\r\n{sizes}\r\n"
    ).encode() + body


def mutate(content: bytes, chance: random.Random) -> bytes:
    place, length = chance.randrange(len(content) + 1), chance.randrange(1, 200)
    before, after = content[:place], content[place:]
    flipped = bytes([after[0] ^ (1 << chance.randrange(8))]) if after else b""
    return chance.choice(
        (
            before + chance.choice(NASTY) + after,
            before,
            before + chance.randbytes(chance.randrange(1, 40)) + after[9:],
            before + after[:length] + after,
            before + after[length:],
            before + flipped + after[1:],
        )
    )


CLIMBS = ("../" * 6, "..\\" * 6, "/", "..%2f" * 6, "%2e%2e/" * 6, "....//" * 6, "..;/" * 6, "")
GOALS = ("canary.txt", "etc/passwd", "data/archive/catalog.db", "catalog.db", "../../canary.txt")
TAILS = ("", "%00", "\0.dcm", "/", "/.", "%20", "?", "#")


def climbing(count: int, outside: Path) -> list[str]:
    chance = random.Random(500)  # noqa: S311 - repeatable
    goals = (*GOALS, str(outside / "canary.txt"))
    every = [climb + goal + tail for climb in CLIMBS for goal in goals for tail in TAILS]
    return chance.sample(every, min(count, len(every))) + [
        "../" * chance.randrange(1, 12) + chance.choice(goals) for _ in range(count - len(every))
    ]


@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.gate)])
def test_no_path_leads_out_of_the_root(target: Target, count: int) -> None:
    outside, inside = target.files_outside(), target.names_inside()
    target.process.watch_memory()
    for number, text in enumerate(climbing(count, target.outside)):
        for path in (
            f"/archive/studies/{{}}",  # noqa: F541 - one of a table
            f"/archive/studies/{STUDY}/series/{{}}/metadata",
            f"{INSTANCE}/bulkdata/{{}}",
            "/viewer/{}",
            "/static/{}",
        ):
            written = text if number % 2 else quote(text)
            target_path = path.format(written.replace(" ", "%20").replace("\0", "%00"))
            head = f"GET {target_path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            status, came = target.send(head.encode())
            assert status < 500, target_path
            assert b"CANARY-OUTSIDE" not in came, target_path
            assert b"root:" not in came, target_path
        for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID"):
            assert target.store(planted(name, text)) in {200, 202, 409}
        named = (
            f'Content-Disposition: attachment; filename="{text}"\r\nContent-Location: {text}\r\n'
        )
        content = body_of(part10_of(slice_of(1)), head=named.encode())
        assert target.post(content).status_code in {200, 400}
    assert target.files_outside() == outside
    assert target.names_inside() == inside
    assert_healthy(target)


def planted(name: str, text: str) -> bytes:
    """Make a file of which one attribute leads elsewhere; pydicom would refuse to write some."""
    placeholder = "9" * (64 if name == "PatientID" else 60)
    content = part10_of(slice_of(4, **{name: placeholder}))
    value = text.encode()[: len(placeholder)].ljust(len(placeholder), b" ")
    return content.replace(placeholder.encode(), value)


def bombs() -> dict[str, bytes]:
    head = b"Content-Type: application/dicom\r\n\r\n"
    plain = slice_of(1)
    inflated = part10_of(plain, DeflatedExplicitVRLittleEndian)
    zeros = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = zeros.compress(bytes(64 * 1024**2)) * 8 + zeros.flush()
    offset = inflated.index(b"DICM")
    deflated = inflated[: offset + 200] + bomb
    return {
        "a million parts": b"--b0\r\n\r\n\r\n" * 300_000 + b"--b0--",
        "a header without end": b"--b0\r\nA: " + b"x" * 30_000_000,
        "a header of a million lines": b"--b0\r\n" + b"A: b\r\n" * 1_000_000,
        "a preamble without end": b"x" * 30_000_000,
        "a part that claims gigabytes": b"--b0\r\n" + head + part10_of(plain)[:400] + b"\r\n--b0--",
        "a deflated part": b"--b0\r\n" + head + deflated + b"\r\n--b0--",
        "parts within parts": b"--b0\r\nContent-Type: "
        + TYPE.encode()
        + b"\r\n\r\n"
        + b"--b0\r\n" * 100_000,
        "delimiters alone": b"--b0\r\n" * 1_000_000,
        "almost delimiters": b"--b0\r\n\r\n" + b"\r\n--b" * 4_000_000 + b"\r\n--b0--",
    }


@pytest.mark.parametrize("name", list(bombs()))
def test_bombs_are_refused_at_once(target: Target, name: str) -> None:
    target.process.watch_memory()
    body = bombs()[name]
    head = (
        f"POST /archive/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    began = time.monotonic()
    status, _ = target.send(head.encode() + body)
    assert time.monotonic() - began < 2
    assert status in {0, 400, 409, 413}
    assert_healthy(target)
