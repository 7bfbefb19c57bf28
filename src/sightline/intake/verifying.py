"""C-ECHO: the verification service (PS3.4 annex A)."""

from sightline.intake.commands import Kind
from sightline.intake.services import SUCCESS, UNCOMPRESSED, Association, Request, Service

_VERIFICATION = "1.2.840.10008.1.1"


def _answer(association: Association, request: Request) -> None:
    association.send_response(request, SUCCESS)


VERIFYING = Service(
    kind=Kind.C_ECHO,
    takes=lambda sop_class_uid: sop_class_uid == _VERIFICATION,
    syntaxes=UNCOMPRESSED,
    handle=_answer,
)
