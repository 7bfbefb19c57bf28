"""Hostile and slow connections cost little, and a genuine sender is served meanwhile."""

import contextlib
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator

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
    """Hold connections that say nothing, and others that say a byte of their request a second."""
    leave = threading.Event()
    with contextlib.ExitStack() as connections:
        for _ in range(idle):
            connections.enter_context(connected(port))
        dripping = [connections.enter_context(connected(port)) for _ in range(slow)]

        def drip() -> None:
            for byte in associate_request():
                for connection in dripping:
                    with contextlib.suppress(OSError):
                        connection.send(bytes([byte]))
                if leave.wait(1.0):
                    return

        dripper = threading.Thread(target=drip)
        dripper.start()
        try:
            yield
        finally:
            leave.set()
            dripper.join()


@pytest.mark.parametrize(
    ("idle", "slow", "echoes"),
    [(60, 10, 3), pytest.param(500, 50, 20, marks=pytest.mark.gate)],
)
def test_a_genuine_echo_is_answered_amid_a_crowd(
    listener_process: ListenerProcess, idle: int, slow: int, echoes: int
) -> None:
    with crowd(listener_process.port, idle=idle, slow=slow):
        times = []
        for _ in range(echoes):
            times.append(echo_seconds(listener_process.port))
            time.sleep(0.25)
    assert max(times) <= 2.0


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
