"""Completing studies: gathers evidence beside the worker's loop and never waits for it there."""

import dataclasses
from concurrent.futures import Future, ThreadPoolExecutor

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.completeness import (
    Count,
    Evidence,
    OpenRevision,
    OpenStudy,
    Pauses,
    Rules,
    last_completed,
    mark_complete,
    open_revisions,
    open_study,
    shown_pauses,
    why_complete,
    worth_looking_in_s,
)
from sightline.archive.slice_gaps import StudyGaps, look_for_gaps
from sightline.errors import PeerFailed
from sightline.peers.dimse import Destination
from sightline.peers.known import peer_titled
from sightline.peers.query import asking
from sightline.settings import Settings
from sightline.values.identity import StudyUid

_log = log.get("app")
_THREADS = 4
# A PACS may take in what we lack, or be told to forget it.
_ASK_AGAIN_S = 10.0
# An answer that is under way is waited for, but not for ever.
_PATIENCE_S = 10.0
# One that is down is left alone for so long; the timer decides meanwhile.
_LEAVE_ALONE_S = 30.0
# A study that has waited for long may wait a little longer: many may be open at once.
_SHARE_OF_QUIET, _SELDOM_S = 0.1, 2.0
_MOST_IDLE_S = 10.0


@dataclasses.dataclass(slots=True)
class _Gathering:
    """What is being found out about one revision.

    Attributes:
        asked_at: when the count was asked for last.
        looking_since: when the reading of slices began.
        due_at: before then the revision is left alone.
    """

    counting: Future[Count] | None = None
    looking: Future[StudyGaps] | None = None
    count: Count | None = None
    asked_at: float = 0.0
    looking_since: float = 0.0
    due_at: float = 0.0

    @property
    def is_under_way(self) -> bool:
        """Whether something is being found out, and not for too long."""
        begun = ((self.counting, self.asked_at), (self.looking, self.looking_since))
        return any(
            future is not None and not future.done() and clock.monotonic() - since < _PATIENCE_S
            for future, since in begun
        )

    @property
    def evidence(self) -> Evidence:
        if self.counting is not None and self.counting.done():
            self.count, self.counting = self.counting.result(), None
        gaps = self.looking.result() if self.looking and self.looking.done() else None
        return Evidence(count=self.count, gaps=gaps)


class Completer:
    """Marks studies as complete; asking a PACS and reading slices happen in threads of its own."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        self._archive = archive
        self._settings = settings
        self._rules = Rules.of(settings)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="evidence")
        self._gathered: dict[OpenRevision, _Gathering] = {}
        self._down_until: dict[Destination, float] = {}
        self._pauses = Pauses()
        for each in last_completed(archive):
            self._pauses.learn(shown_pauses(archive, each))

    def complete_studies(self) -> list[StudyUid]:
        """Mark what is complete now and return it; takes no longer than the catalog does."""
        revisions = open_revisions(self._archive, settled_s=self._rules.settled_s)
        # A new revision, or a new announcement, asks anew.
        self._gathered = {each: self._gathered.get(each, _Gathering()) for each in revisions}
        return [each.uid for each in revisions if self._is_due(each) and self._complete(each)]

    def close(self) -> None:
        """End the threads; what they are at is given up where it did not begin."""
        self._threads.shutdown(cancel_futures=True)

    def _is_due(self, revision: OpenRevision) -> bool:
        """Tell whether a revision has its turn, and note when it has the next."""
        gathering = self._gathered[revision]
        if clock.monotonic() < gathering.due_at:
            return False
        quiet_s = max(clock.timestamp() - revision.last_received_at, 0.0)
        gathering.due_at = clock.monotonic() + min(_SELDOM_S, quiet_s * _SHARE_OF_QUIET)
        return True

    def _complete(self, revision: OpenRevision) -> bool:
        study = open_study(self._archive, revision)
        gathering = self._gathered[revision]
        self._gather(study, gathering)
        if gathering.is_under_way:
            return False
        if gathering.counting is None and gathering.count is None and not study.has_open_sender:
            # No PACS counts it, so nothing but time changes what is known.
            idle_s = min(self._worth_looking_in_s(study), _MOST_IDLE_S)
            gathering.due_at = max(gathering.due_at, clock.monotonic() + idle_s)
        because = why_complete(
            study, gathering.evidence, self._pauses, rules=self._rules, now=clock.timestamp()
        )
        if not because or not mark_complete(self._archive, study, because):
            return False
        self._pauses.learn(shown_pauses(self._archive, study.uid))
        _log.info("study_complete", study=study.uid, revision=study.revision, because=because)
        return True

    def _gather(self, study: OpenStudy, gathering: _Gathering) -> None:
        is_left = not study.has_open_sender
        if gathering.looking is None and is_left and self._worth_looking_in_s(study) <= 0:
            gathering.looking_since = clock.monotonic()
            gathering.looking = self._threads.submit(look_for_gaps, self._archive, study.uid)
        now = clock.monotonic()
        is_due = not gathering.asked_at or now - gathering.asked_at >= _ASK_AGAIN_S
        if gathering.counting is None and is_due:
            gathering.asked_at = now
            if peer := self._peer_of(study):
                gathering.counting = self._threads.submit(self._count, peer, study.uid)

    def _worth_looking_in_s(self, study: OpenStudy) -> float:
        now = clock.timestamp()
        return worth_looking_in_s(study, self._pauses, rules=self._rules, now=now)

    def _peer_of(self, study: OpenStudy) -> Destination | None:
        """Return the PACS that sent all of a study; where several sent it, no count is whole."""
        names = {name for name, _ in study.senders}
        if len(names) != 1:
            return None
        try:
            return peer_titled(names.pop(), self._settings)
        except PeerFailed as error:
            _log.error("peer_setting_unusable", problem=error.problem)
            return None

    def _count(self, peer: Destination, study_uid: StudyUid) -> Count:
        until = self._down_until.get(peer, 0.0)
        if clock.monotonic() < until:
            return Count(peer=str(peer), instances=None, problem=f"{peer} does not answer")
        try:
            our_ae = self._settings.ae_title
            with asking(peer, calling_ae=our_ae, silence_s=_PATIENCE_S) as questions:
                return Count(peer=str(peer), instances=questions.count(study_uid))
        except PeerFailed as error:
            self._down_until[peer] = clock.monotonic() + _LEAVE_ALONE_S
            _log.warning("count_not_told", study=study_uid, problem=error.problem)
            return Count(peer=str(peer), instances=None, problem=error.problem)
