"""Making files survive power loss: temporary file, fsync, rename, fsync of the folder."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

UNFINISHED = ".incoming-"
"""How the names of files begin that have none yet."""


class Unfinished:
    """A file on its way to the disk, under a name that nobody reads.

    Args:
        folder: where it lies until it has its name, on the same file system.
        content: all of it.
        mode: of the file.

    Raises:
        OSError: It cannot be written; nothing is left.
    """

    def __init__(self, folder: Path, content: bytes, *, mode: int = 0o644) -> None:
        self._path = folder / f"{UNFINISHED}{secrets.token_hex(8)}"
        self._handle: int | None = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with memoryview(content) as rest:
                written = 0
                while written < len(rest):
                    written += os.write(self._handle, rest[written:])
            if hasattr(os, "posix_fadvise"):
                # Linux begins to write at once; what the caller does meanwhile is not waited for.
                os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError:
            self.drop()
            raise

    def keep(self, path: Path) -> None:
        """Put it at `path`: fsync, rename, fsync of the folder.

        Raises:
            OSError: It could not be made durable; nothing stands at `path` that was not before.
        """
        assert self._handle is not None  # noqa: S101 - it is kept or dropped once
        try:
            os.fsync(self._handle)
            self._path.replace(path)
        except OSError:
            self.drop()
            raise
        self._close()
        sync_folder(path.parent)

    def drop(self) -> None:
        """Remove it unless it was kept."""
        if self._handle is not None:
            self._close()
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put `content` at `path` so that after a crash it is there whole or not at all.

    Raises:
        OSError: The bytes could not be made durable; nothing stands at `path` that was not before.
    """
    Unfinished(path.parent, content, mode=mode).keep(path)


def remove_unfinished(folder: Path) -> None:
    """Remove files of a folder that never got their names; nobody may write there meanwhile."""
    for path in folder.glob(f"{UNFINISHED}*"):
        path.unlink()
    sync_folder(folder)


def overwrite(path: Path) -> None:
    """Write over a file, make that durable, and unlink it, durably too.

    On a disk that moves what is written (flash, copy-on-write) the old bytes may survive.
    """
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.write(secrets.token_bytes(size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make every file and name below `folder` durable."""
    sync_paths([*sorted(folder.rglob("*")), folder])


def sync_paths(paths: Iterable[Path]) -> None:
    """Make files, and the names in folders, durable."""
    for path in paths:
        sync_folder(path)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents durably."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in reversed(missing):
        sync_folder(part.parent)
