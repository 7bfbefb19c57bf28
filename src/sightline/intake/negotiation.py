"""Negotiating an association (PS3.8 9.3.2 to 9.3.4): what we accept, and how we refuse.

Read and written here, because some scanners associate for every instance: pynetdicom's PDUs take
20 ms for a request of 128 contexts, these less than 1.
"""

import dataclasses
import struct
from collections.abc import Iterable, Iterator

from sightline.errors import BadFile
from sightline.formats.dicom_file import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from sightline.intake.commands import Kind
from sightline.intake.services import IMPLICIT_LITTLE, Context, Services
from sightline.intake.upper_layer import ASSOCIATE_ACCEPT, ASSOCIATE_REJECT, ASSOCIATE_REQUEST
from sightline.values.uids import is_uid

_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
# Items and sub-items (PS3.8 9.3.2 and 9.3.3, annex D; PS3.7 annex D.3.3)
_OF_APPLICATION, _OF_PROPOSAL, _OF_RESULT, _OF_USER = 0x10, 0x20, 0x21, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _CLASS_UID, _ROLE, _VERSION_NAME = 0x51, 0x52, 0x54, 0x55
# Presentation context results (PS3.8 Table 9-18)
_ACCEPTED, _NO_SUCH_SYNTAX, _NO_SUCH_TRANSFER_SYNTAX = 0, 3, 4
_PDU = struct.Struct(">BxL")
_HEAD = struct.Struct(">BxLHxx16s16s32x")
_ITEM = struct.Struct(">BxH")
_LENGTH = struct.Struct(">L")
_SHORT = struct.Struct(">H")
_PROTOCOL = b"\0\1\0\0"
_TITLES = slice(10, 74)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """Why an association is rejected (PS3.8 Table 9-21)."""

    result: int
    source: int
    reason: int

    def encode(self) -> bytes:
        """Return the A-ASSOCIATE-RJ PDU."""
        return _PDU.pack(ASSOCIATE_REJECT, 4) + bytes((0, self.result, self.source, self.reason))


_PERMANENT, _TRANSIENT = 1, 2
APPLICATION_CONTEXT_UNKNOWN = Rejection(result=_PERMANENT, source=1, reason=2)
CALLING_AE_UNKNOWN = Rejection(result=_PERMANENT, source=1, reason=3)
CALLED_AE_UNKNOWN = Rejection(result=_PERMANENT, source=1, reason=7)
VERSION_UNKNOWN = Rejection(result=_PERMANENT, source=2, reason=2)
TOO_MANY = Rejection(result=_TRANSIENT, source=3, reason=2)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A proposed presentation context."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AssociationRequest:
    """What the other side asks for.

    Attributes:
        titles: called and calling AE title and what follows them, as they came.
        max_pdu_bytes: the largest PDU it takes; 0 is no limit.
        roles: by SOP class, whether it offers to be SCU and SCP.
    """

    calling_ae: str
    called_ae: str
    titles: bytes
    is_version_1: bool
    application_context: str
    offers: tuple[Offer, ...]
    max_pdu_bytes: int
    roles: dict[str, tuple[bool, bool]]

    @classmethod
    def read(cls, content: bytes) -> "AssociationRequest":
        """Read an A-ASSOCIATE-RQ PDU.

        Raises:
            BadFile: It is broken.
        """
        try:
            return cls._read(content)
        except (ValueError, struct.error) as error:
            raise BadFile(
                f"an association request is broken: {error}",
                hint="The sender's software is at fault; ask its maker.",
            ) from error

    @classmethod
    def _read(cls, content: bytes) -> "AssociationRequest":
        kind, length, version, called, calling = _HEAD.unpack_from(content)
        if kind != ASSOCIATE_REQUEST or length != len(content) - _PDU.size:
            raise ValueError("its head does not fit it")
        application, max_pdu_bytes = "", 0
        offers: list[Offer] = []
        roles: dict[str, tuple[bool, bool]] = {}
        for item, value in _items(content[_HEAD.size :]):
            if item == _OF_APPLICATION:
                application = _text(value)
            elif item == _OF_PROPOSAL:
                offers.append(_offer(value))
            elif item == _OF_USER:
                max_pdu_bytes, roles = _of_user(value)
        return cls(
            calling_ae=_text(calling),
            called_ae=_text(called),
            titles=content[_TITLES],
            is_version_1=bool(version & 1),
            application_context=application,
            offers=tuple(offers),
            max_pdu_bytes=max_pdu_bytes,
            roles=roles,
        )

    def is_unusable(self) -> Rejection | None:
        """Tell why nobody could accept it."""
        if not self.is_version_1:
            return VERSION_UNKNOWN
        if self.application_context != _APPLICATION_CONTEXT:
            return APPLICATION_CONTEXT_UNKNOWN
        return None


