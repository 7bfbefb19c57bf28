"""Which studies have orders, reports or values that the door has not seen yet.

What is tied to a study counts up `revision`: a report that comes late, one that is corrected, one
that turns out to be about another study. The images of the study need not pass once more for it.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import RECORDS_OF_STUDY, STUDY
from sightline.catalog.database import insert_new
from sightline.values.identity import StudyUid

_TABLE = RECORDS_OF_STUDY.c


def note_change(connection: sa.Connection, study_uids: Iterable[str]) -> None:
    """Note, in the caller's transaction, that what is tied to these studies changed."""
    for study_uid in sorted(set(study_uids)):
        row = {"study_uid": study_uid, "revision": 0, "started_revision": 0, "door_revision": 0}
        insert_new(connection, RECORDS_OF_STUDY, row)
        connection.execute(
            RECORDS_OF_STUDY.update()
            .where(_TABLE.study_uid == study_uid)
            .values(revision=_TABLE.revision + 1)
        )


def changes_to_start(archive: Archive) -> list[tuple[StudyUid, int]]:
    """List studies whose records changed, and whose images the door has answered for already.

    The others' records pass with their images.
    """
    with archive.database.read() as connection:
        rows = connection.execute(
            sa.select(_TABLE.study_uid, _TABLE.revision)
            .join(STUDY, STUDY.c.uid == _TABLE.study_uid)
            .where(_TABLE.started_revision < _TABLE.revision, STUDY.c.door_revision > 0)
            .order_by(_TABLE.study_uid)
        ).all()
    return [(StudyUid(uid), revision) for uid, revision in rows]


def mark_change_started(archive: Archive, study_uid: StudyUid, revision: int) -> None:
    """Record that the job of a change was handed to the durable queue."""
    _raise_to(archive, study_uid, _TABLE.started_revision, revision=revision)


def revision_of_records(archive: Archive, study_uid: StudyUid) -> int:
    """Return how often the records of a study changed; 0 where it never had any."""
    with archive.database.read() as connection:
        found = connection.execute(
            sa.select(_TABLE.revision).where(_TABLE.study_uid == study_uid)
        ).scalar()
    return int(found or 0)


def record_passed(archive: Archive, study_uid: StudyUid, revision: int) -> None:
    """Record that the door has seen the records of a study as they were at a revision."""
    _raise_to(archive, study_uid, _TABLE.door_revision, revision=revision)


def count_unseen(archive: Archive) -> int:
    """Count the studies with records that the door has not seen."""
    query = sa.select(sa.func.count()).select_from(RECORDS_OF_STUDY)
    with archive.database.read() as connection:
        unseen = query.where(_TABLE.door_revision < _TABLE.revision)
        return int(connection.execute(unseen).scalar_one())


def _raise_to(
    archive: Archive, study_uid: StudyUid, column: sa.Column[int], *, revision: int
) -> None:
    """Write a revision where an earlier one stands; never an earlier one over a later."""
    with archive.database.write() as connection:
        connection.execute(
            RECORDS_OF_STUDY.update()
            .where(_TABLE.study_uid == study_uid, column < revision)
            .values({column: revision})
        )
