"""A folder of DICOM files through the door without an archive, into another folder.

A study lands whole or not at all: it is written into a folder that nobody reads, made durable, and
renamed. Whoever was killed on the way begins again where the last whole study ended.
"""

import dataclasses
import fcntl
import mmap
import os
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias, cast

from sightline import clock
from sightline.deid.certificates import certificate_in, is_of, put_certificate, take_over
from sightline.deid.certifying import sign
from sightline.deid.contract import name_of
from sightline.deid.door import pass_door
from sightline.deid.face_removal import CLEANED
from sightline.deid.faceless import without_faces
from sightline.deid.marks import options_of
from sightline.deid.profile import DEFAULT_PROFILE, Profile, load_profile
from sightline.deid.vault import Vault
from sightline.errors import NotDicom, Refused
from sightline.formats.dicom_file import Header, read_header
from sightline.store.durable import make_folder, sync_folder, sync_paths
from sightline.values.arrival import Holding
from sightline.values.identity import Digest, InstanceUid, Patient, SeriesUid, StudyUid
from sightline.values.study import Certificate, IdentifiedInstance, IdentifiedStudy

Tell = Callable[[int, int], None]

_UNFINISHED = ".sightline-unfinished"
_LOCK = ".sightline-lock"
# How often a process looks whether the one that began it is still there.
_PARENT_S = 0.2
# A portion is what one process takes at a time: enough to be worth it, little enough for memory.
_MOST_FILES, _MOST_BYTES = 64, 64 * 1024**2

