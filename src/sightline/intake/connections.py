"""Accepting DICOM connections so that idle, slow and hostile ones cost next to nothing.

One thread watches all connections that have not yet asked for an association; only one whose
request has come in whole is handed on.
"""

import dataclasses
import errno
import selectors
import socket
import ssl
import threading
from collections.abc import Callable

from sightline import clock, log
from sightline.errors import BadSettings
from sightline.intake.upper_layer import ASSOCIATE_REQUEST

_log = log.get("intake")

_TICK_S = 0.2
_BACKLOG = 128
_HEAD_BYTES = 6
_STEP_BYTES = 16 * 1024
# 128 presentation contexts with 64 transfer syntaxes each take 250 KB.
_MAX_REQUEST_BYTES = 256 * 1024
_MAX_HELD_BYTES = 32 * 1024**2
_REQUEST_TIMEOUT_S = 10.0
_MAX_WAITING = 512
_MAX_WAITING_AT_ADDRESS = 128
_COURTESY_S, _MOST_COURTESY = 0.001, 8
_PATIENCE_S = 2.0


@dataclasses.dataclass(kw_only=True, slots=True)
class Visitor:
    """A connection that asks for an association.

    Attributes:
        is_greeted: whether its TLS handshake is over; True where there is none.
        came: all that came of it, the head of its request first.
    """

    connection: socket.socket
    address: str
    deadline: float = 0.0
    is_greeted: bool = True
    came: bytearray = dataclasses.field(default_factory=bytearray)

    @property
    def is_plain(self) -> bool:
        """Whether it speaks without TLS."""
        return not isinstance(self.connection, ssl.SSLSocket)

    @property
    def request(self) -> bytes:
        """The association request, once it is whole."""
        return bytes(self.came[: _request_bytes(self.came)])

    @property
    def more(self) -> bytes:
        """What came after it."""
        return bytes(self.came[_request_bytes(self.came) :])


class Reception:
    """A listening socket and the connections that have not yet asked for an association.

    Args:
        listening: bound; this one closes it.
        admit: called with each visitor whose request came whole; its connection is then its own.
        lets_in: tells whether connections from an address are taken.
        tls: what connections are secured with; None where they are not.
        busy: tells how many associations this process has; None where no other shares the port.
    """

    def __init__(
        self,
        listening: socket.socket,
        admit: Callable[[Visitor], None],
        *,
        lets_in: Callable[[str], bool],
        tls: ssl.SSLContext | None,
        busy: Callable[[], int] | None,
    ) -> None:
        self._listening = listening
        self._busy = busy
        self._admit = admit
        self._lets_in = lets_in
        self._tls = tls
        self._waiting: dict[socket.socket, Visitor] = {}
        self._held_bytes = 0
        self._selector = selectors.DefaultSelector()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="dimse-reception", daemon=True)

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._listening.getsockname()[1])

    def start(self) -> None:
        """Begin to accept connections."""
        self._listening.setblocking(False)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._thread.start()

    def shutdown(self) -> None:
        """Stop accepting, and drop whoever waits."""
        self._stopping.set()
        self._thread.join()
        for waiting in list(self._waiting):
            self._drop(waiting)
        self._selector.close()
        self._listening.close()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._selector.select(_TICK_S):
                try:
                    if key.fileobj is self._listening:
                        self._accept()
                    elif key.fileobj in self._waiting:
                        self._look_at(self._waiting[key.fileobj])
                except OSError as error:
                    _log.warning("connection_failed", error=error.errno)
                    self._stopping.wait(_TICK_S)
            self._drop_late()

    def _accept(self) -> None:
        if self._busy is not None:
            # All processes that share the port wake for a newcomer: the idle ones come first.
            crowd = self._busy() + len(self._waiting)
            clock.pause(min(crowd, _MOST_COURTESY) * _COURTESY_S)
        try:
            connection, (address, *_) = self._listening.accept()
        except BlockingIOError:
            return  # another process took it
        if not self._lets_in(address):
            _log.warning("address_refused", address=address)
            connection.close()
            return
        self._make_room(address)
        connection.setblocking(False)
        # Answers are small and awaited: Nagle's algorithm would hold them back.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            except OSError:
                connection.close()  # it has left already
                return
        self._waiting[connection] = Visitor(
            connection=connection,
            address=address,
            deadline=clock.monotonic() + _REQUEST_TIMEOUT_S,
            is_greeted=self._tls is None,
        )
        self._selector.register(connection, selectors.EVENT_READ)

    def _make_room(self, address: str) -> None:
        """Let a newcomer take the place of whoever waits longest, at its own address first."""
        same = [each for each, visitor in self._waiting.items() if visitor.address == address]
        if len(same) >= _MAX_WAITING_AT_ADDRESS:
            self._drop(same[0])
        elif len(self._waiting) >= _MAX_WAITING:
            self._drop(next(iter(self._waiting)))

    def _look_at(self, visitor: Visitor) -> None:
        try:
            if not visitor.is_greeted:
                _greet(visitor)
            self._read(visitor)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return  # more has to come
        except ssl.SSLError as error:
            _log.warning("tls_failed", address=visitor.address, problem=error.reason)
            self._drop(visitor.connection)
        except OSError:
            self._drop(visitor.connection)

    def _read(self, visitor: Visitor) -> None:
        while True:  # until all is read that TLS has decrypted: the selector knows nothing of it
            content = visitor.connection.recv(_STEP_BYTES)
            if not content:
                raise ConnectionAbortedError("it ended")
            visitor.came += content
            self._held_bytes += len(content)
            if len(visitor.came) >= _request_bytes(visitor.came):
                self._forget(visitor.connection)
                self._admit(visitor)
                return
            if self._held_bytes > _MAX_HELD_BYTES:
                self._drop(next(iter(self._waiting)))
                return
            if visitor.is_plain:
                return

    def _drop_late(self) -> None:
        now = clock.monotonic()
        late = [each for each, visitor in self._waiting.items() if visitor.deadline < now]
        for connection in late:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        if connection in self._waiting:
            self._forget(connection)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        self._held_bytes -= len(self._waiting.pop(connection).came)
        self._selector.unregister(connection)


def _greet(visitor: Visitor) -> None:
    """Go on with a TLS handshake as far as its bytes came.

    Raises:
        OSError: More has to come, or it failed.
    """
    assert isinstance(visitor.connection, ssl.SSLSocket)  # noqa: S101 - only these wait for it
    visitor.connection.do_handshake()
    visitor.is_greeted = True


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; a process that is about to end may hold the port a moment.

    Raises:
        BadSettings: The address or the port cannot be used.
    """
    deadline = clock.monotonic() + _PATIENCE_S
    while True:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and clock.monotonic() < deadline:
                clock.pause(_TICK_S)
                continue
            raise BadSettings(
                f"cannot listen on {host}:{port}: {error.strerror}",
                hint="Is Sightline running already? Set host and dimse_port to free ones.",
            ) from error


def _request_bytes(head: bytearray) -> int:
    """Tell how long the association request is (PS3.8 9.3.2).

    Raises:
        OSError: There is none, or none that we would read.
    """
    if len(head) < _HEAD_BYTES:
        return _HEAD_BYTES
    size_bytes = _HEAD_BYTES + int.from_bytes(head[2:_HEAD_BYTES], "big")
    if head[0] != ASSOCIATE_REQUEST or size_bytes > _MAX_REQUEST_BYTES:
        raise ConnectionAbortedError("no association request")
    return size_bytes
