"""Hostile and slow connections cost little, and a genuine sender is served meanwhile."""

import contextlib
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.intake.dimse import Listener
from sightline.peers.dimse import Destination, echo
from tests.counterparties import HOST, wait_until
from tests.intake.conftest import ListenerProcess
from tests.intake.raw_dicom import associate_request, associated, connected, pdu, read_pdu


def echo_seconds(port: int) -> float:
    destination = Destination(ae_title="SIGHTLINE", host=HOST, port=port)
    return echo(destination, calling_ae="GENUINE")


def wait_for_end(connection: socket.socket) -> None:
    connection.settimeout(5.0)
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(4096):
            pass


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@contextlib.contextmanager
def crowd(port: int, *, idle: int, slow: int) -> Iterator[None]:
    """Hold connections that say nothing, and others that say a byte a second.

    Half of the slow ones drip their request, the others a PDU of an open association.
    """
    leave = threading.Event()
    with contextlib.ExitStack() as connections:
        for number in range(idle):
            source = f"127.0.0.{number % 8 + 1}"
            connections.enter_context(connected(port, source=source))
        asking = [connections.enter_context(connected(port)) for _ in range(slow - slow // 2)]
        amid = [connections.enter_context(associated(port)) for _ in range(slow // 2)]
        words = {
            **dict.fromkeys(asking, associate_request()),
            **dict.fromkeys(amid, pdu(4, bytes(999))),
        }

        def drip() -> None:
            for at in range(200):
                for connection, word in words.items():
                    with contextlib.suppress(OSError):
                        connection.send(word[at : at + 1])
                if leave.wait(1.0):
                    return

        dripper = threading.Thread(target=drip)
        dripper.start()
        try:
            yield
        finally:
            leave.set()
            dripper.join()


@contextlib.contextmanager
def flood(port: int, *, threads: int) -> Iterator[list[int]]:
    """Connect and send what claims 4 GiB or is nonsense, without end; count how often."""
    leave = threading.Event()
    counts = [0] * threads
    claims = (
        struct.pack(">BxL", 1, 0xFFFFFFFF),
        associate_request() + struct.pack(">BxL", 4, 0xFFFFFFFF) + bytes(65536),
        bytes(65536),
        associate_request()[:100],
    )

    def pour(number: int) -> None:
        while not leave.is_set():
            with contextlib.suppress(OSError), connected(port) as connection:
                connection.sendall(claims[counts[number] % len(claims)])
            counts[number] += 1

    pouring = [threading.Thread(target=pour, args=(number,)) for number in range(threads)]
    for thread in pouring:
        thread.start()
    try:
        yield counts
    finally:
        leave.set()
        for thread in pouring:
            thread.join()


def resident_bytes(listener: ListenerProcess) -> int:
    assert listener.process is not None
    status = Path(f"/proc/{listener.process.pid}/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return 1024 * int(kilobytes)


@pytest.mark.parametrize(
    ("idle", "slow", "echoes"),
    [(60, 10, 3), pytest.param(500, 50, 20, marks=pytest.mark.gate)],
)
def test_a_genuine_echo_is_answered_amid_a_crowd(
    listener_process: ListenerProcess, idle: int, slow: int, echoes: int
) -> None:
    echo_seconds(listener_process.port)
    before = resident_bytes(listener_process)
    with crowd(listener_process.port, idle=idle, slow=slow):
        times = []
        for _ in range(echoes):
            times.append(echo_seconds(listener_process.port))
            time.sleep(0.25)
        grown = resident_bytes(listener_process) - before
    assert max(times) <= 2.0
    assert grown <= 64 * 1024**2


@pytest.mark.parametrize(
    ("threads", "echoes"), [(2, 8), pytest.param(4, 100, marks=pytest.mark.gate)]
)
def test_a_genuine_echo_is_answered_amid_a_flood(
    listener_process: ListenerProcess, threads: int, echoes: int
) -> None:
    echo_seconds(listener_process.port)
    before = resident_bytes(listener_process)
    with flood(listener_process.port, threads=threads) as counts:
        times = []
        for _ in range(echoes):
            times.append(echo_seconds(listener_process.port))
            time.sleep(0.25)
        grown = resident_bytes(listener_process) - before
    assert sum(counts) >= 10 * echoes
    assert max(times) <= 2.0
    assert grown <= 64 * 1024**2


def test_the_crowd_of_one_address_does_not_displace_another(listener: Listener) -> None:
    request = associate_request()
    with contextlib.ExitStack() as connections:
        patient = connections.enter_context(connected(listener.port, source="127.0.0.2"))
        patient.sendall(request[:50])
        for _ in range(200):
            connections.enter_context(connected(listener.port))
        assert echo_seconds(listener.port) <= 2.0
        patient.sendall(request[50:])
        assert read_pdu(patient)[0] == 2


@pytest.mark.gate
def test_a_byte_a_second_inside_a_pdu_ends_in_time(listener: Listener) -> None:
    with associated(listener.port) as connection:
        connection.sendall(struct.pack(">BxL", 4, 1000))
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 90:
                connection.sendall(b"x")
                time.sleep(1.0)
                if is_closed(connection):
                    break
        assert time.monotonic() - started <= 70


def test_a_request_that_comes_in_pieces_is_served(listener: Listener) -> None:
    request = associate_request()
    with connected(listener.port) as connection:
        for start in range(0, len(request), 50):
            connection.sendall(request[start : start + 50])
            time.sleep(0.01)
        assert read_pdu(connection)[0] == 2


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">BBL", 1, 0, 0xFFFFFFFF),
        pdu(7, bytes(4)),
        pdu(4, bytes(100)),
        pdu(1, b""),
        pdu(1, bytes(500)),
    ],
)
def test_what_is_no_association_request_is_turned_away(listener: Listener, content: bytes) -> None:
    with connected(listener.port) as connection:
        connection.sendall(content)
        wait_for_end(connection)
    assert echo_seconds(listener.port) <= 2.0


def test_a_pdu_of_four_gigabytes_is_not_waited_for(listener: Listener) -> None:
    tracemalloc.start()
    with associated(listener.port) as connection:
        before, _ = tracemalloc.get_traced_memory()
        connection.sendall(struct.pack(">BBL", 4, 0, 0xFFFFFFFF) + bytes(1_000_000))
        wait_until(lambda: is_closed(connection))
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 16 * 1024 * 1024


def test_half_a_request_and_then_the_end_is_forgotten(listener: Listener) -> None:
    for count in (0, 3, 6, 100):
        with connected(listener.port) as connection:
            connection.sendall(associate_request()[:count])
            connection.shutdown(socket.SHUT_WR)
            wait_for_end(connection)
    assert echo_seconds(listener.port) <= 2.0
