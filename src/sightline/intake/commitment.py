"""Storage commitment: saying of each instance whether we answer for it (PS3.4 annex J)."""

import dataclasses
import itertools

import sqlalchemy as sa
from pydicom import Dataset
from pydicom.sequence import Sequence

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.commitments import (
    Commitment,
    Owed,
    Reference,
    due_reports,
    owe,
    postpone,
    settle,
)
from sightline.catalog.archive_tables import INSTANCE
from sightline.errors import BadFile, DamagedObject, NotDicom, PeerFailed, UnknownName
from sightline.formats.dicom_dataset import (
    broken_values_are_not_dicom,
    encode_dataset,
    parse_dataset,
)
from sightline.intake.commands import Field, Fields, Kind
from sightline.intake.services import (
    EXPLICIT_LITTLE,
    SUCCESS,
    UNCOMPRESSED,
    Association,
    Request,
    Service,
)
from sightline.intake.upper_layer import AssociationOver
from sightline.peers.commitment import COMMITMENT, COMMITMENT_INSTANCE, report_commitment
from sightline.peers.known import peer_titled
from sightline.settings import Settings
from sightline.values.identity import Digest
from sightline.values.uids import is_uid

_log = log.get("intake")

_REQUEST_COMMITMENT = 1
# PS3.4 J.3.3.1
_ALL_KEPT, _SOME_NOT_KEPT = 1, 2
# Failure reasons (PS3.3 C.14.1.1)
_PROCESSING_FAILURE, _NO_SUCH_INSTANCE, _CLASS_CONFLICT = 0x0110, 0x0112, 0x0119
# PS3.7 C.5
_NO_SUCH_ACTION, _NO_SUCH_INSTANCE_STATUS, _INVALID_ARGUMENT = 0x0123, 0x0112, 0x0115
# Reading all that a request names may take minutes; after so long, its taker has died.
_LONGEST_REPORT_S = 600.0
_PAUSES_S = (1.0, 10.0, 60.0, 300.0, 1800.0, 7200.0)


def committing(archive: Archive, settings: Settings) -> Service:
    """Return the service that answers for what an archive keeps."""
    return Service(
        kind=Kind.N_ACTION,
        takes=lambda sop_class_uid: sop_class_uid == COMMITMENT,
        syntaxes=UNCOMPRESSED,
        handle=_Committing(archive, settings).handle,
    )


def read_commitment(content: bytes, transfer_syntax_uid: str) -> Commitment:
    """Read the action information of a request.

    Raises:
        NotDicom: It is broken, or names no transaction or no instance.
    """
    dataset = parse_dataset(content, transfer_syntax_uid)
    with broken_values_are_not_dicom("read the request for storage commitment"):
        transaction_uid = str(dataset.TransactionUID)
        named = [
            (str(each.ReferencedSOPClassUID), str(each.ReferencedSOPInstanceUID))
            for each in dataset.ReferencedSOPSequence
        ]
    if not named or not all(map(is_uid, (transaction_uid, *itertools.chain(*named)))):
        raise NotDicom(
            "the request for storage commitment names no transaction or no instance",
            hint="The sender's software is at fault; ask its maker.",
        )
    return Commitment(
        transaction_uid=transaction_uid,
        references=tuple(
            Reference(sop_class_uid=sop_class_uid, instance_uid=instance_uid)
            for sop_class_uid, instance_uid in named
        ),
    )


def failure_reason(archive: Archive, reference: Reference) -> int:
    """Return why we do not answer for an instance; 0 where we do: its bytes were read and match."""
    with archive.database.read() as connection:
        row = connection.execute(
            sa.select(INSTANCE.c.sop_class_uid, INSTANCE.c.digest).where(
                INSTANCE.c.uid == reference.instance_uid
            )
        ).first()
    if row is None:
        return _NO_SUCH_INSTANCE
    if row.sop_class_uid != reference.sop_class_uid:
        return _CLASS_CONFLICT
    try:
        archive.objects.get(Digest(row.digest))
    except (DamagedObject, UnknownName, OSError):
        return _PROCESSING_FAILURE
    return 0


