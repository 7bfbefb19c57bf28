"""Instance availability notification: a PACS says what it has of a study (PS3.4 annex R)."""

import dataclasses
import uuid

from sightline import log
from sightline.archive.announcements import Announcement, enter_announcement
from sightline.archive.archive import Archive
from sightline.errors import NotDicom
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, parse_dataset
from sightline.intake.commands import Field, Kind
from sightline.intake.services import SUCCESS, UNCOMPRESSED, Association, Request, Service
from sightline.values.identity import StudyUid
from sightline.values.uids import is_uid

_log = log.get("intake")

AVAILABILITY = "1.2.840.10008.5.1.4.33"
"""Instance Availability Notification SOP Class."""

# PS3.7 C.5 and C.4.4
_INVALID_ATTRIBUTE_VALUE, _PROCESSING_FAILURE = 0x0106, 0x0110
# PS3.3 C.4.23.1.1: what is neither can be had only by hand, or not at all.
_AVAILABLE = frozenset({"ONLINE", "NEARLINE"})


def noting_availability(archive: Archive) -> Service:
    """Return the service that remembers what a PACS announces: evidence that a study is whole."""
    return Service(
        kind=Kind.N_CREATE,
        takes=lambda sop_class_uid: sop_class_uid == AVAILABILITY,
        syntaxes=UNCOMPRESSED,
        handle=_Noting(archive).handle,
    )


def read_announcement(content: bytes, transfer_syntax_uid: str, *, announcer: str) -> Announcement:
    """Read the attributes of a notification (PS3.4 Table R.3.2-1).

    Raises:
        NotDicom: They are broken, or name no study or no instance.
    """
    dataset = parse_dataset(content, transfer_syntax_uid)
    with broken_values_are_not_dicom("read the instance availability notification"):
        study_uid = str(dataset.StudyInstanceUID)
        instances = {
            str(each.ReferencedSOPInstanceUID): str(each.InstanceAvailability) in _AVAILABLE
            for series in dataset.ReferencedSeriesSequence
            for each in series.ReferencedSOPSequence
        }
    if not instances or not all(map(is_uid, (study_uid, *instances))):
        raise NotDicom(
            "the instance availability notification names no study or no instance",
            hint="The sender's software is at fault; ask its maker.",
        )
    return Announcement(study_uid=StudyUid(study_uid), announcer=announcer, instances=instances)


@dataclasses.dataclass(frozen=True, slots=True)
class _Noting:
    archive: Archive

    def handle(self, association: Association, request: Request) -> None:
        # PS3.7 10.1.5.1.4: where the requestor names no instance, we do.
        instance_uid = request.sop_instance_uid or f"2.25.{uuid.uuid4().int}"
        association.send_response(
            request,
            self._note(association, request),
            fields={Field.AFFECTED_SOP_INSTANCE_UID: instance_uid},
        )

    def _note(self, association: Association, request: Request) -> int:
        try:
            announcement = read_announcement(
                bytes(request.dataset),
                request.context.transfer_syntax_uid,
                announcer=association.calling_ae,
            )
            enter_announcement(self.archive, announcement)
        except NotDicom as error:
            _log.warning(
                "announcement_refused", calling_ae=association.calling_ae, problem=error.problem
            )
            return _INVALID_ATTRIBUTE_VALUE
        except OSError as error:
            _log.error("announcement_failed", calling_ae=association.calling_ae, error=error.errno)
            return _PROCESSING_FAILURE
        association.count("announced")
        return SUCCESS
