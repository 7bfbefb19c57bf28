"""A folder of DICOM files through the door without an archive, into another folder.

A study lands whole or not at all: it is written into a folder that nobody reads, made durable, and
renamed. Whoever was killed on the way begins again where the last whole study ended.
"""

import dataclasses
import fcntl
import os
import secrets
import shutil
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, Self

from sightline import clock
from sightline.deid.certificates import certificate_in, is_of, put_certificate, take_over
from sightline.deid.certifying import sign
from sightline.deid.portions import FolderDoor, Portion, Workers, Written, workers_of, write_all
from sightline.deid.profile import DEFAULT_PROFILE, Profile, load_profile
from sightline.deid.study_files import files_below, read_studies
from sightline.deid.vault import Vault
from sightline.errors import Refused
from sightline.store.durable import make_folder, sync_folder, sync_paths
from sightline.values.arrival import Holding
from sightline.values.study import Certificate, IdentifiedStudy

Tell = Callable[[int, int], None]
P = ParamSpec("P")

_UNFINISHED = ".sightline-unfinished"
_LOCK = ".sightline-lock"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FolderPassage:
    """What became of the files of a folder.

    Attributes:
        studies: folders of the studies that passed, below the target.
        instances: how many instances passed.
        held: what did not.
        not_dicom: files that are no DICOM file, or a broken one.
        there_before: how many of the studies an earlier run had finished.
    """

    studies: tuple[Path, ...]
    instances: int
    held: tuple[Holding, ...]
    not_dicom: tuple[Path, ...]
    there_before: int


def deidentify_folder(
    source: Path,
    target: Path,
    vault: Vault,
    *,
    profile: Profile | None = None,
    processes: int = 1,
    tell: Tell = lambda _done, _total: None,
    removes_faces: bool = False,
) -> FolderPassage:
    """Take every DICOM file below `source` through the door into `target`.

    A study lands in `SUBJECT/STUDY/SERIES/INSTANCE.dcm` beside its certificate, under names of the
    hub. A repeat passes over what is there, and takes up what was not finished.

    Args:
        source: a folder, or one file.
        target: made where it is missing.
        vault: gives the names.
        profile: says what may leave; that of a hub where none is given.
        processes: how many work at a time; 0 is one a core.
        tell: called with the number of files done, and of all files.
        removes_faces: whether faces are cleared from CT and MR of heads; series where that is not
            certain are held.

    Raises:
        Refused: The target lies within the source, another run writes to it, the source does
            not exist, a folder of it cannot be listed, or a file cannot be read or written; what
            is in the target is whole.
        OSError: The target cannot be made.
    """
    _check(source, target)
    door = FolderDoor(
        vault=vault, profile=profile or load_profile(DEFAULT_PROFILE), removes_faces=removes_faces
    )
    run = _Run(target, door)
    # Before the lock is taken, which no worker shall hold when this process is gone.
    with workers_of(processes or len(os.sched_getaffinity(0))) as workers:
        paths = sorted(files_below(source))
        tell(0, len(paths))
        studies, not_dicom = read_studies(paths, workers)
        with _alone_in(target), _stopping_whole():
            done = len(not_dicom)
            for files in run.work(studies, workers):
                done += files
                tell(done, len(paths))
    tell(len(paths), len(paths))
    return run.passage(not_dicom)


