"""C-MOVE and C-GET: what the archive holds, sent to whom it is asked for (PS3.4 C.4.2, C.4.3)."""

import contextlib
import dataclasses
from collections.abc import Generator, Iterable, Sequence
from typing import TypeAlias

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.search import FoundInstance
from sightline.engines.limited import Limits
from sightline.errors import (
    BadFile,
    DamagedObject,
    NotDicom,
    PeerFailed,
    Refused,
    UnknownName,
)
from sightline.formats.dicom_dataset import rewritten
from sightline.formats.dicom_elements import dataset_offset
from sightline.intake.commands import Field, Fields, Kind
from sightline.intake.query import found_instances
from sightline.intake.query_identifiers import UNIQUE, Root, read_identifier, write_uid_list
from sightline.intake.services import (
    CANCELLED,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    PENDING,
    SUCCESS,
    UNCOMPRESSED,
    Association,
    Context,
    Request,
    Service,
)
from sightline.peers.dimse import Destination, Originator, send_for
from sightline.peers.known import peer_titled
from sightline.settings import Settings

_log = log.get("intake")

_MOVES: dict[str, Root] = {
    "1.2.840.10008.5.1.4.1.2.1.2": "patient",
    "1.2.840.10008.5.1.4.1.2.2.2": "study",
}
_GETS: dict[str, Root] = {
    "1.2.840.10008.5.1.4.1.2.1.3": "patient",
    "1.2.840.10008.5.1.4.1.2.2.3": "study",
}
# PS3.4 Tables C.4-2 and C.4-3
_SOME_FAILED = 0xB000
_CANNOT_COUNT = 0xA701
_CANNOT_SEND = 0xA702
_DESTINATION_UNKNOWN = 0xA801
_IDENTIFIER_DOES_NOT_MATCH = 0xA900
_UNABLE_TO_PROCESS = 0xC000
_FAILED_UIDS = 0x00080058
_Step: TypeAlias = tuple[str, str]
"""UID of an instance, and why it failed; empty where it did not."""

# PS3.4 Table B.2-1
_WARNINGS = frozenset({0xB000, 0xB006, 0xB007})
_MOST = 0xFFFF
# Into each other; a big endian one would need its pixels turned round.
_WRITABLE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE})
_MEDIUM = 0


def moving(archive: Archive, settings: Settings) -> Service:
    """Return the service that sends to the named peers of a site."""
    return Service(
        kind=Kind.C_MOVE,
        takes=_MOVES.__contains__,
        syntaxes=UNCOMPRESSED,
        handle=_Moving(archive, settings).handle,
    )


def getting(archive: Archive) -> Service:
    """Return the service that sends on the association that asks."""
    return Service(
        kind=Kind.C_GET,
        takes=_GETS.__contains__,
        syntaxes=UNCOMPRESSED,
        handle=_Getting(archive).handle,
    )


@dataclasses.dataclass(kw_only=True, slots=True)
class _Tally:
    """The sub-operations of one request."""

    remaining: int
    completed: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)

    def add(self, uid: str, problem: str) -> None:
        """Count one; an empty `problem` is none."""
        self.remaining -= 1
        if problem:
            self.failed.append(uid)
        else:
            self.completed += 1

    def fields(self, *, is_final: bool) -> Fields:
        """Return the counts; a final response has none that remain (PS3.7 9.1.4.1.7)."""
        counts = {
            Field.COMPLETED_SUBOPERATIONS: min(self.completed, _MOST),
            Field.FAILED_SUBOPERATIONS: min(len(self.failed), _MOST),
            Field.WARNING_SUBOPERATIONS: 0,
        }
        if not is_final:
            counts[Field.REMAINING_SUBOPERATIONS] = min(self.remaining, _MOST)
        return counts

    @property
    def status(self) -> int:
        """The final status when all were tried."""
        if not self.failed:
            return SUCCESS
        return _SOME_FAILED if self.completed else _CANNOT_SEND


@dataclasses.dataclass(frozen=True, slots=True)
class _Moving:
    archive: Archive
    settings: Settings

    def handle(self, association: Association, request: Request) -> None:
        found = _found(
            self.archive, association, request, root=_MOVES[request.context.sop_class_uid]
        )
        if isinstance(found, int):
            association.send_response(request, found)
            return
        title = request.command.text(Field.MOVE_DESTINATION)
        try:
            destination = peer_titled(title, self.settings)
        except PeerFailed as error:
            _log.error("peer_setting_unusable", problem=error.problem)
            destination = None
        if destination is None:
            _log.warning("move_refused", calling_ae=association.calling_ae, destination=title)
            association.send_response(request, _DESTINATION_UNKNOWN)
            return
        originator = Originator(ae_title=association.calling_ae, message_id=request.message_id)
        steps = self._send(found, destination, originator)
        _follow(association, request, steps, expected=len(found))

    def _send(
        self, found: Sequence[FoundInstance], destination: Destination, originator: Originator
    ) -> Generator[_Step, None, None]:
        """Send all; where the peer goes away the rest has failed."""
        left = {each.uid for each in found}
        digests = [each.digest for each in found]
        try:
            with self.archive.objects.local_copies(digests) as paths:
                sending = send_for(
                    originator, destination, paths, calling_ae=self.settings.ae_title
                )
                with contextlib.closing(sending) as steps:
                    for uid, problem in steps:
                        left.discard(uid)
                        yield uid, problem
        except (PeerFailed, NotDicom, DamagedObject, UnknownName) as error:
            _log.warning("move_failed", problem=error.problem)
            yield from ((uid, error.problem) for uid in sorted(left))
        except OSError as error:
            _log.error("move_failed", error=error.errno)
            yield from ((uid, "cannot be read") for uid in sorted(left))


