"""Sending HL7 v2 messages: one MLLP connection a message, and its acknowledgment (HL7 2.9).

Framing as in HL7's Minimal Lower Layer Protocol, release 1: 0x0B, the message, 0x1C 0x0D.
"""

import dataclasses
import socket
import ssl
from collections.abc import Collection

from sightline import clock
from sightline.errors import BadMessage, PeerFailed
from sightline.formats.hl7 import Message, Segment, parse
from sightline.peers.address import parse_address
from sightline.peers.told import told

_START, _END = b"\x0b", b"\x1c\x0d"
_CONNECT_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 30.0
_MAX_ANSWER_BYTES = 256 * 1024
_CHUNK_BYTES = 65536
# HL7 table 0008: accepted, in original and in enhanced mode.
_ACCEPTED = frozenset({"AA", "CA"})
_REFUSED = frozenset({"AE", "AR", "CE", "CR"})
_ASK = "Ask who runs that interface; its log says more. The message is sent again."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Hl7Peer:
    """A system that listens for HL7 v2.

    Attributes:
        tls: what it is called with by TLS; None where it is called in the clear.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = dataclasses.field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{'/tls' if self.tls else ''}"


def parse_peer(text: str, *, tls: ssl.SSLContext) -> Hl7Peer:
    """Read `host:port`, with `/tls` behind where it speaks TLS; IPv6 stands in brackets.

    Raises:
        PeerFailed: The text names no peer.
    """
    address = parse_address(text)
    if address is None:
        raise PeerFailed(
            f"{text!r} names no HL7 listener", hint="Write host:port, such as engine:2575."
        )
    host, port, is_tls = address
    return Hl7Peer(host=host, port=port, tls=tls if is_tls else None)


def send_message(
    peer: Hl7Peer,
    content: bytes,
    *,
    hidden: Collection[str] = (),
    timeout_s: float = _ANSWER_TIMEOUT_S,
) -> None:
    """Send one message; return when the peer accepted it.

    Args:
        peer: who is told.
        content: the message, without a frame.
        hidden: what may not be quoted of the peer's answer.
        timeout_s: how long the peer may take for its whole answer.

    Raises:
        PeerFailed: It cannot be reached, does not answer, or did not accept the message.
    """
    control_id = parse(content).control_id
    try:
        with _connected(peer) as connection:
            connection.sendall(_START + content + _END)
            answer = _read_answer(connection, peer, clock.monotonic() + timeout_s)
    except TimeoutError as error:
        raise PeerFailed(f"{peer} did not answer within {timeout_s:g} s", hint=_ASK) from error
    except OSError as error:
        raise PeerFailed(f"{peer} closed the connection without an answer", hint=_ASK) from error
    problem = _problem(answer, control_id, hidden)
    if problem:
        raise PeerFailed(f"{peer} {problem}", hint=_ASK)


def _connected(peer: Hl7Peer) -> socket.socket:
    try:
        connection = socket.create_connection((peer.host, peer.port), timeout=_CONNECT_TIMEOUT_S)
    except OSError as error:
        raise PeerFailed(
            f"{peer} cannot be reached", hint="Is it running? Check host, port and firewall."
        ) from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if peer.tls is None:
        return connection
    try:
        return peer.tls.wrap_socket(connection, server_hostname=peer.host)
    except OSError as error:  # an SSLError is one
        connection.close()
        raise PeerFailed(
            f"{peer} cannot be called by TLS",
            hint="Is its certificate for that host, and of an authority in tls_ca?",
        ) from error


def _read_answer(connection: socket.socket, peer: Hl7Peer, deadline: float) -> Message:
    came = bytearray()
    while _END not in came:
        left_s = deadline - clock.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        part = connection.recv(_CHUNK_BYTES)
        if not part:
            how = "in the middle of" if came else "without"
            raise PeerFailed(f"{peer} closed the connection {how} an answer", hint=_ASK)
        came += part
        if len(came) > _MAX_ANSWER_BYTES:
            raise PeerFailed(f"{peer} answered more than {_MAX_ANSWER_BYTES} bytes", hint=_ASK)
    start, end = came.find(_START), came.find(_END)
    try:
        return parse(bytes(came[start + 1 : end]))
    except BadMessage as error:
        raise PeerFailed(f"{peer} answered what is no HL7 message", hint=_ASK) from error


def _problem(answer: Message, control_id: str, hidden: Collection[str]) -> str:
    """Return why an answer does not mean that the message was accepted; empty where it does."""
    found = {each.name: each for each in reversed(answer.segments)}
    said = found.get("MSA")
    code = said.text(1).upper() if said else ""
    if said is None or code not in _ACCEPTED | _REFUSED:
        return "answered, but neither took nor refused the message"
    if said.text(2) != control_id:
        return "acknowledged another message than was sent"
    if code in _ACCEPTED:
        return ""
    reason = told(_reason(said, found.get("ERR")), hidden)
    return f"answered {code}: {reason or 'no reason given'}"


def _reason(said: Segment, error: Segment | None) -> str:
    """Return the first that says something: ERR-8, ERR-7, MSA-3, the text or code of ERR-3."""
    places = ((8, 1), (7, 1), (3, 2), (3, 1))
    texts = [error.text(*place) if error else "" for place in places]
    texts.insert(2, said.text(3))
    return next(filter(None, texts), "")