def report_on(archive: Archive, commitment: Commitment, *, our_ae: str) -> tuple[Dataset, int]:
    """Check everything that a request names; return the event information and its type."""
    report = Dataset()
    report.TransactionUID = commitment.transaction_uid
    report.RetrieveAETitle = our_ae
    kept, failed = [], []
    for each in commitment.references:
        item = Dataset()
        item.ReferencedSOPClassUID = each.sop_class_uid
        item.ReferencedSOPInstanceUID = each.instance_uid
        if reason := failure_reason(archive, each):
            item.FailureReason = reason
            failed.append(item)
        else:
            kept.append(item)
    if kept:
        report.ReferencedSOPSequence = Sequence(kept)
    if failed:
        report.FailedSOPSequence = Sequence(failed)
    return report, _SOME_NOT_KEPT if failed else _ALL_KEPT


def deliver_reports(archive: Archive, settings: Settings) -> int:
    """Tell every report that is due on an association of our own; return how many were told.

    A peer that fails is tried again after 1 s, 10 s, ... and 2 hours.
    """
    told = 0
    for owed in due_reports(archive):
        try:
            _tell(archive, owed, settings)
        except PeerFailed as error:
            _log.warning("commitment_not_reported", calling_ae=owed.title, problem=error.problem)
            _try_again(archive, owed)
        else:
            settle(archive, owed.id)
            told += 1
    return told


def _tell(archive: Archive, owed: Owed, settings: Settings) -> None:
    destination = peer_titled(owed.title, settings)
    if destination is None:
        raise PeerFailed(f"{owed.title} is no known peer", hint="Name it in `peers`.")
    report, event_type = report_on(archive, owed.commitment, our_ae=settings.ae_title)
    report_commitment(
        destination,
        encode_dataset(report, EXPLICIT_LITTLE),
        event_type=event_type,
        calling_ae=settings.ae_title,
    )


def _try_again(archive: Archive, owed: Owed) -> None:
    if owed.attempts < len(_PAUSES_S):
        wait_s = _PAUSES_S[owed.attempts]
        postpone(archive, owed.id, wait_s=wait_s, attempts=owed.attempts + 1)
    else:
        _log.error("commitment_given_up", calling_ae=owed.title)
        settle(archive, owed.id)


@dataclasses.dataclass(frozen=True, slots=True)
class _Committing:
    archive: Archive
    settings: Settings

    def handle(self, association: Association, request: Request) -> None:
        action = {Field.ACTION_TYPE_ID: request.command.number(Field.ACTION_TYPE_ID)}
        status, commitment, owed = SUCCESS, None, 0
        if action[Field.ACTION_TYPE_ID] != _REQUEST_COMMITMENT:
            status = _NO_SUCH_ACTION
        elif request.sop_instance_uid != COMMITMENT_INSTANCE:
            status = _NO_SUCH_INSTANCE_STATUS
        else:
            try:
                syntax = request.context.transfer_syntax_uid
                commitment = read_commitment(bytes(request.dataset), syntax)
                title = association.calling_ae
                owed = owe(self.archive, title, commitment, wait_s=_LONGEST_REPORT_S)
            except NotDicom as error:
                _log.warning("commitment_refused", problem=error.problem)
                status = _INVALID_ARGUMENT
            except OSError as error:
                _log.error("commitment_failed", error=error.errno)
                status = _PROCESSING_FAILURE
        association.send_response(request, status, fields=action)
        if commitment is not None and status == SUCCESS:
            self._report(association, request, commitment, owed=owed)

    def _report(
        self, association: Association, request: Request, commitment: Commitment, *, owed: int
    ) -> None:
        """Report on the association of the request; where it ended, the worker does."""
        report, event_type = report_on(self.archive, commitment, our_ae=self.settings.ae_title)
        fields: Fields = {
            Field.AFFECTED_SOP_CLASS_UID: COMMITMENT,
            Field.COMMAND_FIELD: Kind.N_EVENT_REPORT,
            Field.AFFECTED_SOP_INSTANCE_UID: COMMITMENT_INSTANCE,
            Field.EVENT_TYPE_ID: event_type,
        }
        content = encode_dataset(report, request.context.transfer_syntax_uid)
        try:
            association.send_request_and_wait(request.context, fields, content)
        except (AssociationOver, BadFile, OSError):
            postpone(self.archive, owed, wait_s=0.0, attempts=0)
            raise
        settle(self.archive, owed)
