"""Pulling from a PACS: what it has and we lack is asked for, and nothing else."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.associations import close_association, open_association
from sightline.archive.inventory import inventory
from sightline.archive.receiving import enter, prepare
from sightline.errors import NotDicom, PeerFailed
from sightline.formats.dicom_file import part10, read_header
from sightline.intake.comparing import SeriesDifference, StudyDifference
from sightline.peers.dimse import Destination
from sightline.peers.query import RemoteInstance
from sightline.peers.retrieve import Received, Retrieved, Wanted, classes_together, get, move
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid

_log = log.get("intake")

By: TypeAlias = Literal["move", "get"]

# PS3.4 Table B.2-1
_SUCCESS, _OUT_OF_RESOURCES = 0x0000, 0xA700
_NOT_OF_THIS_CLASS, _CANNOT_UNDERSTAND = 0xA900, 0xC000


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PulledStudy:
    """What became of one study that was asked for.

    Attributes:
        asked: how many instances we lacked.
        came: how many of them are here now, or in quarantine.
        missing: which did not come.
        problem: why, as far as the peer said; empty where it said nothing.
    """

    uid: str
    asked: int
    came: int
    missing: tuple[str, ...]
    problem: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Puller:
    """One peer, and how things are fetched from it.

    Attributes:
        by: `move` has the peer send to our listener, which must be running and known to it;
            `get` takes everything on the association that asks.
        our_ae: our application entity title, which the peer must know.
        default_issuer: whose patient ids the peer means that names no issuer.
        on_progress: called with the count of instances that came since the last call.
        is_cancelled: asked between answers; the peer is then told to stop.
    """

    archive: Archive
    peer: Destination
    by: By
    our_ae: str
    default_issuer: str = ""
    on_progress: Callable[[int], None] = lambda _came: None
    is_cancelled: Callable[[], bool] = lambda: False

    def pull(self, differences: Sequence[StudyDifference]) -> Iterator[PulledStudy]:
        """Fetch what is missing, study by study; one that fails does not stop the others.

        Raises:
            OSError: The archive cannot be written.
        """
        for each in differences:
            if self.is_cancelled():
                return
            if each.missing:
                yield self._study(each)

    def _study(self, study: StudyDifference) -> PulledStudy:
        problem = ""
        try:
            done = self._move(study) if self.by == "move" else self._get(study)
        except PeerFailed as error:
            problem = error.problem
        else:
            problem = f"the peer failed to send {done.failed}" if done.failed else ""
        here = inventory(self.archive, StudyUid(study.uid))
        missing = tuple(each.uid for each in study.missing if not here.knows(each.uid))
        pulled = PulledStudy(
            uid=study.uid,
            asked=len(study.missing),
            came=len(study.missing) - len(missing),
            missing=missing,
            problem=problem,
        )
        _log.info("study_pulled", study=study.uid, asked=pulled.asked, came=pulled.came)
        return pulled

    def _move(self, study: StudyDifference) -> Retrieved:
        return move(
            self.peer,
            _wanted(study),
            to_ae=self.our_ae,
            calling_ae=self.our_ae,
            on_progress=_steps(self.on_progress),
            is_cancelled=self.is_cancelled,
        )

    def _get(self, study: StudyDifference) -> Retrieved:
        # The row tells who sent it, and that the study is not complete while this goes on.
        row = open_association(self.archive, self.peer.ae_title, self.peer.host)
        ended = "aborted"
        try:
            done = Retrieved()
            for wanted, classes in _portions(study):
                done += get(
                    self.peer,
                    wanted,
                    keep=lambda received: self._keep(received, row),
                    classes=classes,
                    calling_ae=self.our_ae,
                    on_progress=_steps(self.on_progress),
                    is_cancelled=self.is_cancelled,
                )
            ended = "released"
        finally:
            close_association(self.archive, row, ended)
        return done

    def _keep(self, received: Received, row: int) -> int:
        """Keep one instance and return the status to answer (PS3.4 Table B.2-1)."""
        try:
            content = part10(
                received.dataset,
                sop_class_uid=received.sop_class_uid,
                sop_instance_uid=received.instance_uid,
                transfer_syntax_uid=received.transfer_syntax_uid,
            )
            header = read_header(content)
            uids = (received.sop_class_uid, received.instance_uid)
            if (header.sop_class_uid, header.instance_uid) != uids:
                return _NOT_OF_THIS_CLASS
            source = Source(
                name=f"pull:{self.peer.ae_title}",
                association=row,
                default_issuer=self.default_issuer,
            )
            enter(self.archive, prepare(self.archive, header, content), source)
        except NotDicom as error:
            _log.warning("pulled_instance_refused", association=row, problem=error.problem)
            return _CANNOT_UNDERSTAND
        except OSError as error:
            _log.error("pulled_instance_not_kept", association=row, error=error.errno)
            return _OUT_OF_RESOURCES
        return _SUCCESS


def _steps(on_progress: Callable[[int], None]) -> Callable[[int], None]:
    """Turn counts so far into counts since the last call."""
    before = 0

    def report(completed: int) -> None:
        nonlocal before
        on_progress(max(completed - before, 0))
        before = max(completed, before)

    return report


def _wanted(study: StudyDifference) -> list[Wanted]:
    """Ask at the highest level at which everything is missing, so that nothing comes twice."""
    if study.is_wholly_missing:
        return [Wanted(study_uid=study.uid)]
    return [_wanted_of(study, each) for each in study.series if each.missing]


def _wanted_of(study: StudyDifference, series: SeriesDifference) -> Wanted:
    uids = () if series.is_wholly_missing else tuple(each.uid for each in series.missing)
    return Wanted(study_uid=study.uid, series_uid=series.uid, instance_uids=uids)


def _portions(study: StudyDifference) -> Iterator[tuple[list[Wanted], list[str]]]:
    """Split what is missing so that each association knows the few classes it has to offer."""
    classes = {each.sop_class_uid for each in study.missing}
    if "" in classes:  # the peer does not tell them
        yield _wanted(study), []
        return
    together = classes_together(classes)
    if len(together) == 1:
        yield _wanted(study), together[0]
        return
    for part in together:
        yield [*_of_classes(study, frozenset(part))], part


def _of_classes(study: StudyDifference, classes: frozenset[str]) -> Iterator[Wanted]:
    def is_of_them(instance: RemoteInstance) -> bool:
        return instance.sop_class_uid in classes

    for series in study.series:
        if chosen := tuple(filter(is_of_them, series.missing)):
            is_whole = series.is_wholly_missing and len(chosen) == len(series.missing)
            uids = () if is_whole else tuple(each.uid for each in chosen)
            yield Wanted(study_uid=study.uid, series_uid=series.uid, instance_uids=uids)
