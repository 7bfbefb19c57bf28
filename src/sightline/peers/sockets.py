"""Sockets of DICOM associations that leave nothing open behind them."""

import socket
import ssl

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

# Linux alone has it.
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class ClosingSocket(AssociationSocket):
    """A socket that is closed even where the other side left first; pynetdicom's stays open."""

    def _shutdown_socket(self) -> None:
        super()._shutdown_socket()
        if self.socket is not None:
            self.socket.close()


class CallingSocket(ClosingSocket):
    """A socket that calls a peer, and sends at once.

    Attributes:
        was_reached: whether the peer took the connection.
    """

    was_reached = False

    def connect(self, primitive: T_CONNECT) -> None:
        """Connect, as pynetdicom asks."""
        assert self.socket is not None  # noqa: S101 - it was made when constructed
        # Nagle's algorithm waits for acknowledgements that receivers delay.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connect(primitive)
        self.was_reached = primitive.result == "Evt2"

    def send(self, bytestream: bytes) -> None:
        """Send a PDU, and acknowledge at once what comes back.

        A peer under Nagle's algorithm that writes its answer in two parts holds the second back
        until the first is acknowledged, which Linux would delay by 40 ms.
        """
        super().send(bytestream)
        acknowledge_at_once(self.socket)


def acknowledge_at_once(connection: socket.socket | None) -> None:
    """Have the kernel not delay the next acknowledgement; the option wears off, so ask often."""
    if connection is not None and _QUICK_ACK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)


class CallingEntity(AE):
    """An application entity whose associations use `CallingSocket`."""

    def _create_socket(
        self,
        assoc: Association,
        address: AddressInformation,
        tls_args: tuple[ssl.SSLContext, str] | None,
    ) -> CallingSocket:
        calling = CallingSocket(assoc, address=address)
        calling.tls_args = tls_args
        return calling
