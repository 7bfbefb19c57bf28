"""A study in portions, each taken through the door and written by one process."""

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

from sightline.deid.contract import name_of
from sightline.deid.door import pass_door
from sightline.deid.face_removal import CLEANED
from sightline.deid.faceless import without_faces
from sightline.deid.marks import options_of
from sightline.deid.profile import Profile
from sightline.deid.vault import Vault
from sightline.errors import Refused
from sightline.values.arrival import Holding
from sightline.values.study import Certificate, IdentifiedInstance, IdentifiedStudy

Workers: TypeAlias = ProcessPoolExecutor | None
"""Processes that work beside this one; None where it works alone."""

# How often a process looks whether the one that began it is still there.
_PARENT_S = 0.2
# A portion is what one process takes at a time: enough to be worth it, little enough for memory.
_MOST_FILES, _MOST_BYTES = 128, 64 * 1024**2
# Towards the end it is so small a part of what is left that all processes end together.
_FEWEST_FILES, _PART_OF_LEFT = 4, 16


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Portion:
    """Instances of one study that a process takes through the door together."""

    study: IdentifiedStudy
    folder: Path


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a process made of a portion."""

    certificate: Certificate | None
    held: tuple[Holding, ...]
    paths: tuple[Path, ...] = ()
    """Files and their folders, which are not durable yet."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FolderDoor:
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

    def portions(self, study: IdentifiedStudy, folder: Path, *, left: int) -> Iterator[Portion]:
        """Divide a study; a face is found in whole series only.

        Args:
            study: what is divided.
            folder: where its portions are written.
            left: how many files there are from this study on.
        """
        part: list[IdentifiedInstance] = []
        size, most = 0, _most_files(left)
        instances = study.instances
        if self.removes_faces:
            instances = tuple(sorted(instances, key=lambda each: each.series_uid))
        for instance in instances:
            is_full = len(part) >= most or size >= _MOST_BYTES
            is_in_series = bool(part) and part[-1].series_uid == instance.series_uid
            if is_full and not (self.removes_faces and is_in_series):
                yield _portion(study, part, folder)
                left -= len(part)
                part, size, most = [], 0, _most_files(left)
            part.append(instance)
            size += instance.size_bytes
        if part:
            yield _portion(study, part, folder)

    def write(self, portion: Portion) -> Written:
        """Take a portion through, and write what leaves; making that durable is the caller's."""
        passage = pass_door(portion.study, self.vault, self.profile)
        if self.removes_faces:
            passage = without_faces(passage, portion.study, self.name)
        if passage.study is None:
            return Written(certificate=None, held=passage.held)
        instances = passage.study.instances
        folders = {uid: portion.folder / uid for uid in {each.series_uid for each in instances}}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for instance in instances:
            paths.append(folders[instance.series_uid] / f"{instance.uid}.dcm")
            paths[-1].write_bytes(instance.content)
        return Written(
            certificate=passage.study.certificate,
            held=passage.held,
            paths=(*paths, *folders.values()),
        )


@contextmanager
def workers_of(processes: int) -> Iterator[Workers]:
    """Start so many processes, or none for one; they end with this one.

    Call it before anything that starts a thread, such as a progress bar: then they are forks, which
    have imported already what takes a new process a second.

    Raises:
        Refused: A process was killed.
    """
    if processes == 1:
        yield None
        return
    # A fork copies the locks of threads that it does not copy.
    context = get_context("fork" if threading.active_count() == 1 else "spawn")
    with ProcessPoolExecutor(processes, context, _end_with_parent, (os.getpid(),)) as pool:
        pool.submit(os.getpid).result()
        try:
            yield pool
        except BrokenProcessPool as error:
            raise Refused(
                "a process of the batch was killed from outside, often for want of memory",
                hint="Call it again, perhaps with fewer --processes: it goes on where it stopped.",
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _most_files(left: int) -> int:
    return max(_FEWEST_FILES, min(_MOST_FILES, left // _PART_OF_LEFT))


def _portion(study: IdentifiedStudy, part: list[IdentifiedInstance], folder: Path) -> Portion:
    return Portion(study=dataclasses.replace(study, instances=tuple(part)), folder=folder)


def write_all(
    portions: list[Portion], write: Callable[[Portion], Written], workers: Workers
) -> Iterator[tuple[Portion, Written]]:
    """Write portions by some processes; give each with what became of it, as it is done.

    Raises:
        Refused: A process was killed.
        OSError: A file cannot be read or written.
    """
    if workers is None or len(portions) == 1:
        yield from ((portion, write(portion)) for portion in portions)
        return
    pending = {workers.submit(write, portion): portion for portion in portions}
    for future in as_completed(pending):
        yield pending[future], future.result()


def _end_with_parent(parent: int) -> None:
    """End this process when the one that began it is gone: it would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
