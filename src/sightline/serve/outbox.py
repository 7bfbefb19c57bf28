"""Sending what was published, until the destination has it."""

import functools
import ssl
from collections.abc import Callable

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.outbox import (
    Delivery,
    MessageDelivery,
    due_deliveries,
    due_messages,
    record_attempt,
    record_delivered,
)
from sightline.errors import DamagedObject, PeerFailed, UnknownName
from sightline.peers.dimse import parse_destination, send
from sightline.peers.stow import store
from sightline.serve.messages import Tell
from sightline.values.clinical_result import MessageKind

_log = log.get("serve")
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 300.0
_WEB = ("https://", "http://")


def deliver_due(
    archive: Archive, *, calling_ae: str, max_attempts: int, tls: ssl.SSLContext | None = None
) -> int:
    """Send every object that is due, oldest first; return how many arrived.

    A destination that fails is tried again after 2 s, 4 s, ... up to 5 minutes. A repeat of
    something that arrived is the same object under the same UID.

    Args:
        archive: whose results are sent.
        calling_ae: our application entity title.
        max_attempts: after which a delivery is marked failed.
        tls: what destinations that want TLS are called with.
    """

    def transmit(delivery: Delivery) -> None:
        if delivery.destination.startswith(_WEB):
            content = archive.objects.get(delivery.digest)
            store(delivery.destination, content, tls=tls or ssl.create_default_context())
            return
        destination = parse_destination(delivery.destination, tls=tls)
        with archive.objects.local_copies([delivery.digest]) as files:
            send(destination, files, calling_ae=calling_ae)

    return sum(
        _is_sent(archive, each, functools.partial(transmit, each), max_attempts=max_attempts)
        for each in due_deliveries(archive)
    )


def deliver_messages(archive: Archive, kind: MessageKind, tell: Tell, *, max_attempts: int) -> int:
    """Send the messages of a kind that are due, oldest first; return how many arrived.

    They are tried again as objects are, and none overtakes an earlier one of the same patient. A
    repeat of something that arrived is a message of the same id.

    Args:
        archive: whose results are told.
        kind: the language.
        tell: tells a destination of one prediction.
        max_attempts: after which a message is marked failed.
    """
    return sum(
        _is_sent(archive, each, functools.partial(tell, archive, each), max_attempts=max_attempts)
        for each in due_messages(archive, kind)
    )


def _is_sent(
    archive: Archive,
    delivery: Delivery | MessageDelivery,
    transmit: Callable[[], None],
    *,
    max_attempts: int,
) -> bool:
    """Send, and record what became of it; tell whether it arrived."""
    try:
        transmit()
    except (PeerFailed, UnknownName, DamagedObject) as error:
        attempts = delivery.attempts + 1
        wait_s = min(_FIRST_WAIT_S * 2**delivery.attempts, _LONGEST_WAIT_S)
        is_last = attempts >= max_attempts
        record_attempt(archive, delivery, problem=error.problem, wait_s=None if is_last else wait_s)
        name = delivery.instance_uid if isinstance(delivery, Delivery) else delivery.lineage_id
        _log.warning("delivery_failed", what=name, attempts=attempts)
        return False
    record_delivered(archive, delivery)
    return True
