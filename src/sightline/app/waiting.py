"""Waiting until everything that arrived has gone the whole road."""

import dataclasses
from collections.abc import Callable

import sqlalchemy as sa

from sightline import clock
from sightline.archive.archive import Archive
from sightline.archive.outbox import count_waiting
from sightline.archive.record_changes import count_unseen
from sightline.catalog.archive_tables import STUDY
from sightline.errors import PeerFailed

_TICK_S = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Road:
    """How far the studies of an archive are.

    Attributes:
        arrived: studies that are there at all.
        through: studies whose newest revision passed the door or was held by it.
        unsent: results that wait to be sent.
        unseen: studies with orders, reports or values that the door has yet to see.
    """

    arrived: int
    through: int
    unsent: int
    unseen: int = 0

    def is_done(self, expected: int) -> bool:
        """Tell whether `expected` studies came and nothing is left to do."""
        is_through = self.arrived >= expected and self.through == self.arrived
        return is_through and not self.unsent and not self.unseen


def look(archive: Archive, *, with_records: bool = False) -> Road:
    """Count the studies on the road.

    Args:
        archive: the store.
        with_records: whether orders, reports and values go that way, too.
    """
    is_through = (STUDY.c.door_revision == STUDY.c.revision) & (STUDY.c.revision > 0)
    with archive.database.read() as connection:
        arrived = connection.execute(sa.select(sa.func.count()).select_from(STUDY)).scalar_one()
        through = connection.execute(
            sa.select(sa.func.count()).select_from(STUDY).where(is_through)
        ).scalar_one()
    unsent = count_waiting(archive)
    unseen = count_unseen(archive) if with_records else 0
    return Road(arrived=arrived, through=through, unsent=unsent, unseen=unseen)


def wait_until_through(
    archive: Archive,
    *,
    expected: int,
    timeout_s: float,
    on_progress: Callable[[Road], None],
    with_records: bool = False,
) -> Road:
    """Return when `expected` studies have gone the whole road.

    Args:
        archive: the store.
        expected: how many studies there will be at least.
        timeout_s: the longest to wait.
        on_progress: called with how far it is.
        with_records: whether orders, reports and values go that way, too.

    Raises:
        PeerFailed: `timeout_s` passed first.
    """
    deadline = clock.monotonic() + timeout_s
    while True:
        road = look(archive, with_records=with_records)
        on_progress(road)
        if road.is_done(expected):
            return road
        if clock.monotonic() > deadline:
            raise PeerFailed(
                f"after {timeout_s:g} s {road.through} of {max(expected, road.arrived)} studies "
                f"are through, {road.unsent} results unsent, records of {road.unseen} unseen",
                hint="Is `sightline up` running on this data directory? Its log says what it does.",
            )
        clock.pause(_TICK_S)
