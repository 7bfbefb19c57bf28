"""Negotiating an association (PS3.8 9.3.2 to 9.3.4): what we accept, and how we refuse.

The request is read and the answer written with pynetdicom's PDUs; the decisions are ours.
"""

import dataclasses
import re
import struct
from collections.abc import Iterable

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from sightline.errors import BadFile
from sightline.formats.dicom_file import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from sightline.intake.commands import Kind
from sightline.intake.services import IMPLICIT_LITTLE, Context, Services

_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
# What pynetdicom's decoders raise on hostile bytes.
_DAMAGES = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    TypeError,
    ValueError,
    struct.error,
)
# Presentation context results (PS3.8 Table 9-18)
_ACCEPTED, _NO_SUCH_SYNTAX, _NO_SUCH_TRANSFER_SYNTAX = 0, 3, 4
_TITLES = slice(10, 74)
_UID = re.compile(r"[0-9.]{1,64}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """Why an association is rejected (PS3.8 Table 9-21)."""

    result: int
    source: int
    reason: int

    def encode(self) -> bytes:
        """Return the A-ASSOCIATE-RJ PDU."""
        pdu = A_ASSOCIATE_RJ()
        pdu.result, pdu.source, pdu.reason_diagnostic = self.result, self.source, self.reason
        content: bytes = pdu.encode()
        return content


_PERMANENT, _TRANSIENT = 1, 2
APPLICATION_CONTEXT_UNKNOWN = Rejection(result=_PERMANENT, source=1, reason=2)
CALLING_AE_UNKNOWN = Rejection(result=_PERMANENT, source=1, reason=3)
CALLED_AE_UNKNOWN = Rejection(result=_PERMANENT, source=1, reason=7)
VERSION_UNKNOWN = Rejection(result=_PERMANENT, source=2, reason=2)
TOO_MANY = Rejection(result=_TRANSIENT, source=3, reason=2)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Offer:
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
    offers: tuple[_Offer, ...]
    max_pdu_bytes: int
    roles: dict[str, tuple[bool, bool]]

    @classmethod
    def read(cls, content: bytes) -> "AssociationRequest":
        """Read an A-ASSOCIATE-RQ PDU.

        Raises:
            BadFile: It is broken.
        """
        pdu = A_ASSOCIATE_RQ()
        try:
            pdu.decode(content)
            user = pdu.user_information
            roles = user.role_selection if user else {}
            return cls(
                calling_ae=str(pdu.calling_ae_title).strip(),
                called_ae=str(pdu.called_ae_title).strip(),
                titles=content[_TITLES],
                is_version_1=bool(pdu.protocol_version & 1),
                application_context=str(pdu.application_context_name),
                offers=tuple(_offers(pdu)),
                max_pdu_bytes=int((user and user.maximum_length) or 0),
                roles={str(uid): (bool(each.scu), bool(each.scp)) for uid, each in roles.items()},
            )
        except _DAMAGES as error:
            raise BadFile(
                f"an association request is broken: {type(error).__name__}",
                hint="The sender's software is at fault; ask its maker.",
            ) from error

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


def _offers(pdu: A_ASSOCIATE_RQ) -> Iterable[_Offer]:
    for item in pdu.presentation_context:
        yield _Offer(
            id=int(item.context_id or 0),
            abstract_syntax=str(item.abstract_syntax or ""),
            transfer_syntaxes=tuple(map(str, item.transfer_syntax)),
        )


def _decide(offer: _Offer, services: Services) -> tuple[int, str]:
    """Return the result for one context, and the transfer syntax: the proposer's first choice."""
    takers = [each for each in services.values() if each.takes(offer.abstract_syntax)]
    if not takers:
        return _NO_SUCH_SYNTAX, IMPLICIT_LITTLE
    for syntax in offer.transfer_syntaxes:
        if _UID.fullmatch(syntax) and all(
            taker.syntaxes is None or syntax in taker.syntaxes for taker in takers
        ):
            return _ACCEPTED, syntax
    return _NO_SUCH_TRANSFER_SYNTAX, IMPLICIT_LITTLE


def _answer(context_id: int, result: int, syntax: str) -> PresentationContext:
    context = PresentationContext()
    context.context_id = context_id
    context.add_transfer_syntax(syntax)
    context.result = result
    return context


def _encode(
    request: AssociationRequest,
    answers: list[PresentationContext],
    *,
    roles: dict[str, tuple[bool, bool]],
    max_pdu_bytes: int,
) -> bytes:
    size = MaximumLengthNotification()
    size.maximum_length_received = max_pdu_bytes
    class_uid = ImplementationClassUIDNotification()
    class_uid.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    primitive = A_ASSOCIATE()
    primitive.application_context_name = _APPLICATION_CONTEXT
    primitive.presentation_context_definition_results_list = answers
    primitive.user_information = [size, class_uid, version, *map(_role, roles.items())]
    content: bytes = A_ASSOCIATE_AC(primitive).encode()
    # PS3.8 9.3.3: the titles and the reserved bytes after them come back as they were sent.
    return content[: _TITLES.start] + request.titles + content[_TITLES.stop :]


def _role(role: tuple[str, tuple[bool, bool]]) -> SCP_SCU_RoleSelectionNegotiation:
    item = SCP_SCU_RoleSelectionNegotiation()
    item.sop_class_uid, (item.scu_role, item.scp_role) = role
    return item
