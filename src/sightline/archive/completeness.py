"""When a study is complete: by the sender's count, by its slices, by who left; a timer last."""

import dataclasses
import itertools
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import sqlalchemy as sa

from sightline import clock
from sightline.archive.announcements import Announced, announced
from sightline.archive.archive import Archive
from sightline.archive.inventory import inventory
from sightline.archive.slice_gaps import StudyGaps
from sightline.catalog.archive_tables import (
    ANNOUNCEMENT,
    ASSOCIATION,
    HOLDING,
    INSTANCE,
    OUTBOX,
    STUDY,
)
from sightline.settings import Settings
from sightline.values.identity import StudyUid

_REMEMBERED = 32
_ENOUGH = 3
# A pause may be longer than any that was seen.
_MARGIN = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How long is waited, in seconds since the last instance.

    Attributes:
        quiet_s: for a sender of which little is known.
        least_s: whatever a sender has shown.
        most_s: where the evidence says that something is missing.
    """

    quiet_s: float
    least_s: float
    most_s: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read the rules of a site; `quiet_period_s` lies within the other two."""
        quiet_s = settings.quiet_period_s
        return cls(
            quiet_s=quiet_s,
            least_s=min(settings.min_quiet_period_s, quiet_s),
            most_s=max(settings.max_quiet_period_s, quiet_s),
        )

    @property
    def settled_s(self) -> float:
        """After so long it is worth asking and looking."""
        return self.least_s / 2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """What was announced of a study, beside what came.

    Attributes:
        announcers: AE titles.
        instances: how many can be retrieved where they were announced.
        missing: how many of these are not here.
        unannounced: how many came that were not announced, or not yet.
    """

    announcers: tuple[str, ...]
    instances: int
    missing: int
    unannounced: int

    @property
    def who(self) -> str:
        """The announcers, for people."""
        return ", ".join(self.announcers)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OpenStudy:
    """A study whose newest revision is not complete.

    Attributes:
        senders: AE title, or name of the source, with how each association ended; empty for none.
        has_open_sender: one that sent some of it is still connected.
        instances: what came from outside, quarantine included.
        delivered: how many results of ours each destination acknowledged.
        announced: what a PACS announced of it.
    """

    uid: StudyUid
    revision: int
    last_received_at: float
    senders: tuple[tuple[str, str], ...]
    has_open_sender: bool
    instances: int
    delivered: Mapping[str, int]
    announced: Promise | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """What the sender's PACS says.

    Attributes:
        peer: `AETITLE@host:port`.
        instances: how many it has of the study; None where it told none, and `problem` says why.
    """

    peer: str
    instances: int | None
    problem: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What is known of one revision besides what the catalog says."""

    count: Count | None = None
    gaps: StudyGaps | None = None


class Pauses:
    """The pauses that senders made between two associations, or two files, of one study."""

    def __init__(self) -> None:
        self._longest_s: dict[str, deque[float]] = {}

    def learn(self, shown: Mapping[str, float]) -> None:
        """Add the longest pause of each sender of one study, in seconds."""
        for sender, longest_s in shown.items():
            known = self._longest_s.setdefault(sender, deque(maxlen=_REMEMBERED))
            known.append(longest_s)

    def wait_s(self, senders: Iterable[str], rules: Rules) -> float | None:
        """Return how long to wait for more; None where too little is known of a sender."""
        known = [self._longest_s.get(each, ()) for each in senders]
        if not known or any(len(each) < _ENOUGH for each in known):
            return None
        # One that could not have been waited for would only make every other study wait.
        pauses = [pause for each in known for pause in each if pause <= rules.most_s]
        return min(max(_MARGIN * max(pauses, default=0.0), rules.least_s), rules.most_s)


class OpenRevision(NamedTuple):
    """A revision that is not complete, when its last instance came, and its last announcement."""

    uid: StudyUid
    revision: int
    last_received_at: float
    announced_at: float | None = None


def open_revisions(archive: Archive, *, settled_s: float) -> list[OpenRevision]:
    """List the revisions that are not complete and got nothing for `settled_s`; costs little."""
    announced_at = (
        sa.select(sa.func.max(ANNOUNCEMENT.c.announced_at))
        .where(ANNOUNCEMENT.c.study_uid == STUDY.c.uid)
        .scalar_subquery()
    )
    due: sa.Select[Any] = sa.select(
        STUDY.c.uid, STUDY.c.revision, STUDY.c.last_received_at, announced_at
    ).where(
        STUDY.c.completed_revision < STUDY.c.revision,
        STUDY.c.last_received_at <= clock.timestamp() - settled_s,
    )
    with archive.database.read() as connection:
        return [OpenRevision(StudyUid(row[0]), *row[1:]) for row in connection.execute(due).all()]


def open_study(archive: Archive, revision: OpenRevision) -> OpenStudy:
    """Read what the catalog says of a revision that is not complete."""
    of_study = (INSTANCE.c.study_uid == revision.uid, INSTANCE.c.lineage_id.is_(None))
    held = sa.select(HOLDING.c.instance_uid).where(
        HOLDING.c.study_uid == revision.uid,
        HOLDING.c.instance_uid != "",
        ~sa.exists().where(INSTANCE.c.uid == HOLDING.c.instance_uid),
    )
    count = sa.func.count
    senders: sa.Select[Any] = (
        sa.select(
            INSTANCE.c.source,
            ASSOCIATION.c.calling_ae,
            ASSOCIATION.c.ended,
            ASSOCIATION.c.opened_at,
            ASSOCIATION.c.closed_at,
        )
        .join(ASSOCIATION, INSTANCE.c.association == ASSOCIATION.c.id, isouter=True)
        .where(*of_study)
        .distinct()
    )
    with archive.database.read() as connection:
        sent_by = connection.execute(senders).all()
        received = connection.execute(sa.select(count()).where(*of_study)).scalar_one()
        quarantined = connection.execute(
            sa.select(count()).select_from(held.distinct().subquery())
        ).scalar_one()
        delivered = connection.execute(
            sa.select(OUTBOX.c.destination, count())
            .join(INSTANCE, OUTBOX.c.instance_uid == INSTANCE.c.uid)
            .where(INSTANCE.c.study_uid == revision.uid, OUTBOX.c.state == "delivered")
            .group_by(OUTBOX.c.destination)
        ).all()
        told = announced(connection, revision.uid)
    return OpenStudy(
        uid=revision.uid,
        revision=revision.revision,
        last_received_at=revision.last_received_at,
        senders=tuple(sorted({_sender(each) for each in sent_by})),
        has_open_sender=any(each.opened_at and each.closed_at is None for each in sent_by),
        instances=received + quarantined,
        delivered={each.destination: each[1] for each in delivered},
        announced=_promise(archive, revision.uid, told) if told else None,
    )


def why_complete(
    study: OpenStudy, evidence: Evidence, pauses: Pauses, *, rules: Rules, now: float
) -> str:
    """Say why a study counts as complete; empty while it does not.

    In this order: the count of the sender's PACS, what a PACS announced, slices, the end of the
    associations, time.
    """
    quiet_s = now - study.last_received_at
    expected = _expected(study, evidence.count)
    if expected is not None and study.instances >= expected:
        assert evidence.count is not None  # noqa: S101 - it is where the number is from
        return f"{study.instances} instances, as {evidence.count.peer} counts"
    if study.has_open_sender:
        return ""
    promise = study.announced
    if expected is None and promise is not None and not promise.missing + promise.unannounced:
        return f"{study.instances} instances, all that {promise.who} announced"
    wait_s, learned = _wait(study, evidence, pauses, rules=rules)
    if quiet_s < wait_s:
        return ""
    parts = (
        _of_count(study, evidence.count, expected),
        _of_promise(promise),
        *_of_gaps(evidence.gaps),
    )
    said = "".join(f"{part}; " for part in parts if part)
    gone = ", ".join(f"{name} ({ended})" if ended else name for name, ended in study.senders)
    of_time = f"quiet for {wait_s:g} s" + (", longer than it ever paused" if learned else "")
    return f"{study.instances} instances; {said}senders gone: {gone}; {of_time}"


def worth_looking_in_s(study: OpenStudy, pauses: Pauses, *, rules: Rules, now: float) -> float:
    """Tell in how many seconds slices may decide soon; before then, reading them changes nothing.

    Where the sender is still connected, its leaving is waited for, too.
    """
    learned_s = pauses.wait_s({name for name, _ in study.senders}, rules)
    earliest_s = rules.quiet_s if learned_s is None else min(learned_s, rules.quiet_s)
    return study.last_received_at + earliest_s - rules.settled_s - now


def mark_complete(archive: Archive, study: OpenStudy, because: str) -> bool:
    """Mark a revision as complete; False where something came meanwhile."""
    with archive.database.write() as connection:
        done = connection.execute(
            STUDY.update()
            .where(
                STUDY.c.uid == study.uid,
                STUDY.c.revision == study.revision,
                STUDY.c.completed_revision < study.revision,
            )
            .values(
                completed_revision=study.revision,
                completed_at=clock.timestamp(),
                complete_because=because,
            )
        )
        return bool(done.rowcount)


def complete_quiet_studies(archive: Archive, *, quiet_period_s: float) -> list[StudyUid]:
    """Mark as complete, by time alone, each study whose senders left; return them."""
    rules = Rules(quiet_s=quiet_period_s, least_s=quiet_period_s, most_s=quiet_period_s)
    completed = []
    for revision in open_revisions(archive, settled_s=quiet_period_s):
        each = open_study(archive, revision)
        because = why_complete(each, Evidence(), Pauses(), rules=rules, now=clock.timestamp())
        if because and mark_complete(archive, each, because):
            completed.append(each.uid)
    return completed


def shown_pauses(archive: Archive, study_uid: StudyUid) -> dict[str, float]:
    """Return the longest pause, in seconds, that each sender of a study made.

    What passes within one association is no pause: the sender was not gone.
    """
    query: sa.Select[Any] = (
        sa.select(
            INSTANCE.c.source,
            INSTANCE.c.association,
            INSTANCE.c.received_at,
            ASSOCIATION.c.calling_ae,
        )
        .join(ASSOCIATION, INSTANCE.c.association == ASSOCIATION.c.id, isouter=True)
        .where(INSTANCE.c.study_uid == study_uid, INSTANCE.c.lineage_id.is_(None))
        .order_by(INSTANCE.c.received_at)
    )
    with archive.database.read() as connection:
        rows = connection.execute(query).all()
    by_sender: dict[str, list[sa.Row[Any]]] = {}
    for row in rows:
        by_sender.setdefault(row.calling_ae or row.source, []).append(row)
    return {sender: _longest_pause_s(own) for sender, own in by_sender.items()}


def last_completed(archive: Archive, *, limit: int = 100) -> list[StudyUid]:
    """List the studies that were completed last, oldest first: what senders are judged by."""
    query = (
        sa.select(STUDY.c.uid)
        .where(STUDY.c.completed_at.is_not(None))
        .order_by(STUDY.c.completed_at.desc())
        .limit(limit)
    )
    with archive.database.read() as connection:
        return [StudyUid(uid) for uid in connection.execute(query).scalars()][::-1]


def _promise(archive: Archive, study_uid: StudyUid, told: Announced) -> Promise:
    here = inventory(archive, study_uid)
    came = here.received.keys() | here.quarantined
    return Promise(
        announcers=told.announcers,
        instances=len(told.available),
        missing=len(told.available - came - here.own),
        unannounced=len(came - told.available),
    )


def _sender(row: sa.Row[Any]) -> tuple[str, str]:
    return row.calling_ae or row.source, row.ended or ""


def _longest_pause_s(rows: Sequence[sa.Row[Any]]) -> float:
    return max(
        (
            after.received_at - before.received_at
            for before, after in itertools.pairwise(rows)
            if before.association is None or before.association != after.association
        ),
        default=0.0,
    )


def _expected(study: OpenStudy, count: Count | None) -> int | None:
    """Return how many of its instances the PACS must have sent; None where it told nothing.

    A PACS that knows nothing of the study has passed it on without keeping it. What it took from
    us is in its count, and not in ours.
    """
    if count is None or not count.instances:
        return None
    return max(count.instances - study.delivered.get(count.peer, 0), 1)


def _wait(
    study: OpenStudy, evidence: Evidence, pauses: Pauses, *, rules: Rules
) -> tuple[float, bool]:
    """Return how long to wait, and whether the senders' own pauses decided it."""
    is_short = _expected(study, evidence.count) is not None
    is_announced = study.announced is not None and study.announced.missing > 0
    if is_short or is_announced or (evidence.gaps is not None and evidence.gaps.with_gaps):
        return rules.most_s, False
    learned_s = pauses.wait_s({name for name, _ in study.senders}, rules)
    if learned_s is None:
        return rules.quiet_s, False
    left_in_order = all(ended in {"", "released"} for _, ended in study.senders)
    if left_in_order and evidence.gaps is not None and evidence.gaps.gap_free:
        return learned_s, True
    return max(learned_s, rules.quiet_s), learned_s > rules.quiet_s


def _of_count(study: OpenStudy, count: Count | None, expected: int | None) -> str:
    if count is None:
        return ""
    if expected is not None:
        return f"{count.peer} counts {expected}, {expected - study.instances} did not come"
    if count.instances == 0:
        return f"{count.peer} does not know the study"
    return f"{count.problem or f'{count.peer} does not tell its count'}"


def _of_promise(promise: Promise | None) -> str:
    if promise is None or not promise.missing:
        return ""
    return f"{promise.who} announced {promise.instances}, {promise.missing} did not come"


def _of_gaps(gaps: StudyGaps | None) -> tuple[str, ...]:
    if gaps is None:
        return ()
    return (
        f"slices missing in {gaps.with_gaps} series" if gaps.with_gaps else "",
        f"no slice missing in {gaps.gap_free} series" if gaps.gap_free else "",
    )
