"""C-FIND: what the archive holds, told to whoever asks (PS3.4 C.4.1)."""

import dataclasses

from sightline import log
from sightline.archive.archive import Archive
from sightline.errors import NotDicom, Refused
from sightline.intake.commands import Kind
from sightline.intake.query import is_wholly_supported, matches
from sightline.intake.query_identifiers import Root, read_identifier, write_match
from sightline.intake.services import (
    CANCELLED,
    PENDING,
    SUCCESS,
    UNCOMPRESSED,
    Association,
    Request,
    Service,
)

_log = log.get("intake")

_ROOTS: dict[str, Root] = {
    "1.2.840.10008.5.1.4.1.2.1.1": "patient",
    "1.2.840.10008.5.1.4.1.2.2.1": "study",
}
# PS3.4 Table C.4-1
_PENDING_UNSUPPORTED_KEYS = 0xFF01
_OUT_OF_RESOURCES = 0xA700
_IDENTIFIER_DOES_NOT_MATCH = 0xA900
_UNABLE_TO_PROCESS = 0xC000


def finding(archive: Archive) -> Service:
    """Return the service that answers queries about an archive."""
    return Service(
        kind=Kind.C_FIND,
        takes=_ROOTS.__contains__,
        syntaxes=UNCOMPRESSED,
        handle=_Finding(archive).handle,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Finding:
    archive: Archive

    def handle(self, association: Association, request: Request) -> None:
        association.send_response(request, self._answer(association, request))

    def _answer(self, association: Association, request: Request) -> int:
        """Send every match and return the final status."""
        syntax = request.context.transfer_syntax_uid
        try:
            identifier = read_identifier(
                bytes(request.dataset),
                transfer_syntax_uid=syntax,
                root=_ROOTS[request.context.sop_class_uid],
            )
        except Refused as error:
            _log.warning("query_refused", calling_ae=association.calling_ae, problem=error.problem)
            return _IDENTIFIER_DOES_NOT_MATCH
        except NotDicom as error:
            _log.warning("query_refused", calling_ae=association.calling_ae, problem=error.problem)
            return _UNABLE_TO_PROCESS
        status = PENDING if is_wholly_supported(identifier) else _PENDING_UNSUPPORTED_KEYS
        found = matches(self.archive, identifier)
        while True:
            # Only reading the catalog is ours to fail in: a peer that left ends the association.
            try:
                match = next(found, None)
            except OSError as error:
                _log.error("query_failed", calling_ae=association.calling_ae, error=str(error))
                return _OUT_OF_RESOURCES
            if match is None:
                return SUCCESS
            if association.is_cancelled(request.message_id):
                return CANCELLED
            answer = write_match(
                identifier,
                match,
                transfer_syntax_uid=syntax,
                retrieve_ae=association.called_ae,
            )
            association.send_response(request, status, dataset=answer)
            association.count("matches")
