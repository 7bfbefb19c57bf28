"""Whose a study is: a merge or an unmerge of patients gives it to another subject.

The hub knows no patient. It learns of a merge when a study passes the door again under another
subject: study, series and lineage follow, and the subject that is left with nothing says where its
studies went. Collection versions are immutable and keep the subjects they were made with.
"""

import dataclasses

import sqlalchemy as sa

from sightline.catalog.hub_tables import EDGE, INSTANCE, NODE, SERIES, STUDY
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.values.identity import HubStudyUid, LineageId, SubjectId
from sightline.values.study import DeidentifiedStudy

MERGED_INTO = "merged_into"
"""The fact of a subject whose studies are all another subject's now."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Relinked:
    """A study that changed its subject."""

    study_uid: HubStudyUid
    before: SubjectId
    after: SubjectId


def relink(connection: sa.Connection, study: DeidentifiedStudy) -> Relinked | None:
    """Give a study that is here to the subject it passes with now; None where that is no news."""
    before = connection.execute(
        sa.select(STUDY.c.subject_id).where(STUDY.c.uid == study.uid)
    ).scalar()
    if before is None or before == study.subject_id:
        return None
    _give(connection, study)
    _say_where_it_went(connection, SubjectId(before), study.subject_id)
    return Relinked(study_uid=study.uid, before=SubjectId(before), after=study.subject_id)


def replace_instance(connection: sa.Connection, uid: str, *, digest: str, size_bytes: int) -> None:
    """Let an instance be what passed the door now: another subject, and its dates."""
    connection.execute(
        INSTANCE.update()
        .where(INSTANCE.c.uid == uid)
        .values(digest=digest, size_bytes=size_bytes, withdrawn="")
    )


def subjects_now(hub: Hub, series_uids: list[str]) -> dict[str, SubjectId]:
    """Tell whose each series is now, after merges."""
    found: dict[str, SubjectId] = {}
    with hub.database.read() as connection:
        # SQLite takes a limited number of parameters a statement.
        for first in range(0, len(series_uids), 500):
            query = sa.select(SERIES.c.uid, SERIES.c.subject_id).where(
                SERIES.c.uid.in_(series_uids[first : first + 500])
            )
            found |= {row.uid: SubjectId(row.subject_id) for row in connection.execute(query)}
    return found


def _give(connection: sa.Connection, study: DeidentifiedStudy) -> None:
    subject = LineageId(study.subject_id)
    record(connection, node_of(subject, "subject", name=study.subject_id), [])
    series = list(
        connection.execute(sa.select(SERIES.c.uid).where(SERIES.c.study_uid == study.uid)).scalars()
    )
    of_study = SERIES.c.study_uid == study.uid
    connection.execute(
        STUDY.update().where(STUDY.c.uid == study.uid).values(subject_id=study.subject_id)
    )
    connection.execute(SERIES.update().where(of_study).values(subject_id=study.subject_id))
    subjects = sa.select(NODE.c.id).where(NODE.c.kind == "subject")
    for uid in series:
        connection.execute(EDGE.delete().where(EDGE.c.child == uid, EDGE.c.parent.in_(subjects)))
        connection.execute(EDGE.insert().values(child=uid, parent=subject))


def _say_where_it_went(connection: sa.Connection, before: SubjectId, after: SubjectId) -> None:
    has_more = connection.execute(
        sa.select(STUDY.c.uid).where(STUDY.c.subject_id == before).limit(1)
    ).first()
    _set_fact(connection, before, None if has_more else after)
    _set_fact(connection, after, None)


def _set_fact(connection: sa.Connection, subject: SubjectId, into: SubjectId | None) -> None:
    facts = connection.execute(sa.select(NODE.c.facts).where(NODE.c.id == subject)).scalar()
    if facts is None:
        return
    changed = {name: value for name, value in facts.items() if name != MERGED_INTO}
    if into is not None:
        changed[MERGED_INTO] = into
    connection.execute(NODE.update().where(NODE.c.id == subject).values(facts=changed))
