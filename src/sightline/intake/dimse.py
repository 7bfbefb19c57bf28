"""The DICOM listener: who may associate, one thread for each association, what the catalog notes.

What is done for requests stands in the services: `verifying.py`, `storing.py`, `query_service.py`,
`retrieve.py`, `commitment.py`, `availability.py`.
"""

import contextlib
import dataclasses
import socket
import threading
from collections.abc import Iterator

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.associations import (
    close_association,
    close_lost_associations,
    open_association,
)
from sightline.errors import BadFile
from sightline.intake.admission import Admission
from sightline.intake.association import AcceptedAssociation, hang_up
from sightline.intake.availability import noting_availability
from sightline.intake.commitment import committing
from sightline.intake.connections import Reception, Visitor, listen
from sightline.intake.negotiation import TOO_MANY, AssociationRequest, Rejection, accept
from sightline.intake.query_service import finding
from sightline.intake.retrieve import getting, moving
from sightline.intake.services import Services, table
from sightline.intake.storing import storing
from sightline.intake.upper_layer import Wire
from sightline.intake.verifying import VERIFYING
from sightline.peers.tls import server_tls
from sightline.settings import Settings

_log = log.get("intake")

_STOP_TIMEOUT_S = 5.0
# A rejection takes a thread for a moment; whoever comes while so many are at it is dropped.
_MAX_REJECTIONS = 32


@dataclasses.dataclass(kw_only=True, slots=True)
class _Conversation:
    """The thread of one visitor, from its request to the end."""

    visitor: Visitor
    thread: threading.Thread
    is_established: bool = False


class Listener:
    """Receives into an archive until it is stopped.

    Args:
        archive: where associations are recorded.
        settings: who may associate, and the bounds.
        offered: what is done for requests; all that we can where it is not given.
        receiver: which of several receiving processes we are, from 1; 0 where there is one.

    Raises:
        BadSettings: A rule or a certificate cannot be used.
    """

    def __init__(
        self,
        archive: Archive,
        settings: Settings,
        offered: Services | None = None,
        *,
        receiver: int = 0,
    ) -> None:
        self._archive = archive
        self._settings = settings
        self._receiver = receiver
        self._admission = Admission.of(settings)
        self._tls = server_tls(settings)
        self._services = services(archive, settings) if offered is None else offered
        self._reception: Reception | None = None
        self._conversations: dict[int, _Conversation] = {}
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """The TCP port; 0 before the start where the settings leave the choice to the system."""
        return self._settings.dimse_port if self._reception is None else self._reception.port

    def start(self, listening: socket.socket | None = None) -> None:
        """Listen.

        Args:
            listening: a socket that other processes may share; one of our own where not given.

        Raises:
            BadSettings: The address or the port cannot be used.
        """
        settings = self._settings
        if listening is None:
            listening = listen(settings.host, settings.dimse_port)
        lost = close_lost_associations(self._archive, receiver=self._receiver or None)
        self._reception = Reception(
            listening,
            self._admit,
            lets_in=self._admission.lets_in,
            tls=self._tls,
            busy=(lambda: len(self._conversations)) if self._receiver else None,
        )
        self._reception.start()
        _log.info("listening", ae_title=settings.ae_title, port=self.port, lost=lost)

    def stop(self) -> None:
        """Stop listening and end every association."""
        if self._reception is None:
            return
        port = self.port
        self._reception.shutdown()
        with self._lock:
            ending = list(self._conversations.values())
        for each in ending:
            hang_up(each.visitor.connection)
        deadline = clock.monotonic() + _STOP_TIMEOUT_S
        for each in ending:
            each.thread.join(max(0.0, deadline - clock.monotonic()))
        _log.info("stopped_listening", port=port)
        self._reception = None

    def _admit(self, visitor: Visitor) -> None:
        """Give a visitor a thread; called by the reception, which must not wait."""
        thread = threading.Thread(target=self._converse, args=(visitor,), daemon=True)
        with self._lock:
            is_crowded = (
                len(self._conversations) >= self._settings.max_associations + _MAX_REJECTIONS
            )
            if not is_crowded:
                self._conversations[id(visitor)] = _Conversation(visitor=visitor, thread=thread)
        if is_crowded:
            visitor.connection.close()
        else:
            thread.start()

    def _converse(self, visitor: Visitor) -> None:
        try:
            self._associate(visitor)
        except BadFile as error:
            _log.warning("association_broken", address=visitor.address, problem=error.problem)
        except OSError as error:
            _log.warning("association_lost", address=visitor.address, error=str(error))
        finally:
            with self._lock:
                del self._conversations[id(visitor)]
            visitor.connection.close()

    def _associate(self, visitor: Visitor) -> None:
        settings = self._settings
        asked = AssociationRequest.read(visitor.request)
        wire = Wire(visitor.connection, visitor.more, max_pdu_bytes=settings.max_pdu_bytes)
        rejection = (
            asked.is_unusable() or self._admission.rejection(asked) or self._take_a_place(visitor)
        )
        if rejection is not None:
            _log.warning("association_rejected", calling_ae=asked.calling_ae, reason=rejection)
            visitor.connection.sendall(rejection.encode())
            return
        contexts, answer = accept(asked, self._services, max_pdu_bytes=settings.max_pdu_bytes)
        wire.peer_takes(asked.max_pdu_bytes)
        visitor.connection.sendall(answer)
        association = AcceptedAssociation(
            asked,
            wire,
            address=visitor.address,
            record=lambda: open_association(
                self._archive, asked.calling_ae, visitor.address, receiver=self._receiver
            ),
            contexts=contexts,
            services=self._services,
            max_instance_bytes=settings.max_instance_bytes,
        )
        with self._recorded(association):
            association.serve()

    def _take_a_place(self, visitor: Visitor) -> Rejection | None:
        with self._lock:
            places = [
                each.visitor.address for each in self._conversations.values() if each.is_established
            ]
            if len(places) >= self._settings.max_associations:
                return TOO_MANY
            if places.count(visitor.address) >= self._settings.max_associations_per_address:
                return TOO_MANY
            self._conversations[id(visitor)].is_established = True
        return None

    @contextlib.contextmanager
    def _recorded(self, association: AcceptedAssociation) -> Iterator[None]:
        """Note in the log that an association begins, and there and in the catalog how it ends."""
        name, opened_at = association.calling_ae, clock.monotonic()
        _log.info("association_opened", calling_ae=name, address=association.address)
        yield
        if association.row is not None:
            try:
                close_association(self._archive, association.row, association.ended)
            except OSError as error:
                _log.error("association_not_closed", association=association.row, error=error.errno)
        _log.info(
            "association_closed",
            association=association.row,
            calling_ae=name,
            ended=association.ended,
            seconds=round(clock.monotonic() - opened_at, 3),
            **association.counts,
        )


def services(archive: Archive, settings: Settings) -> Services:
    """Return what the listener does for the requests of others; a further service joins here."""
    return table(
        VERIFYING,
        storing(archive, issuer_of=settings.issuer_of),
        finding(archive),
        moving(archive, settings),
        getting(archive),
        committing(archive, settings),
        noting_availability(archive),
    )


def serve_dimse(settings: Settings, stop: threading.Event) -> None:
    """Receive into the archive of a data directory until `stop` is set, and do nothing else.

    Raises:
        BadSettings: The data directory, the address or the port cannot be used.
    """
    archive = Archive.open(settings)
    listener = Listener(archive, settings)
    listener.start()
    try:
        stop.wait()
    finally:
        listener.stop()
        archive.close()
