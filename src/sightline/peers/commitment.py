"""Telling a peer by N-EVENT-REPORT what became of its storage commitment (PS3.4 J.3.3)."""

from pynetdicom.presentation import build_context

from sightline.errors import PeerFailed
from sightline.formats.dicom_dataset import parse_dataset
from sightline.peers.dimse import (
    ASK,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Destination,
    associated,
    unanswered,
)

COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"


def report_commitment(
    destination: Destination, report: bytes, *, event_type: int, calling_ae: str
) -> None:
    """Open an association as the provider that the peer asked, and report.

    Args:
        destination: the peer.
        report: the event information, explicit little endian.
        event_type: 1 where everything is kept, 2 where something is not.
        calling_ae: our application entity title.

    Raises:
        PeerFailed: The peer cannot be reached, or does not take the report.
    """
    contexts = [build_context(COMMITMENT, [EXPLICIT_LITTLE, IMPLICIT_LITTLE])]
    dataset = parse_dataset(report, EXPLICIT_LITTLE)
    with associated(
        destination, contexts, calling_ae=calling_ae, provided=[COMMITMENT]
    ) as association:
        if not any(context.as_scp for context in association.accepted_contexts):
            raise PeerFailed(f"{destination} takes no storage commitment report", hint=ASK)
        status, _ = association.send_n_event_report(
            dataset, event_type, COMMITMENT, COMMITMENT_INSTANCE
        )
        if "Status" not in status:
            raise unanswered(destination)
    if status.Status != 0:
        raise PeerFailed(f"{destination} answered the report with 0x{status.Status:04X}", hint=ASK)
