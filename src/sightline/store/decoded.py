"""KeptChunks chunks in memory, one copy for all processes of a user: jobs and ranks decode once.

A file of shared memory an array holds a flag a chunk and the chunks one after the other. Whoever
needs a chunk decodes it, checks it, copies it here whole, and raises its flag; two that do so at
once write the same bytes. Whoever ends last takes the file away; what a killed process left, the
next one.

Small arrays stay out: they are read as fast as they are looked up here.
"""

import atexit
import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import math
import mmap
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from sightline import log
from sightline.store.arrays import INNER_CHUNK, StoredArray

_log = log.get("store")
_SHARED = Path("/dev/shm")  # noqa: S108 - a folder of our own there, for this user alone
_LEAST_BYTES = 8 * 2**20
# Chunks are padded to whole ones: a flat array would be mostly padding.
_MOST_PADDING = 2.0
# Each takes two descriptors, of which a process usually has 1,024.
_MOST_FILES = 128
_MEMORY_SHARE = 0.25
_CGROUP = Path("/sys/fs/cgroup")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class KeptChunks:
    """The chunks of one array.

    Attributes:
        grid: chunks along each axis.
        flags: uint8, 1 where the chunk is there.
        chunks: bytes of all chunks, in the order of the grid.
    """

    grid: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]
    chunks: npt.NDArray[np.uint8]

    @classmethod
    def nothing(cls) -> Self:
        """Return what stands for an array that is not kept."""
        none = np.empty(0, np.uint8)
        return cls(grid=np.zeros(3, np.int64), flags=none, chunks=none)


class DecodedCache:
    """The arrays of which this process keeps decoded chunks.

    Attributes:
        kept_bytes: how much memory they take, shared with other processes or not.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._nothing = KeptChunks.nothing()
        self._kept: dict[Path, KeptChunks] = {}
        self._files: dict[Path, int] = {}
        self._seen: set[Path] = set()
        self._lock = threading.Lock()
        self.kept_bytes = 0

    def of(self, array: StoredArray) -> KeptChunks:
        """Return where the chunks of an array are kept: nowhere where memory is short.

        Nor when it is asked for the first time: a run begins sooner than its memory is taken, and
        what is read once gains nothing.
        """
        found = self._kept.get(array.path)
        if found is None:
            with self._lock:
                if array.path not in self._seen:
                    self._seen.add(array.path)
                    return self._nothing
                found = self._kept.get(array.path) or self._open(array)
                self._kept[array.path] = found
        return found

    def is_whole(self, array: StoredArray) -> bool:
        """Tell whether every chunk of an array is kept."""
        found = self._kept.get(array.path)
        return found is not None and bool(found.flags.size) and bool(found.flags.all())

    def _open(self, array: StoredArray) -> KeptChunks:
        grid = [-(-length // INNER_CHUNK) for length in array.shape]
        count, chunk_bytes = math.prod(grid), INNER_CHUNK**3 * array.dtype.itemsize
        plain_bytes = math.prod(array.shape) * array.dtype.itemsize
        is_worth_it = plain_bytes >= _LEAST_BYTES
        is_worth_it &= count * chunk_bytes <= _MOST_PADDING * plain_bytes
        if not is_worth_it or len(self._files) >= _MOST_FILES:
            return self._nothing
        first = -(-count // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            memory = self._map(self._folder / _name(array), first + count * chunk_bytes)
        except OSError as error:
            _log.info("chunks_not_kept", array=array.path.name[:12], why=str(error))
            return self._nothing
        if memory is None:
            return self._nothing
        whole = np.frombuffer(memory, np.uint8)
        return KeptChunks(grid=np.array(grid, np.int64), flags=whole[:count], chunks=whole[first:])

    def _map(self, path: Path, size: int) -> mmap.mmap | None:
        """Open a file of shared memory, or make it within the limit; None beyond it."""
        file = _locked(path)
        if os.fstat(file).st_size < size:
            if self._used_bytes() + size > self._limit_bytes:
                _take_away(path, file)
                return None
            # Taken now: memory that runs out later would end the process that writes to it.
            try:
                os.posix_fallocate(file, 0, size)
            except OSError:
                _take_away(path, file)
                raise
        try:
            memory = mmap.mmap(file, size)
        except OSError:
            _take_away(path, file)
            raise
        self._files[path] = file
        self.kept_bytes += size
        return memory

    def _used_bytes(self) -> int:
        return sum(path.stat().st_size for path in _files_in(self._folder))

    def close(self) -> None:
        """Take away the files that nobody else uses."""
        with self._lock:
            files, self._files, self._kept = self._files, {}, {}
        for path, file in files.items():
            _take_away(path, file)


def shared_cache() -> DecodedCache | None:
    """Return the cache of this process; None where the system has no shared memory for it."""
    return _of_process(os.getpid())


@functools.lru_cache(maxsize=1)
def _of_process(_process: int) -> DecodedCache | None:
    cache = cache_in(_SHARED)
    if cache is not None:
        atexit.register(cache.close)
    return cache


def cache_in(memory: Path) -> DecodedCache | None:
    """Open this user's folder in a file system of memory, and tidy it; None where it is not safe.

    Args:
        memory: where the file system is mounted.
    """
    folder = memory / f"sightline-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        free = os.statvfs(memory)
    except OSError:
        return None  # there is no such memory here
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return None
    for path in _files_in(folder):
        with contextlib.suppress(OSError):
            _take_away(path, os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
    limit = min(memory_left_bytes() * _MEMORY_SHARE, free.f_bavail * free.f_frsize / 2)
    return DecodedCache(folder, int(limit))


def memory_left_bytes(group: Path = _CGROUP) -> int:
    """Return what this process may still take: of the machine, and of its container.

    Args:
        group: folder of the container's control group.
    """
    facts = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = next(int(line.split()[1]) * 1024 for line in facts if line.startswith("MemAvailable:"))
    with contextlib.suppress(OSError, ValueError):
        most, now = (
            int((group / name).read_text(encoding="ascii"))
            for name in ("memory.max", "memory.current")
        )
        free = min(free, most - now)
    return max(free, 0)


def _files_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from folder.iterdir()


def _name(array: StoredArray) -> str:
    """Name an array by its place and by the file that describes it, in case it is another now."""
    facts = (array.path / "zarr.json").stat()
    which = f"{array.path.resolve()} {facts.st_dev} {facts.st_ino} {facts.st_mtime_ns}"
    return hashlib.sha256(which.encode()).hexdigest()


def _locked(path: Path) -> int:
    """Open a file that others then see is used."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(file, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file).st_ino:
                return file
        # It was taken away between the two.
        os.close(file)


def _take_away(path: Path, file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        pass  # another process uses it
    finally:
        os.close(file)
