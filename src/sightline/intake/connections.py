"""Accepting DICOM connections so that idle, slow and hostile ones cost next to nothing.

pynetdicom gives every connection a polling thread, trusts the length a PDU claims and waits for
it for ever. Here one thread watches all connections; only one whose association request has come
in whole is handed to pynetdicom, and what it sends from then on is bounded in size and time.
"""

import dataclasses
import select
import selectors
import socket
import struct
import threading

import pynetdicom
from pynetdicom import evt
from pynetdicom.transport import AssociationServer, AssociationSocket

from sightline import clock, log
from sightline.peers.sockets import ClosingSocket, acknowledge_at_once

_log = log.get("intake")

_TICK_S = 0.2
_HEAD_BYTES = 6
_ASSOCIATE_REQUEST = 1
# 128 presentation contexts with 64 transfer syntaxes each take 250 KB.
_MAX_REQUEST_BYTES = 256 * 1024
_REQUEST_TIMEOUT_S = 10.0
# select() in pynetdicom cannot watch descriptors above 1,023.
_MAX_WAITING = 512
_PDU_TIMEOUT_S = 60
# An answer is sent within a moment while a sender sends; an idle association hardly costs anything.
_BUSY_S, _MOMENT_S, _IDLE_S = 0.2, 0.0007, 0.02
# PDUs may exceed what we asked for only by little: some senders do not count the header.
_PDU_SLACK_BYTES = 4096


@dataclasses.dataclass(kw_only=True, slots=True)
class _Visitor:
    """A connection that has not yet asked for an association.

    Attributes:
        came_bytes: how much of its request lay there when we last looked.
    """

    deadline: float
    came_bytes: int = 0


