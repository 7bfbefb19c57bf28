"""One association: requests are read, handed to their services and answered, in one thread."""

import contextlib
import socket
from collections import Counter
from collections.abc import Callable

from sightline import log
from sightline.errors import BadFile
from sightline.intake.commands import (
    NO_DATASET,
    RESPONSE,
    Command,
    Field,
    Fields,
    Kind,
    encode_command,
)
from sightline.intake.messages import Inbox, Message
from sightline.intake.negotiation import AssociationRequest
from sightline.intake.services import Context, Request, Services
from sightline.intake.upper_layer import ABORT, AssociationOver, Ending, Wire

_log = log.get("intake")

_SOP_CLASS_NOT_SUPPORTED = 0x0122
_UNRECOGNIZED_OPERATION = 0x0211
_HAS_DATASET = 0x0001
_MAX_MESSAGE_ID = 0xFFFF
# PS3.8 Table 9-26: the service provider, unexpected PDU parameter.
_ABORT_BY_PROVIDER = b"\0\0\x02\x05"
_ABORT_BY_USER = bytes(4)
_KINDS = frozenset(Kind)


class AcceptedAssociation:
    """An association from its acceptance to its end; services see it as `services.Association`.

    Args:
        asked: what the other side asked for.
        address: where it calls from.
        wire: its connection.
        record: enters it into the catalog and returns the row, or raises OSError.
        contexts: what was accepted.
        services: what is done for its requests.
        max_instance_bytes: the association of a sender of larger ones ends.
    """

    def __init__(
        self,
        asked: AssociationRequest,
        wire: Wire,
        *,
        address: str,
        record: Callable[[], int],
        contexts: dict[int, Context],
        services: Services,
        max_instance_bytes: int,
    ) -> None:
        self.calling_ae = asked.calling_ae
        self.called_ae = asked.called_ae
        self.address = address
        self.contexts = contexts
        self.row: int | None = None
        self.ended: Ending = "lost"
        self.counts: Counter[str] = Counter()
        self._record = record
        self._wire = wire
        self._inbox = Inbox(wire, max_instance_bytes=max_instance_bytes)
        self._services = services
        self._cancelled: set[int] = set()
        self._last_message_id = 0

    def serve(self) -> None:
        """Answer requests until the association ends, and note how it did."""
        try:
            while True:
                self._answer(self._inbox.next())
        except AssociationOver as over:
            self.ended = over.ended
            if over.ended == "lost":
                self._abort(_ABORT_BY_USER)  # we may be the ones who stop
        except BadFile as error:
            _log.warning("association_broken", calling_ae=self.calling_ae, problem=error.problem)
            self.ended = "aborted"
            self._abort(_ABORT_BY_PROVIDER)
        except OSError as error:
            _log.warning("association_lost", calling_ae=self.calling_ae, error=str(error))
            self._abort(_ABORT_BY_USER)
        except Exception as error:  # noqa: BLE001 - what a service did not foresee ends its association
            _log.error("association_failed", calling_ae=self.calling_ae, error=type(error).__name__)
            self.ended = "aborted"
            self._abort(_ABORT_BY_USER)

    def enter_catalog(self) -> int:
        """Return the row of a sender; see `services.Association`."""
        if self.row is None:
            self.row = self._record()
        return self.row

    def count(self, what: str) -> None:
        """Count something that the log shall tell when the association closes."""
        self.counts[what] += 1

    def send_response(
        self,
        request: Request,
        status: int,
        *,
        dataset: bytes = b"",
        fields: Fields | None = None,
    ) -> None:
        """Answer a request; see `services.Association`."""
        command: dict[Field, int | str] = {
            Field.AFFECTED_SOP_CLASS_UID: request.sop_class_uid,
            Field.COMMAND_FIELD: request.kind | RESPONSE,
            Field.MESSAGE_ID_RESPONDED_TO: request.message_id,
            Field.DATASET_TYPE: _HAS_DATASET if dataset else NO_DATASET,
            Field.STATUS: status,
        }
        if request.sop_instance_uid:
            command[Field.AFFECTED_SOP_INSTANCE_UID] = request.sop_instance_uid
        self._wire.send_message(
            request.context.id, encode_command(command | dict(fields or {})), dataset
        )

    def send_request_and_wait(
        self, context: Context, fields: Fields, dataset: bytes = b""
    ) -> Command:
        """Send a request and return the command of its response; see `services.Association`."""
        self._last_message_id = self._last_message_id % _MAX_MESSAGE_ID + 1
        message_id = self._last_message_id
        command = dict(fields) | {
            Field.MESSAGE_ID: message_id,
            Field.DATASET_TYPE: _HAS_DATASET if dataset else NO_DATASET,
        }
        self._wire.send_message(context.id, encode_command(command), dataset)
        while True:
            message = self._inbox.next()
            if message.kind & RESPONSE:
                return self._response(message, message_id)
            self._note_cancel(message)

    def is_cancelled(self, message_id: int) -> bool:
        """Tell whether a C-CANCEL came; see `services.Association`."""
        while self._wire.has_more():
            self._note_cancel(self._inbox.next())
        return message_id in self._cancelled

    def _answer(self, message: Message) -> None:
        if message.kind == Kind.C_CANCEL:
            return  # it comes too late: nothing is being answered
        request = self._request(message)
        service = self._services.get(request.kind)
        if service is None:
            self.send_response(request, _UNRECOGNIZED_OPERATION)
        elif not service.takes(request.context.sop_class_uid):
            self.send_response(request, _SOP_CLASS_NOT_SUPPORTED)
        else:
            self._cancelled.discard(request.message_id)
            service.handle(self, request)

    def _request(self, message: Message) -> Request:
        context = self.contexts.get(message.context_id)
        if context is None:
            raise _broken(f"presentation context {message.context_id} was not accepted")
        if message.kind not in _KINDS:
            raise _broken(f"command {message.kind:04X} is no request that a peer may make")
        command = message.command
        return Request(
            kind=Kind(message.kind),
            message_id=command.number(Field.MESSAGE_ID),
            context=context,
            sop_class_uid=command.text(Field.AFFECTED_SOP_CLASS_UID)
            or command.text(Field.REQUESTED_SOP_CLASS_UID),
            sop_instance_uid=command.text(Field.AFFECTED_SOP_INSTANCE_UID)
            or command.text(Field.REQUESTED_SOP_INSTANCE_UID),
            command=command,
            dataset=message.dataset,
        )

    @staticmethod
    def _response(message: Message, message_id: int) -> Command:
        if message.command.number(Field.MESSAGE_ID_RESPONDED_TO) != message_id:
            raise _broken("a response to something that was not asked")
        return message.command

    def _note_cancel(self, message: Message) -> None:
        if message.kind != Kind.C_CANCEL:
            raise _broken(f"command {message.kind:04X} came before the last one was answered")
        self._cancelled.add(message.command.number(Field.MESSAGE_ID_RESPONDED_TO))

    def _abort(self, content: bytes) -> None:
        with contextlib.suppress(OSError):
            self._wire.send_pdu(ABORT, content)


def hang_up(connection: socket.socket) -> None:
    """Have the thread that reads from a connection find its end."""
    with contextlib.suppress(OSError):
        # Not the method of a TLS socket, which would go on in the clear.
        socket.socket.shutdown(connection, socket.SHUT_RD)


def _broken(what: str) -> BadFile:
    return BadFile(
        f"the association is broken: {what}",
        hint="The sender's software is at fault; ask its maker.",
    )
