"""C-STORE: the storage service, for every storage class in every transfer syntax (PS3.4 annex B).

Nothing is decoded. A store is acknowledged after the bytes are durable and in the catalog.
"""

import dataclasses
from collections.abc import Callable

from pydicom._uid_dict import UID_dictionary

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.entrance import Entrance
from sightline.archive.receiving import prepare
from sightline.errors import NotDicom
from sightline.formats.dicom_file import part10, read_header
from sightline.intake.commands import Kind
from sightline.intake.services import SUCCESS, Association, Request, Service
from sightline.values.arrival import Source

_log = log.get("intake")

# PS3.4 Table B.2-1
OUT_OF_RESOURCES = 0xA700
NOT_OF_THIS_CLASS = 0xA900
CANNOT_UNDERSTAND = 0xC000


def storing(archive: Archive, *, issuer_of: Callable[[str], str] = lambda _ae: "") -> Service:
    """Return the service that stores into an archive.

    Args:
        archive: the identified store.
        issuer_of: tells whose patient ids a calling AE means that names no issuer.
    """
    return Service(
        kind=Kind.C_STORE,
        takes=is_storage_class,
        syntaxes=None,
        handle=_Storing(archive, Entrance(archive), issuer_of).handle,
    )


def is_storage_class(sop_class_uid: str) -> bool:
    """Tell whether instances of a SOP class can be stored; one we do not know is thought to be."""
    known = UID_dictionary.get(sop_class_uid)
    if known is None:
        return True
    name, kind = known[0], known[1]
    return kind == "SOP Class" and "Storage" in name and "Storage Commitment" not in name


@dataclasses.dataclass(frozen=True, slots=True)
class _Storing:
    archive: Archive
    entrance: Entrance
    issuer_of: Callable[[str], str]

    def handle(self, association: Association, request: Request) -> None:
        status = self._keep(association, request)
        association.count("stored" if status == SUCCESS else "refused")
        association.send_response(request, status)

    def _keep(self, association: Association, request: Request) -> int:
        """Store one instance and return the status to answer (PS3.4 B.2.3)."""
        row = None
        try:
            row = association.enter_catalog()
            content = part10(
                request.dataset,
                sop_class_uid=request.sop_class_uid,
                sop_instance_uid=request.sop_instance_uid,
                transfer_syntax_uid=request.context.transfer_syntax_uid,
            )
            header = read_header(content)
            if (header.sop_class_uid, header.instance_uid) != (
                request.sop_class_uid,
                request.sop_instance_uid,
            ):
                _log.warning("store_refused", association=row, problem="UIDs differ")
                return NOT_OF_THIS_CLASS
            source = Source(
                name=f"dimse:{association.calling_ae}",
                association=row,
                default_issuer=self.issuer_of(association.calling_ae),
            )
            self.entrance.enter(prepare(self.archive, header, content), source)
        except NotDicom as error:
            _log.warning("store_refused", association=row, problem=error.problem)
            return CANNOT_UNDERSTAND
        except OSError as error:
            _log.error("store_failed", association=row, error=error.errno)
            return OUT_OF_RESOURCES
        return SUCCESS
