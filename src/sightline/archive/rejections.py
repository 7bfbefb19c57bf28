"""What a PACS took back: kept on disk and listed, but not shown, predicted or passed on.

IHE RAD TF-2 4.66 (Imaging Object Change Management). A note may come before or after what it
names. What comes later under another UID is a new instance, and is taken.
"""

import sqlalchemy as sa

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.withdrawing import withdraw_fallen
from sightline.audit.chain import Event, append
from sightline.catalog.archive_tables import INSTANCE, REJECTION, SERIES, STUDY
from sightline.catalog.database import insert_new
from sightline.values.identity import InstanceUid, StudyUid
from sightline.values.rejection import TITLES, Rejected, RejectionNote

_log = log.get("archive")

NOTE_CLASS = "1.2.840.10008.5.1.4.1.1.88.59"
"""Key Object Selection Document Storage."""

_IS_NOTE = "note"


def apply_note(connection: sa.Connection, note: RejectionNote, *, actor: str) -> None:
    """Hide what a note names, the results that rest on it, and the note itself, in a transaction.

    Only instances of the studies that the note names count, and only of the patient whose note it
    is: a note cannot take back what is somebody else's.
    """
    allowed = _may_reject(connection, note)
    taken = [(study, uid) for study, uid in note.rejected if study in allowed]
    for study, uid in taken:
        insert_new(connection, REJECTION, _row(note, study, uid))
        _mark(connection, uid, note.code, within=study)
    _mark(connection, note.note_uid, _IS_NOTE, within=note.study_uid)
    for study in sorted({study for study, _ in taken} | {note.study_uid}):
        withdraw_fallen(connection, study, code=note.code, note_uid=note.note_uid)
        show_again(connection, study)
        if study != note.study_uid:  # the note itself counted its own study up when it came
            _go_down_the_road_again(connection, study)
    objects = [f"instance:{uid}" for _, uid in taken]
    append(
        connection,
        Event(
            actor=actor,
            action="instances_rejected" if taken else "rejection_ignored",
            objects=(f"note:{note.note_uid}", *objects),
            reason=f"{note.code} {TITLES[note.code]}",
        ),
    )
    _log.info("note_applied", note=note.note_uid, code=note.code, instances=len(taken))


def show_again(connection: sa.Connection, study_uid: StudyUid) -> None:
    """Work out anew what is seen of a study of which something was rejected."""
    of_study = (INSTANCE.c.study_uid == study_uid, INSTANCE.c.rejected == "")
    modalities = connection.execute(
        sa.select(SERIES.c.modality)
        .join(INSTANCE, INSTANCE.c.series_uid == SERIES.c.uid)
        .where(*of_study, SERIES.c.modality != "")
        .distinct()
        .order_by(SERIES.c.modality)
    ).scalars()
    left = sa.exists().where(*of_study, INSTANCE.c.lineage_id.is_(None))
    seen = "|" + "".join(f"{each}|" for each in modalities)
    connection.execute(
        STUDY.update()
        .where(STUDY.c.uid == study_uid)
        .values(is_rejected=sa.not_(left), modalities=seen)
    )


def rejected(archive: Archive, study_uid: StudyUid | None = None) -> list[Rejected]:
    """List what was rejected, newest first; of one study where it is given."""
    query = (
        sa.select(REJECTION, INSTANCE.c.uid)
        .join(INSTANCE, INSTANCE.c.uid == REJECTION.c.instance_uid, isouter=True)
        .order_by(REJECTION.c.rejected_at.desc(), REJECTION.c.instance_uid)
    )
    if study_uid is not None:
        query = query.where(REJECTION.c.study_uid == study_uid)
    with archive.database.read() as connection:
        rows = connection.execute(query).all()
    return [
        Rejected(
            instance_uid=InstanceUid(row.instance_uid),
            study_uid=StudyUid(row.study_uid),
            code=row.code,
            note_uid=InstanceUid(row.note_uid),
            has_arrived=row.uid is not None,
        )
        for row in rows
    ]


def rejection_of(connection: sa.Connection, study_uid: str, instance_uid: str) -> str:
    """Return why an instance was rejected, here or still to come; empty where it was not."""
    found = connection.execute(
        sa.select(REJECTION.c.code).where(
            REJECTION.c.instance_uid == instance_uid, REJECTION.c.study_uid == study_uid
        )
    ).scalar()
    return found or ""


def _may_reject(connection: sa.Connection, note: RejectionNote) -> frozenset[StudyUid]:
    """Return the named studies that are the note's patient's, or have not come yet."""
    owner = sa.select(STUDY.c.patient).where(STUDY.c.uid == note.study_uid).scalar_subquery()
    named = {study for study, _ in note.rejected}
    others = connection.execute(
        sa.select(STUDY.c.uid).where(STUDY.c.uid.in_(named), STUDY.c.patient != owner)
    ).scalars()
    return frozenset(named) - {StudyUid(uid) for uid in others}


def _row(note: RejectionNote, study: StudyUid, uid: InstanceUid) -> dict[str, object]:
    return {
        "instance_uid": uid,
        "study_uid": study,
        "code": note.code,
        "note_uid": note.note_uid,
        "rejected_at": clock.timestamp(),
    }


def _mark(connection: sa.Connection, uid: InstanceUid, code: str, *, within: StudyUid) -> None:
    connection.execute(
        INSTANCE.update()
        .where(INSTANCE.c.uid == uid, INSTANCE.c.study_uid == within, INSTANCE.c.rejected == "")
        .values(rejected=code)
    )


def _go_down_the_road_again(connection: sa.Connection, study_uid: StudyUid) -> None:
    connection.execute(
        STUDY.update().where(STUDY.c.uid == study_uid).values(revision=STUDY.c.revision + 1)
    )
