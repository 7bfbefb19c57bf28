"""Settling conflicts: what a person decides becomes of an instance that waits beside another."""

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.pixels import Stored
from sightline.archive.quarantine import CONFLICTS, OTHER_PATIENT, REPLACED, hold
from sightline.archive.receiving import change_study, enter_series, instance_row
from sightline.archive.rejections import NOTE_CLASS, apply_note, rejection_of, show_again
from sightline.archive.withdrawing import withdraw_fallen
from sightline.catalog.archive_tables import INSTANCE, STUDY
from sightline.errors import Refused
from sightline.formats.dicom_file import Header, read_header
from sightline.formats.kos import read_rejection
from sightline.values.arrival import Holding, Source
from sightline.values.identity import Digest, StudyUid

_SOURCE = Source(name="quarantine")


def settle(archive: Archive, connection: sa.Connection, held: Holding) -> None:
    """Put an instance from quarantine into its study, within the caller's transaction.

    It takes the place of another with its UID, which then waits in quarantine; or it is added.

    Raises:
        Refused: The study is gone, or the UID belongs to another study.
        UnknownName: Its bytes are gone.
        DamagedObject: Its bytes are no longer what came.
        NotDicom: Its bytes are no DICOM instance.
    """
    digest = Digest(held.digest)
    content = archive.objects.get(digest)
    header, stored = read_header(content), Stored(digest=digest, size_bytes=len(content))
    there = connection.execute(
        sa.select(INSTANCE.c.study_uid, INSTANCE.c.series_uid, INSTANCE.c.digest).where(
            INSTANCE.c.uid == header.instance_uid
        )
    ).first()
    if there is not None and there.study_uid != header.study_uid:
        raise Refused(
            f"instance {header.instance_uid} belongs to another study here",
            hint="One SOP Instance UID stands for one image: have it sent again under another, "
            "or delete this one.",
        )
    if not _has_study(connection, header.study_uid):
        raise Refused(
            f"study {header.study_uid} is not here any more",
            hint="Have the study sent again.",
        )
    enter_series(connection, header)
    row = instance_row(header, stored, _SOURCE)
    row |= {"rejected": rejection_of(connection, header.study_uid, header.instance_uid)}
    if there is None:
        connection.execute(INSTANCE.insert().values(**row))
    elif there.digest != digest:
        connection.execute(
            INSTANCE.update().where(INSTANCE.c.uid == header.instance_uid).values(**row)
        )
        hold(connection, _replaced(header, there.digest))
    withdraw_fallen(connection, StudyUid(header.study_uid))
    show_again(connection, StudyUid(header.study_uid))
    note = read_rejection(content) if header.sop_class_uid == NOTE_CLASS else None
    if note is not None:
        apply_note(connection, note, actor=_SOURCE.name)
    change_study(connection, header.study_uid)


def is_conflict(held: Holding) -> bool:
    """Tell whether the instance waits beside the archive; else it is part of it."""
    return held.reason in CONFLICTS


def may_fit_now(connection: sa.Connection, held: Holding) -> bool:
    """Tell whether what stood against a conflict is gone: the other instance, or the study."""
    if held.reason == OTHER_PATIENT:
        return not _has_study(connection, held.study_uid)
    there = sa.select(INSTANCE.c.uid).where(INSTANCE.c.uid == held.instance_uid)
    return held.reason != REPLACED and connection.execute(there).first() is None


def _has_study(connection: sa.Connection, study_uid: str) -> bool:
    return (
        connection.execute(sa.select(STUDY.c.uid).where(STUDY.c.uid == study_uid)).first()
        is not None
    )


def _replaced(header: Header, digest: str) -> Holding:
    return Holding(
        study_uid=StudyUid(header.study_uid),
        series_uid=header.series_uid,
        instance_uid=header.instance_uid,
        digest=digest,
        reason=REPLACED,
        detail=CONFLICTS[REPLACED],
    )
