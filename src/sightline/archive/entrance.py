"""The catalog's entrance: instances that wait for it at the same time share one transaction.

A commit waits for the disk. While one is under way others queue; the first of them then commits
all that wait, so that many senders cost hardly more commits than one.
"""

import dataclasses
import threading

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.receiving import Prepared, enter_all
from sightline.values.arrival import Arrival, Source

# What one transaction takes at most, so that nobody waits long for the first answer.
_MOST = 64


@dataclasses.dataclass(kw_only=True, slots=True)
class _Waiting:
    """One instance in the queue, and what became of it."""

    prepared: Prepared
    source: Source
    arrival: Arrival | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.arrival is not None or self.error is not None


class Entrance:
    """Enters prepared instances into the catalog on behalf of many threads."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._queue: list[_Waiting] = []
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def enter(self, prepared: Prepared, source: Source) -> Arrival:
        """Enter an instance; when this returns, it survives power loss.

        Raises:
            OSError: The catalog cannot be written.
        """
        own = _Waiting(prepared=prepared, source=source)
        with self._lock:
            self._queue.append(own)
        while not own.is_done:
            with self._turn:
                # Whoever had the turn before may have entered this one too.
                if not own.is_done:
                    self._enter_group(self._next_group())
        if own.error is not None:
            raise own.error
        assert own.arrival is not None  # noqa: S101 - the loop above says so
        return own.arrival

    def _next_group(self) -> list[_Waiting]:
        with self._lock:
            group, self._queue = self._queue[:_MOST], self._queue[_MOST:]
        return group

    def _enter_group(self, group: list[_Waiting]) -> None:
        try:
            arrivals = enter_all(self._archive, [(one.prepared, one.source) for one in group])
        except (OSError, sa.exc.DatabaseError) as error:
            if len(group) == 1:
                group[0].error = error
                return
            # None was entered; each is told its own error, and keeps back no other.
            for one in group:
                self._enter_group([one])
        else:
            for one, arrival in zip(group, arrivals, strict=True):
                one.arrival = arrival
        finally:
            for one in group:
                if not one.is_done:
                    one.error = OSError("the catalog's entrance failed")
