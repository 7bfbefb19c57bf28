"""What a PACS announced that it has of a study (Instance Availability Notification).

Announcements come before or after the instances; they are forgotten when they are old, since a
PACS may announce every study it has and send few of them.
"""

import dataclasses
from collections.abc import Mapping

import sqlalchemy as sa

from sightline import clock
from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import ANNOUNCEMENT
from sightline.values.identity import StudyUid

_KEPT_S = 7 * 86_400.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Announcement:
    """One message of a PACS.

    Attributes:
        announcer: its AE title.
        instances: whether each instance that it names can be retrieved, by UID.
    """

    study_uid: StudyUid
    announcer: str
    instances: Mapping[str, bool]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Announced:
    """All that was announced of one study.

    Attributes:
        announcers: their AE titles, in order.
        available: the instances that can be retrieved, by the newest message that names each.
    """

    announcers: tuple[str, ...]
    available: frozenset[str]


def enter_announcement(archive: Archive, announcement: Announcement) -> None:
    """Remember what a PACS announced.

    Raises:
        OSError: The catalog cannot be written.
    """
    now = clock.timestamp()
    with archive.database.write() as connection:
        connection.execute(ANNOUNCEMENT.delete().where(ANNOUNCEMENT.c.announced_at < now - _KEPT_S))
        connection.execute(
            ANNOUNCEMENT.insert().values(
                study_uid=announcement.study_uid,
                announcer=announcement.announcer,
                announced_at=now,
                instances=dict(announcement.instances),
            )
        )


def announced(connection: sa.Connection, study_uid: StudyUid) -> Announced | None:
    """Put together what was announced of a study; None where nothing was."""
    rows = connection.execute(
        sa.select(ANNOUNCEMENT.c.announcer, ANNOUNCEMENT.c.instances)
        .where(ANNOUNCEMENT.c.study_uid == study_uid)
        .order_by(ANNOUNCEMENT.c.id)
    ).all()
    if not rows:
        return None
    newest: dict[str, bool] = {}
    for row in rows:
        newest |= row.instances
    return Announced(
        announcers=tuple(sorted({row.announcer for row in rows})),
        available=frozenset(uid for uid, is_available in newest.items() if is_available),
    )
