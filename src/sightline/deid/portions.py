"""A study in portions, each taken through the door and written by one process."""

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from sightline.deid.contract import name_of
from sightline.deid.door import pass_door
from sightline.deid.face_removal import CLEANED
from sightline.deid.faceless import without_faces
from sightline.deid.marks import options_of
from sightline.deid.profile import Profile
from sightline.deid.vault import Vault
from sightline.errors import Refused
from sightline.store.durable import sync_paths
from sightline.values.arrival import Holding
from sightline.values.study import Certificate, IdentifiedInstance, IdentifiedStudy

# How often a process looks whether the one that began it is still there.
_PARENT_S = 0.2
# A portion is what one process takes at a time: enough to be worth it, little enough for memory.
_MOST_FILES, _MOST_BYTES = 64, 64 * 1024**2


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

    def portions(self, study: IdentifiedStudy, folder: Path) -> Iterator[Portion]:
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

    def write(self, portion: Portion) -> Written:
        """Take a portion through, and write what leaves."""
        passage = pass_door(portion.study, self.vault, self.profile)
        if self.removes_faces:
            passage = without_faces(passage, portion.study, self.name)
        if passage.study is None:
            return Written(certificate=None, held=passage.held)
        paths = []
        for instance in passage.study.instances:
            folder = portion.folder / instance.series_uid
            folder.mkdir(parents=True, exist_ok=True)
            paths.append(folder / f"{instance.uid}.dcm")
            paths[-1].write_bytes(instance.content)
        # Once all are on their way, waiting for one is nearly waiting for all.
        sync_paths([*paths, *{path.parent for path in paths}])
        return Written(certificate=passage.study.certificate, held=passage.held)


def _portion(study: IdentifiedStudy, part: list[IdentifiedInstance], folder: Path) -> Portion:
    return Portion(study=dataclasses.replace(study, instances=tuple(part)), folder=folder)


def write_all(
    portions: list[Portion], write: Callable[[Portion], Written], processes: int
) -> Iterator[tuple[Portion, Written]]:
    """Write portions by so many processes; give each with what became of it, as it is done.

    Raises:
        Refused: A process was killed.
        OSError: A file cannot be read or written.
    """
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
