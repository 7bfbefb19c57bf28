"""DICOM SCU: C-ECHO, and C-STORE that sends the stored bytes as they are."""

import dataclasses
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pydicom
from pynetdicom import _config
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

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
_IMPLICIT_LITTLE = "1.2.840.10008.1.2"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
# Every peer takes implicit little endian (PS3.5 10.1); these two can be rewritten as it.
_CONVERTIBLE = frozenset({_IMPLICIT_LITTLE, _EXPLICIT_LITTLE})

# Success, and the warnings that go with a stored instance (PS3.4 Table B.2-1)
_STORED = frozenset({0x0000, 0xB000, 0xB006, 0xB007})
_Proposal: TypeAlias = tuple[str, str]
"""Abstract syntax and transfer syntax of a presentation context."""

_DESTINATION = re.compile(r"([ -~]{1,16})@(\[[0-9a-fA-F:.]+\]|[^@:\s]+):(\d{1,5})(/tls)?")
_ASK = "The peer's log says why; ask its administrator to accept what we send."
_PREFIX = slice(128, 132)
_MAX_PDU_BYTES = 131072
_MAX_CONTEXTS = 128
_CONNECT_TIMEOUT_S = 10.0
# A peer may write a large object to a slow disk before it answers.
_ANSWER_TIMEOUT_S = 120.0


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
    proposals = {(_VERIFICATION, _IMPLICIT_LITTLE)}
    with _associated(destination, proposals, calling_ae) as association:
        if not association.accepted_contexts:
            raise PeerFailed(f"{destination} does not take C-ECHO", hint=_ASK)
        status = association.send_c_echo().get("Status")
    if status != 0:
        raise PeerFailed(f"{destination} did not answer C-ECHO with success", hint=_ASK)
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
    for batch, proposals in _batches(outgoing):
        with _associated(destination, proposals, calling_ae) as association:
            for each in batch:
                problem = _store(association, each)
                if problem:
                    refused.append(f"{each.uid}: {problem}")
                else:
                    sent += 1
                    on_progress(sent)
    if refused:
        raise PeerFailed(
            f"{destination} took {sent} of {len(outgoing)} instances; {refused[0]}", hint=_ASK
        )
    size_bytes = sum(each.size_bytes for each in outgoing)
    return SendReport(instances=sent, size_bytes=size_bytes, seconds=clock.monotonic() - started)


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
        if len(wanted) > _MAX_CONTEXTS:
            yield batch, proposals
            batch, wanted = [], _proposals(each)
        batch.append(each)
        proposals = wanted
    if batch:
        yield batch, proposals


def _proposals(each: _Outgoing) -> set[_Proposal]:
    own = (each.sop_class_uid, each.transfer_syntax_uid)
    if each.transfer_syntax_uid in _CONVERTIBLE:
        return {own, (each.sop_class_uid, _IMPLICIT_LITTLE)}
    return {own}


@contextmanager
def _associated(
    destination: Destination, proposals: set[_Proposal], calling_ae: str
) -> Iterator[Association]:
    """Open an association, release it in the end, abort it when something raises."""
    # For the whole process: a path is sent as it lies on disk, not decoded and encoded again.
    _config.STORE_SEND_CHUNKED_DATASET = True
    _config.LOG_HANDLER_LEVEL = "none"
    try:
        association = _entity(calling_ae).associate(
            destination.host,
            destination.port,
            contexts=[build_context(*proposal) for proposal in sorted(proposals)],
            ae_title=destination.ae_title,
            max_pdu=_MAX_PDU_BYTES,
            tls_args=(destination.tls, destination.host) if destination.tls else None,
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


def _entity(calling_ae: str) -> CallingEntity:
    entity = CallingEntity(ae_title=calling_ae)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.connection_timeout = _CONNECT_TIMEOUT_S
    entity.dimse_timeout = _ANSWER_TIMEOUT_S
    entity.network_timeout = _ANSWER_TIMEOUT_S
    return entity


def _not_established(destination: Destination, association: Association) -> PeerFailed:
    used = association.dul.socket
    if not (isinstance(used, CallingSocket) and used.was_reached):
        return _unreachable(destination)
    answer = association.acceptor.primitive
    if not association.is_rejected or answer is None:
        return PeerFailed(f"{destination} did not complete the association", hint=_ASK)
    return PeerFailed(
        f"{destination} rejected the association: {answer.reason_str}",
        hint="Check both AE titles; the peer must know ours.",
    )


def _unreachable(destination: Destination) -> PeerFailed:
    hint = "Is it running? Check host, port and firewall."
    if destination.tls:
        hint += " Is its certificate for that host, and of an authority in tls_ca?"
    return PeerFailed(f"{destination} cannot be reached", hint=hint)


def _store(association: Association, each: _Outgoing) -> str:
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
    status = association.send_c_store(dataset).get("Status")
    if status is None:
        raise _went_away()
    return "" if status in _STORED else f"C-STORE was answered with 0x{status:04X}"


def _went_away() -> PeerFailed:
    return PeerFailed(
        "the peer ended the association before it had everything",
        hint="Send again: what arrived is the same object under the same UID.",
    )