def accept(
    request: AssociationRequest, services: Services, *, max_pdu_bytes: int
) -> tuple[dict[int, Context], bytes]:
    """Decide on every proposed context; return the accepted ones and the A-ASSOCIATE-AC PDU.

    An asynchronous operations window is not answered, which means 1 (PS3.7 D.3.3.3).
    """
    contexts: dict[int, Context] = {}
    answers = []
    for offer in request.offers:
        result, syntax = _decide(offer, services)
        if result == _ACCEPTED:
            _, is_scp = request.roles.get(offer.abstract_syntax, (True, False))
            is_stored = services[Kind.C_STORE].takes(offer.abstract_syntax)
            contexts[offer.id] = Context(
                id=offer.id,
                sop_class_uid=offer.abstract_syntax,
                transfer_syntax_uid=syntax,
                requestor_is_scp=is_scp and is_stored,
            )
        answers.append(_answer(offer.id, result, syntax))
    roles = {
        each.sop_class_uid: (request.roles[each.sop_class_uid][0], each.requestor_is_scp)
        for each in contexts.values()
        if each.sop_class_uid in request.roles
    }
    return contexts, _encode(request, answers, roles=roles, max_pdu_bytes=max_pdu_bytes)


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the kind and the value of each item; who reads them passes over unknown kinds."""
    start = 0
    while start < len(content):
        kind, length = _ITEM.unpack_from(content, start)
        start += _ITEM.size
        value = content[start : start + length]
        if len(value) < length:
            raise ValueError(f"item {kind:02X} is longer than what holds it")
        yield kind, value
        start += length


def _offer(content: bytes) -> Offer:
    if not content:
        raise ValueError("a presentation context without a number")
    abstract_syntax, transfer_syntaxes = "", []
    for kind, value in _items(content[4:]):
        if kind == _ABSTRACT_SYNTAX:
            abstract_syntax = _text(value)
        elif kind == _TRANSFER_SYNTAX:
            transfer_syntaxes.append(_text(value))
    return Offer(
        id=content[0],
        abstract_syntax=abstract_syntax,
        transfer_syntaxes=tuple(transfer_syntaxes),
    )


def _of_user(content: bytes) -> tuple[int, dict[str, tuple[bool, bool]]]:
    """Read maximum length and roles of user information."""
    max_pdu_bytes = 0
    roles: dict[str, tuple[bool, bool]] = {}
    for kind, value in _items(content):
        if kind == _MAXIMUM_LENGTH:
            (max_pdu_bytes,) = _LENGTH.unpack(value)
        elif kind == _ROLE:
            (length,) = _SHORT.unpack_from(value)
            is_scu, is_scp = struct.unpack_from("??", value, _SHORT.size + length)
            roles[_text(value[_SHORT.size : _SHORT.size + length])] = (is_scu, is_scp)
    return max_pdu_bytes, roles


def _text(value: bytes) -> str:
    # Titles are padded with spaces; some pad UIDs with NUL, as in a data set.
    return value.decode("ascii").strip("\0 ")


def _decide(offer: Offer, services: Services) -> tuple[int, str]:
    """Return the result for one context, and the transfer syntax: the proposer's first choice."""
    takers = [each for each in services.values() if each.takes(offer.abstract_syntax)]
    if not takers or not is_uid(offer.abstract_syntax):
        return _NO_SUCH_SYNTAX, IMPLICIT_LITTLE
    for syntax in offer.transfer_syntaxes:
        if is_uid(syntax) and all(
            taker.syntaxes is None or syntax in taker.syntaxes for taker in takers
        ):
            return _ACCEPTED, syntax
    return _NO_SUCH_TRANSFER_SYNTAX, IMPLICIT_LITTLE


def _answer(context_id: int, result: int, syntax: str) -> bytes:
    content = bytes((context_id, 0, result, 0)) + _item(_TRANSFER_SYNTAX, syntax.encode())
    return _item(_OF_RESULT, content)


def _encode(
    request: AssociationRequest,
    answers: Iterable[bytes],
    *,
    roles: dict[str, tuple[bool, bool]],
    max_pdu_bytes: int,
) -> bytes:
    user = b"".join(
        (
            _item(_MAXIMUM_LENGTH, _LENGTH.pack(max_pdu_bytes)),
            _item(_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode()),
            *map(_role, roles.items()),
            _item(_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode()),
        )
    )
    content = b"".join(
        (
            _PROTOCOL,
            # PS3.8 9.3.3: the titles and the reserved bytes after them come back as they were sent.
            request.titles,
            _item(_OF_APPLICATION, _APPLICATION_CONTEXT.encode()),
            *answers,
            _item(_OF_USER, user),
        )
    )
    return _PDU.pack(ASSOCIATE_ACCEPT, len(content)) + content


def _item(kind: int, content: bytes) -> bytes:
    return _ITEM.pack(kind, len(content)) + content


def _role(role: tuple[str, tuple[bool, bool]]) -> bytes:
    uid, (is_scu, is_scp) = role
    return _item(_ROLE, _SHORT.pack(len(uid)) + uid.encode() + bytes((is_scu, is_scp)))
