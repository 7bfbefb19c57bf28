"""DICOM SCU: C-MOVE and C-GET on the study root (PS3.4 C.4.2, C.4.3)."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from pydicom import Dataset
from pynetdicom import StoragePresentationContexts, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext, build_context

from sightline.errors import PeerFailed
from sightline.peers.dimse import (
    ASK,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    MAX_CONTEXTS,
    Destination,
    associated,
    cancel,
    unanswered,
)

_GET = "1.2.840.10008.5.1.4.1.2.2.3"
_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
_MESSAGE_ID = 1
# Peers that send no pending responses are silent while they store a whole study.
_SILENCE_S = 1800.0
# One element of explicit VR holds 64 KB, and peers put lists into one query of their database.
_UIDS_A_REQUEST = 200

# PS3.4 Tables C.4-2 and C.4-3
_SUCCESS, _SOME_FAILED, _CANCELLED = 0x0000, 0xB000, 0xFE00
_PENDING = frozenset({0xFF00, 0xFF01})
_MEANINGS = {
    0xA701: "it cannot count the matches",
    0xA702: "it could send nothing",
    0xA801: "it does not know where to move to",
    0xA900: "the identifier does not match the SOP class",
    0x0122: "it does not know the SOP class",
    0x0124: "we are not allowed to",
}
_WHERE_TO = "Does the peer know the title to move to, with host and port? Its log says why."

# Where the class of an instance is known each syntax gets a context, so that nothing is converted.
_SYNTAXES = (
    *(EXPLICIT_LITTLE, IMPLICIT_LITTLE),
    *("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"),  # big endian, deflated
    *(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91)),  # JPEG
    *("1.2.840.10008.1.2.5", *(f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203))),
    *(f"1.2.840.10008.1.2.4.{number}" for number in (100, 102, 103, 107)),  # MPEG
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What to retrieve: a study, a series of it, or instances of that."""

    study_uid: str
    series_uid: str = ""
    instance_uids: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """One instance that a peer stored on our association: its dataset as it came."""

    sop_class_uid: str
    instance_uid: str
    transfer_syntax_uid: str
    dataset: bytes


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Retrieved:
    """What the peer says it did.

    Attributes:
        failed_uids: instances it names as failed; it may name none.
    """

    completed: int = 0
    failed: int = 0
    failed_uids: tuple[str, ...] = ()
    was_cancelled: bool = False

    def __add__(self, other: "Retrieved") -> "Retrieved":
        """Add what was done in two requests."""
        return Retrieved(
            completed=self.completed + other.completed,
            failed=self.failed + other.failed,
            failed_uids=self.failed_uids + other.failed_uids,
            was_cancelled=self.was_cancelled or other.was_cancelled,
        )


