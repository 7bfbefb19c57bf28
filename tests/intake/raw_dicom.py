"""The DICOM upper layer by hand (PS3.8 9.3, PS3.7 E.1), for senders that do not behave."""

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence

from tests.counterparties import HOST

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_C_STORE_RQ = 0x0001
_PDV_BYTES = 64 * 1024
# Their numbers are odd and take one byte.
MOST_CONTEXTS = 128


def associate_request(
    sop_class: str = VERIFICATION, syntax: str = IMPLICIT_LITTLE, *, calling_ae: str = "RAW"
) -> bytes:
    """An A-ASSOCIATE-RQ with one presentation context, number 1."""
    return _associate_request([(sop_class, syntax)], calling_ae)


def _associate_request(contexts: Sequence[tuple[str, str]], calling_ae: str) -> bytes:
    proposed = b""
    for number, (sop_class, syntax) in enumerate(contexts):
        about = _item(0x30, sop_class.encode()) + _item(0x40, syntax.encode())
        proposed += _item(0x20, struct.pack("<L", 2 * number + 1) + about)
    user = _item(0x51, struct.pack(">L", 16384)) + _item(0x52, b"1.2.3.4")
    items = _item(0x10, _APPLICATION_CONTEXT.encode()) + proposed + _item(0x50, user)
    titles = b"SIGHTLINE".ljust(16) + calling_ae.encode().ljust(16)
    return pdu(1, struct.pack(">HH", 1, 0) + titles + bytes(32) + items)


def pdu(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBL", kind, 0, len(content)) + content


@contextlib.contextmanager
def connected(port: int, *, source: str = HOST) -> Iterator[socket.socket]:
    """Connect from one of the addresses of loopback."""
    with socket.create_connection((HOST, port), timeout=20, source_address=(source, 0)) as opened:
        yield opened


@contextlib.contextmanager
def associated(
    port: int, sop_class: str = VERIFICATION, syntax: str = IMPLICIT_LITTLE
) -> Iterator[socket.socket]:
    """Connect and associate; leave without a word."""
    with associated_for(port, [(sop_class, syntax)]) as connection:
        yield connection


@contextlib.contextmanager
def associated_for(port: int, contexts: Sequence[tuple[str, str]]) -> Iterator[socket.socket]:
    """Connect and associate for SOP classes and syntaxes; their contexts are 1, 3, 5 and on."""
    with connected(port) as connection:
        connection.sendall(_associate_request(contexts, "RAW"))
        kind, _ = read_pdu(connection)
        assert kind == 2, "the association was not accepted"
        yield connection


def read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    kind, length = struct.unpack(">BxL", _read(connection, 6))
    return kind, _read(connection, length)


def store(
    connection: socket.socket,
    sop_class: str,
    instance_uid: str,
    dataset: bytes,
    *,
    context: int = 1,
) -> int:
    """Send a C-STORE-RQ and return the status that is answered."""
    request = command(sop_class, instance_uid)
    connection.sendall(pdu(4, pdv(3, request, context=context)))
    parts = [dataset[at : at + _PDV_BYTES] for at in range(0, len(dataset), _PDV_BYTES)] or [b""]
    for part in parts[:-1]:
        connection.sendall(pdu(4, pdv(0, part, context=context)))
    connection.sendall(pdu(4, pdv(2, parts[-1], context=context)))
    kind, answer = read_pdu(connection)
    assert kind == 4
    at = answer.index(struct.pack("<HHL", 0x0000, 0x0900, 2))
    (status,) = struct.unpack_from("<H", answer, at + 8)
    return int(status)


def command(sop_class: str, instance_uid: str, *, kind: int = _C_STORE_RQ) -> bytes:
    """The command set of a request; of a C-STORE-RQ with a data set."""
    dataset_type = 1 if kind == _C_STORE_RQ else 0x0101
    elements = b"".join(
        (
            _element(0x0002, _even(sop_class)),
            _element(0x0100, struct.pack("<H", kind)),
            _element(0x0110, struct.pack("<H", 7)),
            _element(0x0700, struct.pack("<H", 0)),
            _element(0x0800, struct.pack("<H", dataset_type)),
            _element(0x1000, _even(instance_uid)),
        )
    )
    return _element(0x0000, struct.pack("<L", len(elements))) + elements


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 0, number, len(value)) + value


def _even(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def pdv(header: int, content: bytes, *, context: int = 1) -> bytes:
    """A fragment: bit 0 of `header` says command, bit 1 says last."""
    return struct.pack(">LBB", len(content) + 2, context, header) + content


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def _read(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        part = connection.recv(count - len(content))
        assert part, "the connection was closed"
        content += part
    return content
