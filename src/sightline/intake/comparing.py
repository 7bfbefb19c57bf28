"""What a peer has beside what we hold: counts first, UIDs where the counts differ."""

import dataclasses
from collections.abc import Iterable, Iterator

from sightline.archive.archive import Archive
from sightline.archive.inventory import Inventory, inventory, studies_from
from sightline.peers.query import Questions, RemoteInstance, RemoteSeries, RemoteStudy
from sightline.values.identity import StudyUid


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SeriesDifference:
    """One series that is not the same on both sides.

    Attributes:
        theirs: how many instances the peer has.
        here: how many of them, and of others of the series, are here.
        missing: what the peer has and we do not.
        only_here: what came from outside and the peer does not have.
        quarantined: what the peer has and waits here in quarantine.
    """

    uid: str
    theirs: int
    here: int
    missing: tuple[RemoteInstance, ...] = ()
    only_here: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether both sides have the same instances, and none of ours is held back."""
        return not (self.missing or self.only_here or self.quarantined)

    @property
    def is_wholly_missing(self) -> bool:
        """Whether we hold nothing of the series."""
        return bool(self.missing) and len(self.missing) == self.theirs


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StudyDifference:
    """One study on both sides.

    Attributes:
        date: `YYYYMMDD`, or empty.
        theirs: how many instances the peer counts; None where it does not tell.
        here: how many are here, results of ours not counted.
        series: those that differ.
    """

    uid: str
    date: str
    theirs: int | None
    here: int
    series: tuple[SeriesDifference, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.series

    @property
    def missing(self) -> tuple[RemoteInstance, ...]:
        """What the peer has and we do not."""
        return tuple(each for series in self.series for each in series.missing)

    @property
    def is_wholly_missing(self) -> bool:
        """Whether we hold nothing of the study."""
        return (
            not self.here and bool(self.missing) and all(s.is_wholly_missing for s in self.series)
        )


def compare_study(archive: Archive, questions: Questions, theirs: RemoteStudy) -> StudyDifference:
    """Compare one study of a peer with ours; the peer is asked no more than is needed.

    Raises:
        PeerFailed: The peer refuses, fails or goes away.
    """
    ours = inventory(archive, StudyUid(theirs.uid))
    # Results of ours may be there too, and what is held back is no match: counts prove nothing.
    counts_prove = not ours.own and not ours.quarantined
    differing: tuple[SeriesDifference, ...] = ()
    if not (counts_prove and theirs.instances == len(ours.received)):
        differing = tuple(_series(questions, theirs, ours, counts_prove=counts_prove))
    return StudyDifference(
        uid=theirs.uid,
        date=theirs.date,
        theirs=theirs.instances,
        here=len(ours.received),
        series=differing,
    )


def studies_only_here(
    archive: Archive, sender: str, *, since: str, theirs: Iterable[RemoteStudy]
) -> Iterator[StudyDifference]:
    """Give the studies that a sender sent us and no longer has.

    Args:
        archive: the identified store.
        sender: application entity title of the peer.
        since: the first study date, `YYYYMMDD`.
        theirs: all its studies of that date or later.
    """
    known = {each.uid for each in theirs}
    for uid in studies_from(archive, sender, since=since):
        if uid in known:
            continue
        ours = inventory(archive, uid)
        series = tuple(
            SeriesDifference(
                uid=each, theirs=0, here=len(held := ours.of_series(each)), only_here=_sorted(held)
            )
            for each in sorted(set(ours.received.values()))
        )
        yield StudyDifference(uid=uid, date="", theirs=0, here=len(ours.received), series=series)


def _series(
    questions: Questions, study: RemoteStudy, ours: Inventory, *, counts_prove: bool
) -> Iterator[SeriesDifference]:
    theirs = questions.series(study.uid)
    for each in theirs:
        here = ours.of_series(each.uid)
        if counts_prove and each.instances == len(here):
            continue
        found = _instances(each, questions.instances(study.uid, each.uid), ours)
        if not found.is_equal:
            yield found
    for uid in sorted(set(ours.received.values()) - {each.uid for each in theirs}):
        here = ours.of_series(uid)
        yield SeriesDifference(uid=uid, theirs=0, here=len(here), only_here=_sorted(here))


def _instances(
    series: RemoteSeries, theirs: list[RemoteInstance], ours: Inventory
) -> SeriesDifference:
    uids = {each.uid for each in theirs}
    here = ours.of_series(series.uid)
    return SeriesDifference(
        uid=series.uid,
        theirs=len(uids),
        here=len(here),
        missing=tuple(each for each in theirs if not ours.knows(each.uid)),
        only_here=_sorted(here - uids),
        quarantined=_sorted(uids & ours.quarantined),
    )


def _sorted(uids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(uids))