# Study Instance UID, Patient ID and its issuer.
_StudyKey: TypeAlias = tuple[str, str, str]


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


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Portion:
    """Instances of one study that a process takes through the door together."""

    study: IdentifiedStudy
    folder: Path


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Written:
    """What a process made of a portion."""

    certificate: Certificate | None
    held: tuple[Holding, ...]


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
            not exist, or a file cannot be read or written; what is in the target is whole.
        OSError: The source cannot be listed, or the target not made.
    """
    _check(source, target)
    paths = sorted(path for path in (source, *source.rglob("*")) if path.is_file())
    tell(0, len(paths))
    studies, not_dicom = read_studies(paths)
    with _alone_in(target):
        door = _FolderDoor(
            vault=vault,
            profile=profile or load_profile(DEFAULT_PROFILE),
            removes_faces=removes_faces,
        )
        run = _Run(target, door)
        done = len(not_dicom)
        try:
            for files in run.work(studies, processes or len(os.sched_getaffinity(0))):
                done += files
                tell(done, len(paths))
        except OSError as error:
            raise Refused(
                f"the batch stopped: {error.strerror or error}",
                hint="What is in the target is whole. Mend the cause (often a full disk), then "
                "call it again: it goes on where it stopped.",
            ) from error
    tell(len(paths), len(paths))
    return run.passage(not_dicom)


class _Run:
    """One run over the studies of a folder."""

    def __init__(self, target: Path, door: "_FolderDoor") -> None:
        self._target, self._door, self._vault = target, door, door.vault
        # Of this run alone: what an earlier one's processes still write is in nobody's way.
        self._unfinished = target / _UNFINISHED / secrets.token_hex(8)
        self._finished: list[Certificate] = []
        self._held: list[Holding] = []
        self._there_before = 0

    def work(self, studies: Iterable[IdentifiedStudy], processes: int) -> Iterator[int]:
        """Finish what is not finished; give the number of files whenever some are done."""
        self._remove_unfinished()
        left: dict[str, list[_Written | None]] = {}
        portions: list[_Portion] = []
        for study in studies:
            before = self._certificate_before(study)
            if before is not None:
                self._finished.append(before)
                self._there_before += 1
                yield len(study.instances)
                continue
            subject_id = self._vault.pseudonym(study.patient)
            folder = self._unfinished / f"{subject_id}-{self._door.name(study.uid)}"
            parts = list(self._door.portions(study, folder))
            left[str(folder)] = [None] * len(parts)
            portions += parts
        for portion, written in _all_written(portions, self._door.write, processes):
            yield len(portion.study.instances)
            parts_written = left[str(portion.folder)]
            parts_written[parts_written.index(None)] = written
            if None not in parts_written:
                self._finish(portion.folder, [each for each in parts_written if each])
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

    def _folder_of(self, certificate: Certificate) -> Path:
        return self._target / certificate.subject_id / certificate.study_uid

    def _certificate_before(self, study: IdentifiedStudy) -> Certificate | None:
        """Return the certificate of an earlier run if it is of the same instances and profile."""
        subject_id = self._vault.pseudonym(study.patient)
        folder = self._target / subject_id / self._door.name(study.uid)
        uids = {self._door.name(each.uid) for each in study.instances}
        found = certificate_in(folder)
        profile, options = self._door.profile.label, self._door.options
        return found if found and is_of(found, uids, profile=profile, options=options) else None

    def _finish(self, folder: Path, parts: list[_Written]) -> None:
        """Give a study its name, when all of it is written."""
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


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _FolderDoor:
    """What a process needs to take a portion through the door."""

    vault: Vault
    profile: Profile
    removes_faces: bool

    @property
    def options(self) -> tuple[str, ...]:
        """What the certificate of a study says was done."""
        cleaned = (f"{CLEANED.value} {CLEANED.meaning}",) if self.removes_faces else ()
        return (*options_of(self.profile), *cleaned)

    def name(self, uid: str) -> str:
        """Tell what a study, series or instance is called after the door."""
        return name_of(uid, self.vault, self.profile)

    def portions(self, study: IdentifiedStudy, folder: Path) -> Iterator[_Portion]:
        """Divide a study; a face is found in whole series only."""
        part: list[IdentifiedInstance] = []
        size = 0
        instances = study.instances
        if self.removes_faces:
            instances = tuple(sorted(instances, key=lambda each: each.series_uid))
        for instance in instances:
            is_full = len(part) >= _MOST_FILES or size >= _MOST_BYTES
            is_in_series = bool(part) and part[-1].series_uid == instance.series_uid
            if is_full and not (self.removes_faces and is_in_series):
                yield _portion(study, part, folder)
                part, size = [], 0
            part.append(instance)
            size += instance.size_bytes
        if part:
            yield _portion(study, part, folder)

    def write(self, portion: _Portion) -> _Written:
        """Take a portion through, and write what leaves."""
        passage = pass_door(portion.study, self.vault, self.profile)
        if self.removes_faces:
            passage = without_faces(passage, portion.study, self.name)
        if passage.study is None:
            return _Written(certificate=None, held=passage.held)
        paths = []
        for instance in passage.study.instances:
            folder = portion.folder / instance.series_uid
            folder.mkdir(parents=True, exist_ok=True)
            paths.append(folder / f"{instance.uid}.dcm")
            paths[-1].write_bytes(instance.content)
        # Once all are on their way, waiting for one is nearly waiting for all.
        sync_paths([*paths, *{path.parent for path in paths}])
        return _Written(certificate=passage.study.certificate, held=passage.held)


def _portion(study: IdentifiedStudy, part: list[IdentifiedInstance], folder: Path) -> _Portion:
    return _Portion(study=dataclasses.replace(study, instances=tuple(part)), folder=folder)


def _all_written(
    portions: list[_Portion], write: Callable[[_Portion], _Written], processes: int
) -> Iterator[tuple[_Portion, _Written]]:
    if processes == 1 or len(portions) == 1:
        yield from ((portion, write(portion)) for portion in portions)
        return
    # Spawned: a fork would copy the threads of whoever shows the progress.
    count, context = min(processes, len(portions)), get_context("spawn")
    with ProcessPoolExecutor(count, context, _end_with_parent, (os.getpid(),)) as pool:
        pending = {pool.submit(write, portion): portion for portion in portions}
        try:
            for future in as_completed(pending):
                yield pending[future], future.result()
        except BrokenProcessPool as error:
            raise Refused(
                "a process of the batch was killed from outside, often for want of memory",
                hint="Call it again, perhaps with fewer --processes: it goes on where it stopped.",
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent(parent: int) -> None:
    """End this process when the one that began it is gone: it would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _together(certificates: list[Certificate], parts: list[_Written]) -> Certificate:
    actions: Counter[str] = Counter()
    for each in certificates:
        actions.update(each.actions)
    held = Counter(each.reason for part in parts for each in part.held)
    outputs = {uid: digest for each in certificates for uid, digest in each.outputs.items()}
    return dataclasses.replace(
        certificates[0],
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


def read_studies(paths: list[Path]) -> tuple[list[IdentifiedStudy], list[Path]]:
    """Group files into studies; return those that are no DICOM file apart.

    Raises:
        OSError: A file cannot be read.
    """
    patients: dict[_StudyKey, Patient] = {}
    instances: dict[_StudyKey, dict[str, IdentifiedInstance]] = {}
    not_dicom: list[Path] = []
    for path in paths:
        try:
            header = _header_of(path)
        except NotDicom:
            not_dicom.append(path)
            continue
        patient = header.patient
        key = (header.study_uid, patient.patient_id, patient.issuer)
        patients.setdefault(key, patient)
        # A second copy of an instance is the same instance.
        found = instances.setdefault(key, {})
        found.setdefault(header.instance_uid, _instance(path, header))
    _join_without_issuer(patients, instances)
    studies = [
        IdentifiedStudy(
            uid=StudyUid(key[0]),
            patient=patients[key],
            revision=1,
            instances=tuple(instances[key].values()),
        )
        for key in patients
    ]
    return studies, not_dicom


def _join_without_issuer(
    patients: dict[_StudyKey, Patient], instances: dict[_StudyKey, dict[str, IdentifiedInstance]]
) -> None:
    """Give what was made of a study's images, and names no issuer, to the images' patient."""
    for key in [key for key in patients if not key[2]]:
        named = [other for other in patients if other[:2] == key[:2] and other[2]]
        if len(named) == 1:
            instances[named[0]] = instances.pop(key) | instances[named[0]]
            del patients[key]


def _header_of(path: Path) -> Header:
    """Read the header without the pixels, which lie where nobody looks."""
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # an empty file
            raise NotDicom("the file is empty", hint="Get it again.") from error
        with content:
            return read_header(cast("bytes", content))


def _instance(path: Path, header: Header) -> IdentifiedInstance:
    return IdentifiedInstance(
        uid=InstanceUid(header.instance_uid),
        series_uid=SeriesUid(header.series_uid),
        sop_class_uid=header.sop_class_uid,
        digest=Digest(""),
        read=path.read_bytes,
        size_bytes=path.stat().st_size,
    )
