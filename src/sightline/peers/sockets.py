"""Sockets of DICOM associations that leave nothing open behind them."""

import socket

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket


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


class CallingEntity(AE):
    """An application entity whose associations use `CallingSocket`."""

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: object
    ) -> CallingSocket:
        assert tls_args is None  # noqa: S101 - we pass none yet
        return CallingSocket(assoc, address=address)