def move(
    destination: Destination,
    wanted: Iterable[Wanted],
    *,
    to_ae: str,
    calling_ae: str,
    on_progress: Callable[[int], None] = lambda _completed: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Retrieved:
    """Have a peer send instances to an application entity that it knows: ourselves, or another.

    Args:
        destination: the peer that has them.
        wanted: one request each.
        to_ae: title of the receiver.
        calling_ae: our own title.
        on_progress: called with the count of instances sent so far.
        is_cancelled: asked after each answer of the peer; it is then told to stop.

    Raises:
        PeerFailed: The peer cannot be reached, refuses, or goes away.
    """
    contexts = [build_context(_MOVE, [EXPLICIT_LITTLE, IMPLICIT_LITTLE])]
    done = Retrieved()
    with associated(
        destination, contexts, calling_ae=calling_ae, silence_s=_SILENCE_S
    ) as association:
        _needs_model(association, _MOVE, f"{destination} takes no C-MOVE")
        follow = _Following(association, destination, _MOVE, on_progress, is_cancelled)
        for each in _requests(wanted):
            answers = association.send_c_move(_identifier(each), to_ae, _MOVE, msg_id=_MESSAGE_ID)
            done += follow.to_the_end(answers, before=done.completed)
            if done.was_cancelled:
                break
    return done


def get(
    destination: Destination,
    wanted: Iterable[Wanted],
    *,
    keep: Callable[[Received], int],
    classes: Sequence[str] = (),
    calling_ae: str,
    on_progress: Callable[[int], None] = lambda _completed: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Retrieved:
    """Have a peer store instances on the association that we ask on.

    Args:
        destination: the peer that has them.
        wanted: one request each.
        keep: called with each instance; returns the status to answer (PS3.4 Table B.2-1).
        classes: SOP classes of what is wanted, few enough that every transfer syntax of each gets
            a context of its own; where they are unknown, every storage class gets one context and
            the peer chooses the syntax.
        calling_ae: our own title.
        on_progress: called with the count of instances stored so far.
        is_cancelled: asked after each answer of the peer; it is then told to stop.

    Raises:
        PeerFailed: The peer cannot be reached, refuses, or goes away.
    """
    storage = _storage_contexts(classes)
    contexts = [build_context(_GET, [EXPLICIT_LITTLE, IMPLICIT_LITTLE]), *storage]
    offered = sorted({str(each.abstract_syntax) for each in storage})
    done = Retrieved()
    with associated(
        destination,
        contexts,
        calling_ae=calling_ae,
        provided=offered,
        on_store=lambda event: keep(_received(event)),
        silence_s=_SILENCE_S,
    ) as association:
        _needs_model(association, _GET, f"{destination} takes no C-GET")
        follow = _Following(association, destination, _GET, on_progress, is_cancelled)
        for each in _requests(wanted):
            answers = association.send_c_get(_identifier(each), _GET, msg_id=_MESSAGE_ID)
            done += follow.to_the_end(answers, before=done.completed)
            if done.was_cancelled:
                break
    return done


def classes_together(classes: Iterable[str]) -> list[list[str]]:
    """Split SOP classes so that one association can offer every transfer syntax of each."""
    room = (MAX_CONTEXTS - 1) // len(_SYNTAXES)
    ordered = sorted(set(classes))
    return [ordered[start : start + room] for start in range(0, len(ordered), room)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Following:
    """Follows requests on one association, each to its end."""

    association: Association
    destination: Destination
    model: str
    on_progress: Callable[[int], None]
    is_cancelled: Callable[[], bool]

    def to_the_end(
        self, answers: Iterator[tuple[Dataset, Dataset | None]], *, before: int
    ) -> Retrieved:
        was_told = False
        for status, identifier in answers:
            code = status.get("Status")
            if code is None:
                raise unanswered(self.destination)
            completed = status.get("NumberOfCompletedSuboperations") or 0
            completed += status.get("NumberOfWarningSuboperations") or 0
            self.on_progress(before + completed)
            if code not in _PENDING:
                return self._result(status, identifier, completed)
            if not was_told and self.is_cancelled():
                was_told = True
                cancel(self.association, self.model, message_id=_MESSAGE_ID)
        raise unanswered(self.destination)

    def _result(self, status: Dataset, identifier: Dataset | None, completed: int) -> Retrieved:
        code = status.Status
        failed = status.get("NumberOfFailedSuboperations") or 0
        if code not in {_SUCCESS, _SOME_FAILED, _CANCELLED} and not failed:
            service, hint = ("C-MOVE", _WHERE_TO) if self.model == _MOVE else ("C-GET", ASK)
            meaning = _MEANINGS.get(code, "it says no more")
            raise PeerFailed(
                f"{self.destination} answered {service} with 0x{code:04X}: {meaning}", hint=hint
            )
        return Retrieved(
            completed=completed,
            failed=failed,
            failed_uids=_failed_uids(identifier),
            was_cancelled=code == _CANCELLED,
        )


def _needs_model(association: Association, model: str, problem: str) -> None:
    if model not in {context.abstract_syntax for context in association.accepted_contexts}:
        raise PeerFailed(problem, hint=ASK)


def _requests(wanted: Iterable[Wanted]) -> Iterator[Wanted]:
    for each in wanted:
        uids = each.instance_uids
        if len(uids) <= _UIDS_A_REQUEST:
            yield each
            continue
        for start in range(0, len(uids), _UIDS_A_REQUEST):
            part = uids[start : start + _UIDS_A_REQUEST]
            yield dataclasses.replace(each, instance_uids=part)


def _identifier(wanted: Wanted) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = wanted.study_uid
    if wanted.series_uid:
        identifier.QueryRetrieveLevel = "SERIES"
        identifier.SeriesInstanceUID = wanted.series_uid
    if wanted.instance_uids:
        identifier.QueryRetrieveLevel = "IMAGE"
        identifier.SOPInstanceUID = list(wanted.instance_uids)
    return identifier


def _storage_contexts(classes: Sequence[str]) -> list[PresentationContext]:
    if classes:
        return [build_context(uid, syntax) for uid in classes for syntax in _SYNTAXES]
    usual = StoragePresentationContexts[: MAX_CONTEXTS - 1]
    return [build_context(str(each.abstract_syntax), list(_SYNTAXES)) for each in usual]


def _received(event: evt.Event) -> Received:
    assert isinstance(event.request, C_STORE)  # noqa: S101 - it is what the handler is bound to
    return Received(
        sop_class_uid=str(event.request.AffectedSOPClassUID),
        instance_uid=str(event.request.AffectedSOPInstanceUID),
        transfer_syntax_uid=str(event.context.transfer_syntax),
        dataset=event.encoded_dataset(include_meta=False),
    )


def _failed_uids(identifier: Dataset | None) -> tuple[str, ...]:
    if identifier is None or "FailedSOPInstanceUIDList" not in identifier:
        return ()
    value = identifier.get_item("FailedSOPInstanceUIDList").value or b""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return tuple(each.strip("\0 ") for each in text.split("\\") if each.strip("\0 "))
