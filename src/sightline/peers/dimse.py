"""DICOM SCU: associations, C-ECHO, and C-STORE that sends the stored bytes as they are."""

import dataclasses
import re
import ssl
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pydicom
from pynetdicom import _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext, build_context, build_role

from sightline import clock
from sightline.errors import PeerFailed
from sightline.formats.dicom_dataset import broken_values_are_not_dicom
from sightline.formats.dicom_file import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    read_header,
)
from sightline.peers.checkpoint import Checkpoint
from sightline.peers.sockets import CallingEntity, CallingSocket

_VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
# Every peer takes implicit little endian (PS3.5 10.1); these two can be rewritten as it.
_CONVERTIBLE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE})

# Success, and the warnings that go with a stored instance (PS3.4 Table B.2-1)
_STORED = frozenset({0x0000, 0xB000, 0xB006, 0xB007})
_Proposal: TypeAlias = tuple[str, str]
"""Abstract syntax and transfer syntax of a presentation context."""

_DESTINATION = re.compile(r"([ -~]{1,16})@(\[[0-9a-fA-F:.]+\]|[^@:\s]+):(\d{1,5})(/tls)?")
ASK = "The peer's log says why; ask its administrator to accept what we send."
_PREFIX = slice(128, 132)
_ACCEPTED = 0
_MAX_PDU_BYTES = 131072
MAX_CONTEXTS = 128
_CONNECT_TIMEOUT_S = 10.0
_ASSOCIATE_TIMEOUT_S = 30.0
# A peer may write a large object to a slow disk before it answers.
ANSWER_TIMEOUT_S = 120.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """A DICOM application entity that listens.

    Attributes:
        tls: what it is called with by TLS; None where it is called in the clear.
    """

    ae_title: str
    host: str
    port: int
    tls: ssl.SSLContext | None = dataclasses.field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.ae_title}@{host}:{self.port}{'/tls' if self.tls else ''}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Originator:
    """Who asked for a C-STORE by C-MOVE (PS3.7 9.1.1.1.6)."""

    ae_title: str
    message_id: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SendReport:
    """What a peer acknowledged."""

    instances: int
    size_bytes: int
    seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Outgoing:
    path: Path
    uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size_bytes: int


def parse_destination(text: str, *, tls: ssl.SSLContext | None = None) -> Destination:
    """Read `AETITLE@host:port`, with `/tls` behind where it speaks TLS; IPv6 stands in brackets.

    Args:
        text: what a person wrote.
        tls: what is called with by TLS; where it is not given, the system's authorities are
            trusted and we show no certificate.

    Raises:
        PeerFailed: The text names no destination.
    """
    match = _DESTINATION.fullmatch(text.strip())
    port = int(match[3]) if match else 0
    if not match or not match[1].strip() or not 0 < port <= 65535:  # noqa: PLR2004 - TCP's last port
        raise PeerFailed(
            f"{text!r} names no destination", hint="Write AETITLE@host:port, such as PACS@pacs:104."
        )
    return Destination(
        ae_title=match[1].strip(),
        host=match[2].strip("[]"),
        port=port,
        tls=(tls or ssl.create_default_context()) if match[4] else None,
    )


def dicom_files(path: Path) -> list[Path]:
    """List the Part 10 files at `path`, a file or a folder; other files are passed over."""
    files = sorted(each for each in (path, *path.rglob("*")) if each.is_file())
    return [each for each in files if _is_part10(each)]


