"""The DICOM listener: C-ECHO and C-STORE of every storage class in every transfer syntax.

Nothing is decoded. A store is acknowledged after the bytes are durable and in the catalog.
"""

import dataclasses
import threading

import pynetdicom
from pynetdicom import _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import A_ABORT

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.associations import (
    close_association,
    close_lost_associations,
    open_association,
)
from sightline.archive.receiving import enter, prepare
from sightline.errors import BadSettings, NotDicom
from sightline.formats.dicom_file import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    part10,
    read_header,
)
from sightline.intake.connections import BoundedSocket, Reception
from sightline.settings import Settings
from sightline.values.arrival import Source

_log = log.get("intake")

_VERIFICATION = "1.2.840.10008.1.1"

# PS3.4 Table B.2-1
SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
NOT_OF_THIS_CLASS = 0xA900
CANNOT_UNDERSTAND = 0xC000

# Scanners keep an association open between slices; one that is silent for longer is lost.
_IDLE_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 5.0


@dataclasses.dataclass(kw_only=True, slots=True)
class _Sender:
    """One open association.

    Attributes:
        row: id of its row in the catalog.
        ended: how it ended, as far as is known yet.
    """

    row: int
    name: str
    opened_at: float
    stored: int = 0
    refused: int = 0
    ended: str = "lost"


class Listener:
    """Receives into an archive until it is stopped."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        self._archive = archive
        self._settings = settings
        self._senders: dict[Association, _Sender] = {}
        self._reception: Reception | None = None
        self._watchers: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """The TCP port; 0 before the start where the settings leave the choice to the system."""
        if self._reception is None:
            return self._settings.dimse_port
        return int(self._reception.server_address[1])

    def start(self) -> None:
        """Listen.

        Raises:
            BadSettings: The address or the port cannot be used.
        """
        lost = close_lost_associations(self._archive)
        settings = self._settings
        # pynetdicom has these for the whole process; we are its only acceptor.
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        _config.LOG_HANDLER_LEVEL = "none"
        try:
            reception = Reception(
                _entity(settings),
                (settings.host, settings.dimse_port),
                evt_handlers=self._handlers(),
            )
        except OSError as error:
            raise BadSettings(
                f"cannot listen on {settings.host}:{settings.dimse_port}: {error.strerror}",
                hint="Is Sightline running already? Set host and dimse_port to free ones.",
            ) from error
        reception.start()
        self._reception = reception
        _log.info("listening", ae_title=settings.ae_title, port=self.port, lost=lost)

    def stop(self) -> None:
        """Stop listening and end every association."""
        if self._reception is None:
            return
        self._reception.shutdown()
        for association in list(self._senders):
            association.abort()
        for watcher in self._watchers:
            watcher.join(_STOP_TIMEOUT_S)
        _log.info("stopped_listening", port=self.port)
        self._reception = None

    def _handlers(self) -> list[evt.EventHandlerType]:
        return [
            (evt.EVT_CONN_OPEN, self._limit),
            (evt.EVT_ESTABLISHED, self._open),
            (evt.EVT_ACSE_RECV, self._note_end),
            (evt.EVT_RELEASED, self._note_release),
            (evt.EVT_C_STORE, self._store),
        ]

    def _limit(self, event: evt.Event) -> None:
        provider = event.assoc.dul
        assert provider.socket is not None  # noqa: S101 - the event says it has just been opened
        provider.socket = BoundedSocket(
            provider.socket,
            max_pdu_bytes=self._settings.max_pdu_bytes,
            max_instance_bytes=self._settings.max_instance_bytes,
        )

    def _open(self, event: evt.Event) -> None:
        association = event.assoc
        name, address = association.requestor.ae_title, association.requestor.address
        try:
            row = open_association(self._archive, name, address)
        except OSError as error:
            # Nothing can be stored without the row: `_store` refuses.
            _log.error("association_not_recorded", calling_ae=name, error=error.errno)
            return
        self._senders[association] = _Sender(row=row, name=name, opened_at=clock.monotonic())
        self._watchers = [watcher for watcher in self._watchers if watcher.is_alive()]
        watcher = threading.Thread(target=self._see_off, args=(association,), daemon=True)
        self._watchers.append(watcher)
        watcher.start()
        _log.info("association_opened", association=row, calling_ae=name, address=address)

    def _note_end(self, event: evt.Event) -> None:
        sender = self._senders.get(event.assoc)
        if sender is not None and isinstance(event.primitive, A_ABORT):  # type: ignore[attr-defined]  # set by the event
            sender.ended = "aborted"

    def _note_release(self, event: evt.Event) -> None:
        sender = self._senders.get(event.assoc)
        if sender is not None:
            sender.ended = "released"

    def _see_off(self, association: Association) -> None:
        # pynetdicom has endings that raise no event, but none that outlives its thread.
        association.join()
        sender = self._senders.pop(association)
        try:
            close_association(self._archive, sender.row, sender.ended)
        except OSError as error:
            _log.error("association_not_closed", association=sender.row, error=error.errno)
        _log.info(
            "association_closed",
            association=sender.row,
            ended=sender.ended,
            stored=sender.stored,
            refused=sender.refused,
            seconds=round(clock.monotonic() - sender.opened_at, 3),
        )

    def _store(self, event: evt.Event) -> int:
        sender = self._senders.get(event.assoc)
        if sender is None:
            return OUT_OF_RESOURCES
        status = self._keep(event, sender)
        if status == SUCCESS:
            sender.stored += 1
        else:
            sender.refused += 1
        return status

    def _keep(self, event: evt.Event, sender: _Sender) -> int:
        """Store one instance and return the status to answer (PS3.4 B.2.3)."""
        assert isinstance(event.request, C_STORE)  # noqa: S101 - it is what the handler is bound to
        class_uid = str(event.request.AffectedSOPClassUID)
        instance_uid = str(event.request.AffectedSOPInstanceUID)
        try:
            content = part10(
                event.encoded_dataset(include_meta=False),
                sop_class_uid=class_uid,
                sop_instance_uid=instance_uid,
                transfer_syntax_uid=event.context.transfer_syntax,
            )
            header = read_header(content)
            if (header.sop_class_uid, header.instance_uid) != (class_uid, instance_uid):
                _log.warning("store_refused", association=sender.row, problem="UIDs differ")
                return NOT_OF_THIS_CLASS
            source = Source(name=f"dimse:{sender.name}", association=sender.row)
            enter(self._archive, prepare(self._archive, header, content), source)
        except (NotDicom, UnicodeEncodeError) as error:
            problem = error.problem if isinstance(error, NotDicom) else "UIDs are not ASCII"
            _log.warning("store_refused", association=sender.row, problem=problem)
            return CANNOT_UNDERSTAND
        except OSError as error:
            _log.error("store_failed", association=sender.row, error=error.errno)
            return OUT_OF_RESOURCES
        return SUCCESS


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


def _entity(settings: Settings) -> pynetdicom.AE:
    entity = pynetdicom.AE(ae_title=settings.ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.maximum_pdu_size = settings.max_pdu_bytes
    entity.maximum_associations = settings.max_associations
    entity.network_timeout = _IDLE_TIMEOUT_S
    entity.add_supported_context(_VERIFICATION)
    return entity