class Reception(AssociationServer):
    """A listening socket and the connections that have not yet asked for an association."""

    request_queue_size = 128

    def __init__(
        self,
        entity: pynetdicom.AE,
        address: tuple[str, int],
        *,
        evt_handlers: list[evt.EventHandlerType],
    ) -> None:
        super().__init__(
            entity,
            address,
            entity.ae_title,
            entity.supported_contexts,
            evt_handlers=evt_handlers,
        )
        self._waiting: dict[socket.socket, _Visitor] = {}
        self._selector = selectors.DefaultSelector()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="dimse-reception", daemon=True)

    def start(self) -> None:
        """Begin to accept connections."""
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._thread.start()

    def shutdown(self) -> None:
        """Stop accepting, and drop whoever waits."""
        self._stopping.set()
        self._thread.join()
        for waiting in list(self._waiting):
            self._drop(waiting)
        self._selector.close()
        self.server_close()

    @property
    def _listening(self) -> socket.socket:
        assert self.socket is not None  # noqa: S101 - pynetdicom makes it when constructed
        return self.socket

    def _watch(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._selector.select(_TICK_S):
                try:
                    if key.fileobj is self._listening:
                        self._accept()
                    else:
                        self._look_at(key.fileobj)  # type: ignore[arg-type]  # only sockets are registered
                except OSError as error:
                    _log.warning("connection_failed", error=error.errno)
                    self._stopping.wait(_TICK_S)
            self._drop_late()

    def _accept(self) -> None:
        if len(self._waiting) >= _MAX_WAITING:
            self._drop(next(iter(self._waiting)))
        connection, _ = self._listening.accept()
        # Answers are small and awaited: Nagle's algorithm would hold them back.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait_for(connection, _HEAD_BYTES)
        deadline = clock.monotonic() + _REQUEST_TIMEOUT_S
        self._waiting[connection] = _Visitor(deadline=deadline)
        self._selector.register(connection, selectors.EVENT_READ)

    def _look_at(self, connection: socket.socket) -> None:
        visitor = self._waiting[connection]
        try:
            size_bytes = _request_bytes(_peek(connection, _HEAD_BYTES))
            self._wait_for(connection, size_bytes)
            came_bytes = len(_peek(connection, size_bytes))
            if came_bytes == size_bytes:
                self._admit(connection)
            elif came_bytes > visitor.came_bytes:
                visitor.came_bytes = came_bytes
            else:  # readable, and nothing new: it ended
                self._drop(connection)
        except OSError:
            self._drop(connection)

    def _admit(self, connection: socket.socket) -> None:
        address = connection.getpeername()
        self._wait_for(connection, 1)
        self._forget(connection)
        self.finish_request(connection, address)

    @staticmethod
    def _wait_for(connection: socket.socket, size_bytes: int) -> None:
        """Have the kernel call the connection readable when so much came, or when it ended."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size_bytes)

    def _drop_late(self) -> None:
        now = clock.monotonic()
        late = [each for each, visitor in self._waiting.items() if visitor.deadline < now]
        for connection in late:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        del self._waiting[connection]
        self._selector.unregister(connection)


class BoundedSocket(ClosingSocket):
    """The socket of an association that reads a PDU at once or refuses it, and never polls.

    Args:
        opened: the socket that pynetdicom made; this one takes its place.
        max_pdu_bytes: what we said we accept.
        max_instance_bytes: the association of a sender of larger ones ends.
    """

    def __init__(
        self, opened: AssociationSocket, *, max_pdu_bytes: int, max_instance_bytes: int
    ) -> None:
        # Not super().__init__: it would tell the state machine of a second connection.
        vars(self).update(vars(opened))
        self._max_bytes = max(max_pdu_bytes, _MAX_REQUEST_BYTES) + _PDU_SLACK_BYTES
        self._max_instance_bytes = max_instance_bytes
        seconds = struct.pack("ll", _PDU_TIMEOUT_S, 0)
        assert self.socket is not None  # noqa: S101 - it has just been opened
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
        self._read_at = clock.monotonic()
        # `ready` waits instead, and wakes at the first byte.
        self.assoc.dul._run_loop_delay = 0.0  # noqa: SLF001 - it has no public name

    @property
    def ready(self) -> bool:
        """Wait a moment for something to read; tell whether it came."""
        if self.socket is None or not self._is_connected:
            return False
        is_busy = clock.monotonic() - self._read_at < _BUSY_S
        try:
            readable, _, _ = select.select([self.socket], [], [], _MOMENT_S if is_busy else _IDLE_S)
        except (OSError, ValueError):
            self.event_queue.put("Evt17")  # the connection is closed
            return False
        if readable:
            self._read_at = clock.monotonic()
        return bool(readable)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read `nr_bytes`, or what came before the sender left.

        Raises:
            OSError: It is more than we accept, or takes too long; the association ends.
        """
        if nr_bytes > self._max_bytes:
            raise OSError(f"a PDU of {nr_bytes} bytes; we accept {self._max_bytes}")
        message = self.assoc.dimse.message
        if message is not None and message.data_set is not None:
            came_bytes = message.data_set.tell()
            if came_bytes > self._max_instance_bytes:
                raise OSError(f"an instance of more than {came_bytes} bytes")
        assert self.socket is not None  # noqa: S101 - pynetdicom reads only from an open socket
        content, read = bytearray(nr_bytes), 0
        deadline = clock.monotonic() + _PDU_TIMEOUT_S
        with memoryview(content) as view:
            while read < nr_bytes:
                count = self.socket.recv_into(view[read:])
                # A sender under Nagle's algorithm waits for our acknowledgement, which Linux
                # would delay by 40 ms: 20 instances a second.
                acknowledge_at_once(self.socket)
                read += count
                if not count:
                    break
                if clock.monotonic() > deadline:
                    raise TimeoutError(f"{read} of {nr_bytes} bytes in {_PDU_TIMEOUT_S} s")
        del content[read:]
        return content


def _peek(connection: socket.socket, size_bytes: int) -> bytes:
    return connection.recv(size_bytes, socket.MSG_PEEK | socket.MSG_DONTWAIT)


def _request_bytes(head: bytes) -> int:
    """Tell how long the association request is (PS3.8 9.3.2).

    Raises:
        OSError: There is none, or none that we would read.
    """
    size_bytes = _HEAD_BYTES + int.from_bytes(head[2:], "big")
    if len(head) < _HEAD_BYTES or head[0] != _ASSOCIATE_REQUEST or size_bytes > _MAX_REQUEST_BYTES:
        raise ConnectionAbortedError("no association request")
    return size_bytes