class _Run:
    """One run over the studies of a folder."""

    def __init__(self, target: Path, door: FolderDoor) -> None:
        self._target, self._door, self._vault = target, door, door.vault
        # Of this run alone: what an earlier one's processes still write is in nobody's way.
        self._unfinished = target / _UNFINISHED / secrets.token_hex(8)
        self._finished: list[Certificate] = []
        self._held: list[Holding] = []
        self._there_before = 0

    def work(self, studies: Sequence[IdentifiedStudy], workers: Workers) -> Iterator[int]:
        """Finish what is not finished; give the number of files whenever some are done."""
        self._remove_unfinished()
        portions: list[Portion] = []
        left = sum(len(study.instances) for study in studies)
        for study in studies:
            before = self._certificate_before(study)
            if before is None:
                folder = self._folder_until_finished(study)
                portions += self._door.portions(study, folder, left=left)
            else:
                self._finished.append(before)
                self._there_before += 1
                yield len(study.instances)
            left -= len(study.instances)
        missing = Counter(portion.folder for portion in portions)
        parts: defaultdict[Path, list[Written]] = defaultdict(list)
        try:
            with _InTurn() as turn:
                for portion, written in write_all(portions, self._door.write, workers):
                    yield len(portion.study.instances)
                    turn.add(sync_paths, written.paths)
                    parts[portion.folder].append(written)
                    if len(parts[portion.folder]) == missing[portion.folder]:
                        turn.add(self._finish, portion.folder, parts.pop(portion.folder))
        finally:
            self._remove_unfinished()

    def passage(self, not_dicom: list[Path]) -> FolderPassage:
        """Put together what became of everything."""
        return FolderPassage(
            studies=tuple(sorted(self._folder_of(each) for each in self._finished)),
            instances=sum(len(each.outputs) for each in self._finished),
            held=tuple(self._held),
            not_dicom=tuple(not_dicom),
            there_before=self._there_before,
        )

    def _remove_unfinished(self) -> None:
        shutil.rmtree(self._target / _UNFINISHED, ignore_errors=True)

    def _folder_until_finished(self, study: IdentifiedStudy) -> Path:
        subject_id = self._vault.pseudonym(study.patient)
        return self._unfinished / f"{subject_id}-{self._door.name(study.uid)}"

    def _folder_of(self, certificate: Certificate) -> Path:
        return self._target / certificate.subject_id / certificate.study_uid

    def _certificate_before(self, study: IdentifiedStudy) -> Certificate | None:
        """Return the certificate of an earlier run if it is of the same instances and profile."""
        subject_id = self._vault.pseudonym(study.patient)
        folder = self._target / subject_id / self._door.name(study.uid)
        found = certificate_in(folder)
        if found is None:
            return None
        uids = {self._door.name(each.uid) for each in study.instances}
        profile, options = self._door.profile.label, self._door.options
        return found if is_of(found, uids, profile=profile, options=options) else None

    def _finish(self, folder: Path, parts: list[Written]) -> None:
        """Give a study its name, when all of it is written and durable."""
        self._held += [each for part in parts for each in part.held]
        certificates = [part.certificate for part in parts if part.certificate]
        if not certificates:
            shutil.rmtree(folder, ignore_errors=True)
            return
        certificate = sign(_together(certificates, parts), self._vault)
        put_certificate(folder, certificate)
        place = self._folder_of(certificate)
        make_folder(place.parent)
        if place.exists():
            take_over(place, folder)
            place.rename(self._unfinished / f"replaced-{place.name}")
        sync_folder(folder)
        folder.rename(place)
        sync_folder(place.parent)
        self._finished.append(certificate)


class _InTurn:
    """A thread that waits for the disk while others work: each thing after those added before.

    Once something was raised, nothing more is done. Leaving the context waits for what was added.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "disk")
        self._pending: deque[Future[None]] = deque()
        self._is_stopped = False

    def __enter__(self) -> Self:
        return self

    def add(self, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have something done.

        Raises:
            Exception: What something that was added before raised.
        """
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(self._do, lambda: work(*args, **kwargs)))

    def _do(self, work: Callable[[], None]) -> None:
        if self._is_stopped:
            return
        try:
            work()
        except BaseException:
            self._is_stopped = True
            raise

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self._is_stopped |= kind is not None
        self._thread.shutdown()
        if kind is None:
            for each in self._pending:
                each.result()


def _together(certificates: list[Certificate], parts: list[Written]) -> Certificate:
    actions: Counter[str] = Counter()
    for each in certificates:
        actions.update(each.actions)
    held = Counter(each.reason for part in parts for each in part.held)
    outputs = {uid: digest for each in certificates for uid, digest in each.outputs.items()}
    return dataclasses.replace(
        certificates[0],
        options=tuple(dict.fromkeys(option for each in certificates for option in each.options)),
        actions=dict(sorted(actions.items())),
        outputs=dict(sorted(outputs.items())),
        held=dict(sorted(held.items())),
        created_at=clock.now().isoformat(),
    )


def _check(source: Path, target: Path) -> None:
    if not source.exists():
        raise Refused(f"there is no {source}", hint="Give a folder of DICOM files, or one file.")
    if target.resolve().is_relative_to(source.resolve()):
        raise Refused(
            "the target lies within the source",
            hint="Give a target beside the source, so that the two never mix.",
        )


@contextmanager
def _alone_in(target: Path) -> Iterator[None]:
    make_folder(target)
    path = target / _LOCK
    with path.open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(
                f"another run writes to {target}", hint="Wait for it, or give another target."
            ) from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _stopping_whole() -> Iterator[None]:
    """Say of what stops a batch that it can go on.

    Raises:
        Refused: A file could not be read or written.
    """
    try:
        yield
    except OSError as error:
        raise Refused(
            f"the batch stopped: {error.strerror or error}",
            hint="What is in the target is whole. Mend the cause (often a full disk), then call "
            "it again: it goes on where it stopped.",
        ) from error
