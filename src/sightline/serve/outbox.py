"""Sending what was published, until the destination has it."""

import ssl

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.results import due_deliveries, record_attempt, record_delivered
from sightline.errors import PeerFailed
from sightline.peers.dimse import parse_destination, send

_log = log.get("serve")
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 300.0


def deliver_due(
    archive: Archive, *, calling_ae: str, max_attempts: int, tls: ssl.SSLContext | None = None
) -> int:
    """Send everything that is due, oldest first; return how many arrived.

    A destination that fails is tried again after 2 s, 4 s, ... up to 5 minutes. A repeat of
    something that arrived is the same object under the same UID.

    Args:
        archive: whose results are sent.
        calling_ae: our application entity title.
        max_attempts: after which a delivery is marked failed.
        tls: what destinations that want TLS are called with.
    """
    delivered = 0
    for delivery in due_deliveries(archive):
        try:
            destination = parse_destination(delivery.destination, tls=tls)
            with archive.objects.local_copies([delivery.digest]) as files:
                send(destination, files, calling_ae=calling_ae)
        except PeerFailed as error:
            attempts = delivery.attempts + 1
            wait_s = min(_FIRST_WAIT_S * 2**delivery.attempts, _LONGEST_WAIT_S)
            is_last = attempts >= max_attempts
            record_attempt(
                archive, delivery, problem=error.problem, wait_s=None if is_last else wait_s
            )
            _log.warning("delivery_failed", instance=delivery.instance_uid, attempts=attempts)
        else:
            record_delivered(archive, delivery)
            delivered += 1
    return delivered