@dataclasses.dataclass(frozen=True, slots=True)
class _Getting:
    archive: Archive

    def handle(self, association: Association, request: Request) -> None:
        found = _found(
            self.archive, association, request, root=_GETS[request.context.sop_class_uid]
        )
        if isinstance(found, int):
            association.send_response(request, found)
            return
        _follow(association, request, self._send(association, found), expected=len(found))

    def _send(
        self, association: Association, found: Sequence[FoundInstance]
    ) -> Generator[_Step, None, None]:
        for each in found:
            try:
                yield each.uid, self._store(association, each)
            except (DamagedObject, UnknownName, BadFile) as error:
                _log.error("get_failed", instance=each.uid, problem=error.problem)
                yield each.uid, error.problem

    def _store(self, association: Association, instance: FoundInstance) -> str:
        """Store one instance on the association; return why it failed, empty where it did not."""
        chosen = _context_for(association.contexts.values(), instance)
        if chosen is None:
            return "no context was accepted for it"
        try:
            content = self.archive.objects.get(instance.digest)
        except OSError as error:  # of the disk: one of the network ends the association
            return f"cannot be read: {error.strerror}"
        if chosen.transfer_syntax_uid == instance.transfer_syntax_uid:
            dataset = content[dataset_offset(content) :]
        else:
            limits = Limits.for_bytes(len(content))
            dataset = limits.call(rewritten, content, chosen.transfer_syntax_uid)
        fields: Fields = {
            Field.AFFECTED_SOP_CLASS_UID: instance.sop_class_uid,
            Field.COMMAND_FIELD: Kind.C_STORE,
            Field.PRIORITY: _MEDIUM,
            Field.AFFECTED_SOP_INSTANCE_UID: instance.uid,
        }
        answer = association.send_request_and_wait(chosen, fields, dataset)
        status = answer.number(Field.STATUS)
        return "" if status == SUCCESS or status in _WARNINGS else f"answered 0x{status:04X}"


def _found(
    archive: Archive, association: Association, request: Request, *, root: Root
) -> list[FoundInstance] | int:
    """Return the instances that a request names, or the status that refuses it."""
    try:
        identifier = read_identifier(
            bytes(request.dataset),
            transfer_syntax_uid=request.context.transfer_syntax_uid,
            root=root,
        )
        if identifier.keys.get(UNIQUE[identifier.level]):  # PS3.4 C.4.2.2.1
            return list(found_instances(archive, identifier))
        _log.warning(
            "retrieval_refused", calling_ae=association.calling_ae, problem="no unique key"
        )
        return _IDENTIFIER_DOES_NOT_MATCH  # noqa: TRY300 - beside the other refusals
    except Refused as error:
        _log.warning("retrieval_refused", calling_ae=association.calling_ae, problem=error.problem)
        return _IDENTIFIER_DOES_NOT_MATCH
    except NotDicom as error:
        _log.warning("retrieval_refused", calling_ae=association.calling_ae, problem=error.problem)
        return _UNABLE_TO_PROCESS
    except OSError as error:
        _log.error("retrieval_failed", calling_ae=association.calling_ae, error=str(error))
        return _CANNOT_COUNT


def _follow(
    association: Association,
    request: Request,
    steps: Generator[_Step, None, None],
    *,
    expected: int,
) -> None:
    """Report each sub-operation, and the end."""
    tally = _Tally(remaining=expected)
    status = SUCCESS
    with contextlib.closing(steps):
        for uid, problem in steps:
            tally.add(uid, problem)
            association.count("sent" if not problem else "failed")
            if association.is_cancelled(request.message_id):
                status = CANCELLED
                break
            if tally.remaining:
                fields = tally.fields(is_final=False)
                association.send_response(request, PENDING, fields=fields)
    if status != CANCELLED:
        status = tally.status
    failed = b""
    if tally.failed:
        syntax = request.context.transfer_syntax_uid
        failed = write_uid_list(_FAILED_UIDS, tally.failed, transfer_syntax_uid=syntax)
    fields = tally.fields(is_final=status != CANCELLED)
    association.send_response(request, status, dataset=failed, fields=fields)


def _context_for(contexts: Iterable[Context], instance: FoundInstance) -> Context | None:
    """Choose the context in which an instance goes as it is, else one it can be rewritten for."""
    offered = [
        each
        for each in contexts
        if each.requestor_is_scp and each.sop_class_uid == instance.sop_class_uid
    ]
    for each in offered:
        if each.transfer_syntax_uid == instance.transfer_syntax_uid:
            return each
    if instance.transfer_syntax_uid not in _WRITABLE:
        return None
    return next((each for each in offered if each.transfer_syntax_uid in _WRITABLE), None)