def _is_part10(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(_PREFIX.stop)[_PREFIX] == b"DICM"


def echo(destination: Destination, *, calling_ae: str) -> float:
    """Ask a peer whether it answers; return the seconds it took, connecting included.

    Raises:
        PeerFailed: It cannot be reached, refuses us, or does not answer.
    """
    started = clock.monotonic()
    contexts = [build_context(_VERIFICATION, IMPLICIT_LITTLE)]
    with associated(destination, contexts, calling_ae=calling_ae) as association:
        if not association.accepted_contexts:
            raise PeerFailed(f"{destination} does not take C-ECHO", hint=ASK)
        status = association.send_c_echo().get("Status")
    if status != 0:
        raise PeerFailed(f"{destination} did not answer C-ECHO with success", hint=ASK)
    return clock.monotonic() - started


def send(
    destination: Destination,
    files: Sequence[Path],
    *,
    calling_ae: str,
    on_progress: Callable[[int], None] = lambda _sent: None,
) -> SendReport:
    """Send Part 10 files; return when the peer acknowledged every one.

    Their bytes go out as they are. Only for a peer that takes nothing but implicit little endian
    is an uncompressed instance rewritten. One refused instance does not keep back the others.

    Args:
        destination: the peer.
        files: one instance each.
        calling_ae: our application entity title.
        on_progress: called with the count of acknowledged instances.

    Raises:
        PeerFailed: The peer cannot be reached, or refused something.
        NotDicom: A file is no DICOM instance; nothing was sent.
        OSError: A file cannot be read; nothing was sent.
    """
    started = clock.monotonic()
    outgoing = [_outgoing(path) for path in files]
    sent, refused = 0, []
    for uid, problem in _store_each(destination, outgoing, calling_ae=calling_ae):
        if problem:
            refused.append(f"{uid}: {problem}")
        else:
            sent += 1
            on_progress(sent)
    if refused:
        raise PeerFailed(
            f"{destination} took {sent} of {len(outgoing)} instances; {refused[0]}", hint=ASK
        )
    size_bytes = sum(each.size_bytes for each in outgoing)
    return SendReport(instances=sent, size_bytes=size_bytes, seconds=clock.monotonic() - started)


def send_for(
    originator: Originator, destination: Destination, files: Sequence[Path], *, calling_ae: str
) -> Generator[tuple[str, str], None, None]:
    """Send Part 10 files that someone else asked for by C-MOVE, one for each step.

    Gives the UID of each instance, and why it was refused: empty where it was stored. Closed
    before its end it aborts the association.

    Raises:
        PeerFailed: The peer cannot be reached, or went away.
        NotDicom: A file is no DICOM instance; nothing was sent.
        OSError: A file cannot be read; nothing was sent.
    """
    outgoing = [_outgoing(path) for path in files]
    yield from _store_each(destination, outgoing, calling_ae=calling_ae, originator=originator)


def _store_each(
    destination: Destination,
    outgoing: Sequence[_Outgoing],
    *,
    calling_ae: str,
    originator: Originator | None = None,
) -> Iterator[tuple[str, str]]:
    for batch, proposals in _batches(outgoing):
        contexts = [build_context(*proposal) for proposal in sorted(proposals)]
        with associated(destination, contexts, calling_ae=calling_ae) as association:
            for each in batch:
                yield each.uid, _store(association, each, originator)


def _outgoing(path: Path) -> _Outgoing:
    content = path.read_bytes()
    header = read_header(content)
    return _Outgoing(
        path=path,
        uid=header.instance_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax_uid=header.transfer_syntax_uid,
        size_bytes=len(content),
    )


def _batches(
    outgoing: Sequence[_Outgoing],
) -> Iterator[tuple[list[_Outgoing], set[_Proposal]]]:
    """Split so that no association needs more contexts than DICOM allows (PS3.8 9.3.2.2)."""
    batch: list[_Outgoing] = []
    proposals: set[_Proposal] = set()
    for each in outgoing:
        wanted = proposals | _proposals(each)
        if len(wanted) > MAX_CONTEXTS:
            yield batch, proposals
            batch, wanted = [], _proposals(each)
        batch.append(each)
        proposals = wanted
    if batch:
        yield batch, proposals


def _proposals(each: _Outgoing) -> set[_Proposal]:
    own = (each.sop_class_uid, each.transfer_syntax_uid)
    if each.transfer_syntax_uid in _CONVERTIBLE:
        return {own, (each.sop_class_uid, IMPLICIT_LITTLE)}
    return {own}


@contextmanager
def associated(
    destination: Destination,
    contexts: Sequence[PresentationContext],
    *,
    calling_ae: str,
    provided: Sequence[str] = (),
    on_store: Callable[[evt.Event], int] | None = None,
    silence_s: float = ANSWER_TIMEOUT_S,
) -> Iterator[Association]:
    """Open an association, release it in the end, abort it when something raises.

    Args:
        destination: the peer.
        contexts: what is proposed, at most 128.
        calling_ae: our application entity title.
        provided: SOP classes of which we offer to be the provider (PS3.7 D.3.3.4).
        on_store: takes each instance that the peer stores on this very association (C-GET), and
            returns the status to answer.
        silence_s: how long the peer may take for an answer.

    Raises:
        PeerFailed: It cannot be reached, or refuses us.
    """
    # For the whole process: a path is sent as it lies on disk, not decoded and encoded again, and
    # no patient of a query is written to a log.
    _config.STORE_SEND_CHUNKED_DATASET = True
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    try:
        association = _entity(calling_ae, silence_s).associate(
            destination.host,
            destination.port,
            contexts=list(contexts),
            ae_title=destination.ae_title,
            max_pdu=_MAX_PDU_BYTES,
            tls_args=(destination.tls, destination.host) if destination.tls else None,
            ext_neg=[build_role(uid, scp_role=True) for uid in provided],
            evt_handlers=[(evt.EVT_C_STORE, on_store)] if on_store else None,
        )
    except OSError as error:
        raise _unreachable(destination) from error
    if not association.is_established:
        raise _not_established(destination, association)
    association._reactor_checkpoint = Checkpoint()  # noqa: SLF001 - the reason stands there
    try:
        yield association
        association.release()
    finally:
        if association.is_established:
            association.abort()


def _entity(calling_ae: str, silence_s: float) -> CallingEntity:
    entity = CallingEntity(ae_title=calling_ae)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.connection_timeout = _CONNECT_TIMEOUT_S
    entity.acse_timeout = min(silence_s, _ASSOCIATE_TIMEOUT_S)
    entity.dimse_timeout = silence_s
    entity.network_timeout = silence_s
    return entity


def _not_established(destination: Destination, association: Association) -> PeerFailed:
    used = association.dul.socket
    if not (isinstance(used, CallingSocket) and used.was_reached):
        return _unreachable(destination)
    answer = association.acceptor.primitive
    if answer is not None and answer.result == _ACCEPTED:
        return PeerFailed(f"{destination} takes nothing of what we propose", hint=ASK)
    if answer is None:
        # Where a rejection came and the connection was closed before pynetdicom looked whether it
        # stands, pynetdicom gives up and leaves the rejection unread.
        answer = association.dul.receive_pdu(wait=False)
    if not isinstance(answer, A_ASSOCIATE) or answer.result == _ACCEPTED:
        return PeerFailed(f"{destination} did not complete the association", hint=ASK)
    return PeerFailed(
        f"{destination} rejected the association: {answer.reason_str}",
        hint="Check both AE titles; the peer must know ours.",
    )


def _unreachable(destination: Destination) -> PeerFailed:
    hint = "Is it running? Check host, port and firewall."
    if destination.tls:
        hint += " Is its certificate for that host, and of an authority in tls_ca?"
    return PeerFailed(f"{destination} cannot be reached", hint=hint)


def _store(association: Association, each: _Outgoing, originator: Originator | None) -> str:
    """Send one instance; return why it was refused, empty where it was stored.

    Raises:
        PeerFailed: The association ended.
    """
    accepted = {
        (context.abstract_syntax, context.transfer_syntax[0])
        for context in association.accepted_contexts
    }
    dataset: Path | pydicom.Dataset
    if (each.sop_class_uid, each.transfer_syntax_uid) in accepted:
        dataset = each.path
    elif accepted & _proposals(each):
        with broken_values_are_not_dicom("rewrite the instance as implicit little endian"):
            dataset = pydicom.dcmread(each.path)
    else:
        return f"no context for {each.sop_class_uid} in {each.transfer_syntax_uid} was accepted"
    if not association.is_established:
        raise _went_away()
    status = association.send_c_store(
        dataset,
        originator_aet=originator.ae_title if originator else None,
        originator_id=originator.message_id if originator else None,
    ).get("Status")
    if status is None:
        raise _went_away()
    return "" if status in _STORED else f"C-STORE was answered with 0x{status:04X}"


def cancel(association: Association, model: str, *, message_id: int) -> None:
    """Tell a peer to stop answering; it may have ended the association meanwhile."""
    if association.is_established:
        association.send_c_cancel(message_id, query_model=model)


def unanswered(destination: Destination) -> PeerFailed:
    """Say that a peer ended the association, or was silent, instead of answering."""
    return PeerFailed(
        f"{destination} ended the association without an answer",
        hint="Some peers do so where they do not know our AE title: ask its administrator.",
    )


def _went_away() -> PeerFailed:
    return PeerFailed(
        "the peer ended the association before it had everything",
        hint="Send again: what arrived is the same object under the same UID.",
    )
