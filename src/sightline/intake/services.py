"""What a DIMSE service is: one file each, put into the table of the listener.

A service names the command it answers and the SOP classes it takes; the acceptor negotiates
them, and calls it once for each request, in the thread of the association.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from sightline.intake.commands import Command, Fields, Kind

SUCCESS = 0x0000
PENDING = 0xFF00
CANCELLED = 0xFE00


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """An accepted presentation context.

    Attributes:
        requestor_is_scp: whether the other side takes requests for this SOP class (role
            selection, PS3.7 D.3.3.4): C-GET stores by it.
    """

    id: int
    sop_class_uid: str
    transfer_syntax_uid: str
    requestor_is_scp: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request of the other side.

    Attributes:
        context: by which it came; its SOP class may be a model of which the request's is part.
        sop_class_uid: Affected or Requested SOP Class UID.
        sop_instance_uid: Affected or Requested SOP Instance UID; empty where there is none.
        dataset: the bytes of data set or identifier as they came, in the transfer syntax of the
            context; empty where there is none. The memory is used again when the service
            returns: `bytes(request.dataset)` keeps them.
    """

    kind: Kind
    message_id: int
    context: Context
    sop_class_uid: str
    sop_instance_uid: str
    command: Command
    dataset: memoryview


class Association(Protocol):
    """The association by which requests come, as a service sees it."""

    @property
    def calling_ae(self) -> str:
        """The AE title of the other side."""

    @property
    def called_ae(self) -> str:
        """The AE title it called us by."""

    @property
    def address(self) -> str:
        """Where it calls from."""

    @property
    def contexts(self) -> Mapping[int, Context]:
        """The accepted presentation contexts by number."""

    def send_response(
        self,
        request: Request,
        status: int,
        *,
        dataset: bytes = b"",
        fields: Fields | None = None,
    ) -> None:
        """Answer a request, once or, with a pending status, many times.

        Args:
            request: what is answered.
            status: such as `SUCCESS`.
            dataset: in the transfer syntax of the request's context.
            fields: further elements of the command, such as the counts of sub-operations.

        Raises:
            OSError: The other side has gone.
        """

    def send_request_and_wait(
        self, context: Context, fields: Fields, dataset: bytes = b""
    ) -> Command:
        """Send a request and return the command of its response; the message id is given here.

        A C-CANCEL that comes meanwhile is noted.

        Args:
            context: by which it goes.
            fields: the command, without message id and data set type.
            dataset: in the transfer syntax of the context.

        Raises:
            OSError: The other side has gone.
            AssociationOver: It released or aborted.
            BadFile: It sent something that is no response.
        """

    def is_cancelled(self, message_id: int) -> bool:
        """Tell whether a C-CANCEL came for a request that is being answered (PS3.7 9.3.2.3).

        Looks at what has come and waits for nothing.

        Raises:
            OSError: The other side has gone.
            AssociationOver: It released or aborted.
            BadFile: It sent something else.
        """

    def enter_catalog(self) -> int:
        """Return its row in the catalog; the first call makes it.

        Who stores must have one: a study is complete only when its senders have left.

        Raises:
            OSError: The catalog cannot be written.
        """

    def count(self, what: str) -> None:
        """Count something that the log shall tell when the association closes."""


Handler: TypeAlias = Callable[[Association, Request], None]
"""Does what a request asks, and sends every response."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One kind of request that we answer.

    Attributes:
        takes: tells whether it takes a SOP class (abstract syntax).
        syntaxes: the transfer syntaxes it reads; None where it takes every one unread.
        handle: called for each request.
    """

    kind: Kind
    takes: Callable[[str], bool]
    syntaxes: frozenset[str] | None
    handle: Handler


Services: TypeAlias = Mapping[Kind, Service]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
UNCOMPRESSED = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})


def table(*services: Service) -> Services:
    """Put services into the table that the listener takes."""
    return {service.kind: service for service in services}
