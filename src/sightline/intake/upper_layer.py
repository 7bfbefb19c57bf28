"""The upper layer of an established association (PS3.8 9.3): PDUs in, PDUs out, within bounds.

A PDU is read where its bytes belong: fragments of a data set go from the kernel straight into the
memory that the message is put together in.
"""

import select
import socket
import ssl
import struct
from typing import Literal, TypeAlias

from sightline import clock
from sightline.errors import BadFile
from sightline.peers.sockets import acknowledge_at_once

ASSOCIATE_REQUEST, ASSOCIATE_ACCEPT, ASSOCIATE_REJECT = 1, 2, 3
DATA, RELEASE_REQUEST, RELEASE_RESPONSE, ABORT = 4, 5, 6, 7

Ending: TypeAlias = Literal["released", "aborted", "lost"]

_PDU = struct.Struct(">BxL")
_PDV = struct.Struct(">LBB")
_IS_COMMAND, _IS_LAST = 1, 2
# By the end of a PDU the sender waits; scanners keep an association open between slices.
_PDU_TIMEOUT_S = 60.0
_IDLE_TIMEOUT_S = 300.0
# How often a blocked thread looks at its deadline.
_TICK_S = 5
_STAGE_BYTES = 4096
# PDUs may exceed what we asked for only by little: some senders do not count the header.
_PDU_SLACK_BYTES = 4096
# PS3.8 9.3.2.1 lets a peer ask for no limit; fragments of this size cost nothing more.
_UNLIMITED_BYTES = 131072
_LEAST_PDU_BYTES = 64


class AssociationOver(ConnectionError):
    """The other side released, aborted or vanished.

    Attributes:
        ended: which of these.
    """

    def __init__(self, ended: Ending) -> None:
        super().__init__(f"the association was {ended}")
        self.ended: Ending = ended


