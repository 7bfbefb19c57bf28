"""The HL7 v2 listener: messages in MLLP frames, each kept before it is acknowledged.

Framing as in HL7's Minimal Lower Layer Protocol, release 1: 0x0B, the message, 0x1C 0x0D. A frame
is bounded in size and time. Idle connections are as they should be; where there are too many, the
one that was silent for longest has to go, so that nobody is locked out.
"""

import dataclasses
import datetime as dt
import socket
import threading
import uuid

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.clinical import Letter, refuse, take
from sightline.archive.ties import load_rules
from sightline.audit.anchor import Anchor
from sightline.errors import BadMessage, BadSettings, Refused
from sightline.formats.hl7 import Answer, Message, acknowledgment, parse
from sightline.intake.hl7_messages import read_message
from sightline.settings import Settings

_log = log.get("intake")

_START, _END = b"\x0b", b"\x1c\x0d"
_CHUNK_BYTES = 65536
_TICK_S = 0.2
_SEND_TIMEOUT_S = 10.0
_MAX_CONNECTIONS = 32
# What some senders put between frames.
_BETWEEN = b"\r\n"

# HL7 table 0357
_DATA_ERROR, _UNKNOWN_KEY, _INTERNAL_ERROR = "102", "204", "207"


class Hl7Receiver:
    """Takes messages into an archive and says how to answer."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        """Read the rules of the data directory.

        Raises:
            BadSettings: The rules cannot be used.
        """
        self._archive = archive
        self._settings = settings
        self._rules = load_rules(settings)
        self._anchor = Anchor.open(settings)

    def receive(self, content: bytes) -> bytes:
        """Keep one message, apply it, and return its acknowledgment.

        AA: it is durable. AE: nothing was done, and a repeat may succeed. AR: it cannot be taken.
        """
        message: Message | None = None
        letter = Letter(content=content, sender="", control_id="", kind="")
        try:
            try:
                message = parse(content)
            except BadMessage as error:
                refuse(self._archive, letter, error)
                raise
            answer = self._take(message, content)
        except BadMessage as error:
            answer = Answer(code="AR", error=_DATA_ERROR, problem=error.problem)
        except Refused as error:
            answer = Answer(code="AE", error=_UNKNOWN_KEY, problem=error.problem)
        except OSError as error:
            _log.error("message_not_kept", error=error.errno)
            problem = "it could not be kept; send it again"
            answer = Answer(code="AE", error=_INTERNAL_ERROR, problem=problem)
        return acknowledgment(
            message,
            answer,
            own_id=uuid.uuid4().hex[:20],
            at=clock.now().astimezone(dt.UTC).strftime("%Y%m%d%H%M%S"),
        )

    def refuse(self, content: bytes, problem: str) -> bytes:
        """Return the refusal of a message that was not read to its end; its beginning is kept."""
        error = BadMessage(problem, hint="`max_message_bytes` is the largest that is taken.")
        letter = Letter(content=content, sender="", control_id="", kind="")
        try:
            refuse(self._archive, letter, error)
        except OSError as failure:
            _log.error("message_not_kept", error=failure.errno)
        answer = Answer(code="AR", error=_DATA_ERROR, problem=problem)
        at = clock.now().strftime("%Y%m%d%H%M%S")
        return acknowledgment(None, answer, own_id=uuid.uuid4().hex[:20], at=at)

    def _take(self, message: Message, content: bytes) -> Answer:
        letter = Letter(
            content=content,
            sender=message.sender,
            control_id=message.control_id,
            kind=message.kind,
        )
        take(
            self._archive,
            letter,
            lambda: read_message(message, self._settings.issuer_of),
            rules=self._rules,
        )
        self._anchor.advance(self._archive.database)
        return Answer(code="AA")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Bounds:
    """How large a message may be, and how long it may take from its first byte to its last."""

    frame_bytes: int
    frame_timeout_s: float


class MllpListener:
    """Listens on `host:hl7_port` until it is stopped."""

    def __init__(
        self, archive: Archive, settings: Settings, *, frame_timeout_s: float = 30.0
    ) -> None:
        """Prepare; nothing is listened on yet.

        Args:
            archive: where messages are kept.
            settings: of its data directory.
            frame_timeout_s: a message that began must have ended after so long.

        Raises:
            BadSettings: The rules of the data directory cannot be used.
        """
        self._settings = settings
        self._receiver = Hl7Receiver(archive, settings)
        self._bounds = _Bounds(
            frame_bytes=settings.max_message_bytes, frame_timeout_s=frame_timeout_s
        )
        self._listening: socket.socket | None = None
        self._stopping = threading.Event()
        self._sessions: list[_Session] = []
        self._thread = threading.Thread(target=self._accept_all, name="mllp", daemon=True)

    @property
    def port(self) -> int:
        """The TCP port that was taken."""
        if self._listening is None:
            return self._settings.hl7_port
        return int(self._listening.getsockname()[1])

    def start(self) -> None:
        """Listen; a port of 0 takes a free one.

        Raises:
            BadSettings: The address or the port cannot be used.
        """
        address = (self._settings.host, self._settings.hl7_port)
        family = socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET
        try:
            self._listening = socket.create_server(address, family=family, backlog=128)
        except OSError as error:
            raise BadSettings(
                f"cannot listen on {address[0]}:{address[1]}: {error.strerror}",
                hint="Is Sightline running already? Set hl7_port to a free one.",
            ) from error
        self._listening.settimeout(_TICK_S)
        self._thread.start()
        _log.info("hl7_listening", port=self.port)

    def stop(self) -> None:
        """Stop listening; a message that is being taken is finished and answered."""
        if self._listening is None:
            return
        self._stopping.set()
        self._thread.join()
        for session in self._sessions:
            session.thread.join(_SEND_TIMEOUT_S)
        self._listening.close()

    def _accept_all(self) -> None:
        assert self._listening is not None  # noqa: S101 - `start` made it
        while not self._stopping.is_set():
            try:
                connection, address = self._listening.accept()
            except TimeoutError:
                continue
            except OSError as error:
                _log.warning("connection_failed", error=error.errno)
                self._stopping.wait(_TICK_S)
                continue
            self._sessions = [each for each in self._sessions if each.thread.is_alive()]
            self._make_room()
            session = _Session(connection, self._receiver, self._bounds, stopping=self._stopping)
            self._sessions.append(session)
            _log.info("hl7_connected", address=address[0], connections=len(self._sessions))
            session.thread.start()

    def _make_room(self) -> None:
        while len(self._sessions) >= _MAX_CONNECTIONS:
            silent = min(self._sessions, key=lambda each: each.heard_at)
            silent.leave()
            silent.thread.join(_SEND_TIMEOUT_S)
            self._sessions.remove(silent)


class _Session:
    """One connection, in a thread of its own.

    Attributes:
        heard_at: when something came last, on the monotonic clock.
    """

    def __init__(
        self,
        connection: socket.socket,
        receiver: Hl7Receiver,
        bounds: _Bounds,
        *,
        stopping: threading.Event,
    ) -> None:
        self._connection = connection
        self._receiver = receiver
        self._bounds = bounds
        self._stopping = stopping
        self._leaving = threading.Event()
        self.heard_at = clock.monotonic()
        self.thread = threading.Thread(target=self._serve, name="mllp-session", daemon=True)

    def leave(self) -> None:
        """Ask the session to end when it next waits."""
        self._leaving.set()

    def _serve(self) -> None:
        with self._connection as connection:
            connection.settimeout(_TICK_S)
            # Answers are small and awaited.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._converse(connection)
            except OSError as error:
                _log.info("hl7_connection_lost", error=error.errno)
            except Exception as error:  # noqa: BLE001 - the request handler of this process
                # The message may quote a patient, so only its kind is told.
                _log.error("hl7_connection_failed", why=type(error).__name__)

    def _converse(self, connection: socket.socket) -> None:
        pending = bytearray()
        deadline = 0.0
        while True:
            del pending[: len(pending) - len(pending.lstrip(_BETWEEN))]
            if not pending:
                deadline = clock.monotonic() + self._bounds.frame_timeout_s
            elif pending[:1] != _START:
                _log.warning("hl7_frame_refused", why="it does not begin with 0x0B")
                return
            elif (end := pending.find(_END)) > 0 and end <= self._bounds.frame_bytes + 1:
                self._answer(connection, self._receiver.receive(bytes(pending[1:end])))
                del pending[: end + len(_END)]
                deadline = clock.monotonic() + self._bounds.frame_timeout_s
                continue
            elif len(pending) > self._bounds.frame_bytes + 1:
                self._refuse_large(connection, pending)
                return
            elif clock.monotonic() > deadline:
                _log.warning("hl7_frame_refused", why="it did not end in time")
                return
            if not self._read_on(connection, pending):
                return

    def _refuse_large(self, connection: socket.socket, pending: bytearray) -> None:
        limit = self._bounds.frame_bytes
        beginning, problem = bytes(pending[1 : limit + 1]), f"a message of more than {limit} bytes"
        self._answer(connection, self._receiver.refuse(beginning, problem))
        # Closing on bytes that nobody read would reset the connection, and the answer be lost.
        connection.shutdown(socket.SHUT_WR)
        last = clock.monotonic() + _SEND_TIMEOUT_S
        while clock.monotonic() < last and self._read_on(connection, bytearray()):
            pass

    def _read_on(self, connection: socket.socket, pending: bytearray) -> bool:
        """Read what there is; False when the connection is over."""
        if self._stopping.is_set() or self._leaving.is_set():
            return False
        try:
            came = connection.recv(_CHUNK_BYTES)
        except TimeoutError:
            return True
        self.heard_at = clock.monotonic()
        pending += came
        return bool(came)

    @staticmethod
    def _answer(connection: socket.socket, answer: bytes) -> None:
        connection.settimeout(_SEND_TIMEOUT_S)
        connection.sendall(_START + answer + _END)
        connection.settimeout(_TICK_S)
