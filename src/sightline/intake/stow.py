"""Instances that come over the web: each kept as if it came by C-STORE (PS3.18 10.5).

An upload counts as an association: its studies are not complete before it ended.
"""

import dataclasses

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.associations import close_association, open_association
from sightline.archive.receiving import enter, prepare
from sightline.errors import NotDicom
from sightline.formats.dicom_file import Header, read_header
from sightline.intake.multipart import ReceivedPart
from sightline.values.arrival import Source

_log = log.get("intake")

# PS3.18 I.2.2, whose codes are those of C-STORE (PS3.4 B.2.3).
OUT_OF_RESOURCES = 0xA700
NOT_OF_THIS_STUDY = 0xA900
CANNOT_UNDERSTAND = 0xC000
WAITS_IN_QUARANTINE = 0xB0C0
"""A warning of our own: kept, beside another instance of the same UID or patient's study."""

_INSTANCES = frozenset({"", "application/dicom"})


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StoredPart:
    """What became of one part.

    Attributes:
        study_uid: empty, as the other UIDs, where the part could not be understood.
        failure: why it was not kept; None where it was.
        warning: what is to be known of it although it was kept.
    """

    study_uid: str = ""
    series_uid: str = ""
    instance_uid: str = ""
    sop_class_uid: str = ""
    failure: int | None = None
    warning: int | None = None


class Upload:
    """One request that stores instances; `keep` may be called from several threads."""

    def __init__(
        self, archive: Archive, *, address: str, study_uid: str = "", default_issuer: str = ""
    ) -> None:
        """Record that a sender came.

        Args:
            archive: where the instances are kept.
            address: of the sender.
            study_uid: to which all instances must belong; empty for any.
            default_issuer: whose patient ids these are where an instance does not say.

        Raises:
            OSError: The catalog cannot be written.
        """
        self._archive = archive
        self._study_uid = study_uid
        self._opened_at = clock.monotonic()
        self._row = open_association(archive, "STOW-RS", address)
        self._source = Source(
            name=f"stow:{address}", association=self._row, default_issuer=default_issuer
        )

    def keep(self, part: ReceivedPart) -> StoredPart:
        """Keep one instance; when this returns without a failure, it survives power loss."""
        if part.media_type not in _INSTANCES:
            return self._refuse("no application/dicom", StoredPart(failure=CANNOT_UNDERSTAND))
        try:
            header = read_header(part.content)
        except NotDicom as error:
            return self._refuse(error.problem, StoredPart(failure=CANNOT_UNDERSTAND))
        found = _stored(header)
        if self._study_uid and header.study_uid != self._study_uid:
            failed = dataclasses.replace(found, failure=NOT_OF_THIS_STUDY)
            return self._refuse("it is of another study than the address", failed)
        try:
            prepared = prepare(self._archive, header, part.content)
            arrival = enter(self._archive, prepared, self._source)
        except OSError as error:
            _log.error("store_failed", association=self._row, error=error.errno)
            return dataclasses.replace(found, failure=OUT_OF_RESOURCES)
        is_apart = arrival.outcome == "conflict"
        return dataclasses.replace(found, warning=WAITS_IN_QUARANTINE if is_apart else None)

    def close(self, ended: str, *, stored: int, refused: int) -> None:
        """Record that the sender left: `released`, `aborted` or `lost`."""
        try:
            close_association(self._archive, self._row, ended)
        except OSError as error:
            _log.error("association_not_closed", association=self._row, error=error.errno)
        _log.info(
            "upload_ended",
            association=self._row,
            ended=ended,
            stored=stored,
            refused=refused,
            seconds=round(clock.monotonic() - self._opened_at, 3),
        )

    def _refuse(self, problem: str, failed: StoredPart) -> StoredPart:
        _log.warning("store_refused", association=self._row, problem=problem)
        return failed


def _stored(header: Header) -> StoredPart:
    return StoredPart(
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        instance_uid=header.instance_uid,
        sop_class_uid=header.sop_class_uid,
    )