class Wire:
    """The connection of one association, read and written by one thread.

    Args:
        connection: blocking from now on.
        came: what was read from it already beyond the association request.
        max_pdu_bytes: the largest PDU that we announced.
    """

    def __init__(self, connection: socket.socket, came: bytes, *, max_pdu_bytes: int) -> None:
        self._connection = connection
        self._max_bytes = max_pdu_bytes + _PDU_SLACK_BYTES
        self._fragment_bytes = _UNLIMITED_BYTES
        self._stage = bytearray(max(_STAGE_BYTES, len(came)))
        self._stage[: len(came)] = came
        self._view = memoryview(self._stage)
        self._start, self._end = 0, len(came)
        self._deadline = 0.0
        self._left_bytes = 0  # of the data PDU that is being read
        _block(connection)

    def peer_takes(self, max_pdu_bytes: int) -> None:
        """Note the largest PDU that the other side takes; 0 is no limit."""
        limit = max_pdu_bytes or _UNLIMITED_BYTES
        self._fragment_bytes = max(limit, _LEAST_PDU_BYTES) - _PDV.size

    def next_fragment(self, *, is_first: bool) -> tuple[int, bool, bool, int]:
        """Go to the next fragment of a message, past the ends of PDUs.

        Args:
            is_first: whether it begins a message; the other side may take its time before one.

        Returns:
            Its context number, whether it is of a command, whether it is the last of that command
            or data set, and its size, which must be taken next.

        Raises:
            AssociationOver: There is none: the association was released, aborted or lost.
            BadFile: What came is no P-DATA-TF PDU (PS3.8 9.3.5), or too large a one.
        """
        while not self._left_bytes:
            self._left_bytes = self._next_pdu(_IDLE_TIMEOUT_S if is_first else _PDU_TIMEOUT_S)
        length, context, control = _PDV.unpack(self.take(_PDV.size))
        size_bytes = length - 2
        self._left_bytes -= _PDV.size + size_bytes
        if size_bytes < 0 or self._left_bytes < 0:
            raise _broken("a fragment does not fit its PDU")
        return context, bool(control & _IS_COMMAND), bool(control & _IS_LAST), size_bytes

    def take(self, count: int) -> bytes:
        """Read exactly `count` bytes.

        Raises:
            AssociationOver: The other side vanished.
            TimeoutError: They take too long.
        """
        content = bytearray(count)
        with memoryview(content) as view:
            self.take_into(view)
        return bytes(content)

    def take_into(self, view: memoryview) -> None:
        """Fill `view`.

        Raises:
            AssociationOver: The other side vanished.
            TimeoutError: It takes too long.
        """
        wanted = len(view)
        filled = min(wanted, self._end - self._start)
        view[:filled] = self._view[self._start : self._start + filled]
        self._start += filled
        while filled < wanted:
            if wanted - filled >= _STAGE_BYTES:
                filled += self._receive(view[filled:])
                continue
            self._start, self._end = 0, self._receive(self._view)
            part = min(wanted - filled, self._end)
            view[filled : filled + part] = self._view[:part]
            filled += part
            self._start = part

    def has_more(self) -> bool:
        """Tell whether something came that was not read yet."""
        if self._left_bytes or self._end > self._start:
            return True
        if isinstance(self._connection, ssl.SSLSocket) and self._connection.pending():
            return True
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(0))

    def send_message(self, context: int, command: bytes, dataset: bytes) -> None:
        """Send one message in fragments that the other side takes.

        Raises:
            OSError: It has gone, or takes nothing any more.
        """
        parts = [*self._fragments(context, command, _IS_COMMAND)]
        if dataset:
            parts += self._fragments(context, dataset, 0)
        if len(dataset) <= _UNLIMITED_BYTES:
            self._connection.sendall(b"".join(parts))
            return
        for part in parts:
            self._connection.sendall(part)

    def send_pdu(self, kind: int, content: bytes = bytes(4)) -> None:
        """Send a PDU that is no data.

        Raises:
            OSError: The other side has gone.
        """
        self._connection.sendall(_PDU.pack(kind, len(content)) + content)

    def _fragments(self, context: int, content: bytes, control: int) -> list[bytes]:
        size_bytes = self._fragment_bytes
        parts: list[bytes] = []
        for start in range(0, len(content), size_bytes):
            part = content[start : start + size_bytes]
            last = _IS_LAST if start + size_bytes >= len(content) else 0
            head = _PDV.pack(len(part) + 2, context, control | last)
            parts += (_PDU.pack(DATA, len(head) + len(part)), head, part)
        return parts

    def _next_pdu(self, timeout_s: float) -> int:
        """Wait for a data PDU and return how long its content is."""
        if self._start == self._end:
            self._deadline = clock.monotonic() + timeout_s
            self._start, self._end = 0, self._receive(self._view)
        self._deadline = clock.monotonic() + _PDU_TIMEOUT_S
        kind, length = _PDU.unpack(self.take(_PDU.size))
        if kind == DATA:
            if length > self._max_bytes:
                raise _broken(f"a PDU of {length} bytes; we accept {self._max_bytes}")
            return int(length)
        if kind == RELEASE_REQUEST:
            self.send_pdu(RELEASE_RESPONSE)
            raise AssociationOver("released")
        if kind == ABORT:
            raise AssociationOver("aborted")
        raise _broken(f"a PDU of type {kind} amid an association")

    def _receive(self, view: memoryview) -> int:
        while True:
            try:
                count = self._connection.recv_into(view)
            except (BlockingIOError, TimeoutError):
                count = None  # a tick has passed
            if count == 0:
                raise AssociationOver("lost")
            if clock.monotonic() > self._deadline:
                raise TimeoutError("the other side takes too long")
            if count:
                # A sender under Nagle's algorithm waits for our acknowledgement, which Linux
                # would delay by 40 ms: 20 instances a second.
                acknowledge_at_once(self._connection)
                return count


def _block(connection: socket.socket) -> None:
    """Have reads and writes block, though not for ever."""
    if isinstance(connection, ssl.SSLSocket):  # it takes the kernel's own time-outs for nothing
        connection.settimeout(_TICK_S)
        return
    connection.setblocking(True)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _TICK_S, 0))
    seconds = struct.pack("ll", int(_PDU_TIMEOUT_S), 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)


def _broken(what: str) -> BadFile:
    return BadFile(
        f"the upper layer is broken: {what}",
        hint="The sender's software is at fault; ask its maker.",
    )
