"""What the archive holds of a study, UID by UID: to be compared with what another system has."""

import dataclasses
from collections.abc import Mapping

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import ASSOCIATION, HOLDING, INSTANCE, STUDY
from sightline.values.identity import InstanceUid, SeriesUid, StudyUid


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """The instances of one study.

    Attributes:
        received: what came from outside, with the series of each.
        own: results of ours.
        quarantined: what came and waits in quarantine, and is not here otherwise.
    """

    received: Mapping[InstanceUid, SeriesUid]
    own: frozenset[InstanceUid]
    quarantined: frozenset[InstanceUid]

    def knows(self, uid: str) -> bool:
        """Tell whether an instance is here, whether received, made or held back."""
        known = InstanceUid(uid)
        return known in self.received or known in self.own or known in self.quarantined

    def of_series(self, series_uid: str) -> set[InstanceUid]:
        """Return the received instances of one series."""
        return {uid for uid, series in self.received.items() if series == series_uid}


def inventory(archive: Archive, study_uid: StudyUid) -> Inventory:
    """Return what is here of a study; nothing where the study is unknown."""
    with archive.database.read() as connection:
        rows = connection.execute(
            sa.select(INSTANCE.c.uid, INSTANCE.c.series_uid, INSTANCE.c.lineage_id).where(
                INSTANCE.c.study_uid == study_uid
            )
        ).all()
        held = connection.execute(
            sa.select(HOLDING.c.instance_uid).where(
                HOLDING.c.study_uid == study_uid, HOLDING.c.instance_uid != ""
            )
        ).scalars()
        received = {row.uid: SeriesUid(row.series_uid) for row in rows if row.lineage_id is None}
        own = frozenset(row.uid for row in rows if row.lineage_id is not None)
        quarantined = frozenset(held) - received.keys() - own
    return Inventory(received=received, own=own, quarantined=quarantined)


def studies_from(archive: Archive, sender: str, *, since: str) -> list[StudyUid]:
    """List the studies of `since` (`YYYYMMDD`) or later that came from one sender, newest first.

    Args:
        archive: the identified store.
        sender: its application entity title.
        since: the first study date.
    """
    sent = (
        sa.select(INSTANCE.c.study_uid)
        .join(ASSOCIATION, INSTANCE.c.association == ASSOCIATION.c.id)
        .where(ASSOCIATION.c.calling_ae == sender)
    )
    query = (
        sa.select(STUDY.c.uid)
        .where(STUDY.c.study_date >= since, STUDY.c.uid.in_(sent))
        .order_by(STUDY.c.study_date.desc(), STUDY.c.uid)
    )
    with archive.database.read() as connection:
        return [StudyUid(uid) for uid in connection.execute(query).scalars()]
