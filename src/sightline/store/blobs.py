"""Where the bytes of objects lie: named blobs in a local folder."""

import dataclasses
import os
import secrets
from pathlib import Path
from typing import Protocol, Self

from sightline import clock
from sightline.store.durable import Unfinished, make_folder, sync_folder, write_durably

PARTS = tuple(f"{number:02x}" for number in range(256))
"""What names begin with."""

_PART = 2
_SETTLED_S = 60.0


class Begun(Protocol):
    """Bytes on their way to where blobs lie, without a name yet."""

    def keep(self, name: str) -> None:
        """Put them at `name`; when this returns they are durable.

        Raises:
            OSError: They could not be made durable.
        """

    def drop(self) -> None:
        """Forget them unless they were kept."""


class Blobs(Protocol):
    """Named bytes that are written whole; a name begins with two hexadecimal digits."""

    def begin(self, content: bytes) -> Begun:
        """Begin to write `content`, which has its name in a moment.

        Raises:
            OSError: It cannot be written.
        """

    def write(self, name: str, content: bytes) -> None:
        """Put `content` at `name`; when this returns it is durable.

        Raises:
            OSError: It could not be made durable.
        """

    def holds(self, name: str, content: bytes) -> bool:
        """Tell whether `content` lies at `name`, and if so make it as young as if written now."""

    def read(self, name: str) -> bytes:
        """Return what lies at `name`.

        Raises:
            FileNotFoundError: Nothing does.
            OSError: It cannot be read.
        """

    def read_head(self, name: str, length: int) -> bytes:
        """Return the first `length` bytes of what lies at `name`.

        Raises:
            FileNotFoundError: Nothing does.
            OSError: It cannot be read.
        """

    def names(self, part: str) -> list[str]:
        """List every name that begins with `part`, two hexadecimal digits, in order."""

    def age_s(self, name: str) -> float | None:
        """Tell how long ago `name` was written or confirmed; None where nothing lies there."""

    def remove(self, name: str, *, older_than_s: float) -> bool:
        """Remove `name` unless it is younger; tell whether it is gone."""

    def remove_unfinished(self) -> None:
        """Remove what interrupted writes and removals left; nobody may write meanwhile."""

    def path(self, name: str) -> Path | None:
        """Return the local file of `name`; None where the bytes lie elsewhere."""


@dataclasses.dataclass(frozen=True, slots=True)
class _BegunFile:
    """A file without a name yet."""

    blobs: "LocalBlobs"
    unfinished: Unfinished

    def keep(self, name: str) -> None:
        """Put it at `name`: fsync, rename, fsync of the folder."""
        self.unfinished.keep(self.blobs.path(name))

    def drop(self) -> None:
        """Remove it unless it was kept."""
        self.unfinished.drop()


@dataclasses.dataclass(frozen=True, slots=True)
class LocalBlobs:
    """Files in 256 parts of a folder."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Use `folder`, making it and its parts where they are missing."""
        make_folder(folder)
        missing = [path for part in PARTS if not (path := folder / part).exists()]
        for part in missing:
            part.mkdir(exist_ok=True)
        if missing:
            sync_folder(folder)
        return cls(folder)

    def begin(self, content: bytes) -> _BegunFile:
        """Begin to write a temporary file."""
        # Many threads write at once: they do not share a folder.
        folder = self.folder / secrets.choice(PARTS)
        return _BegunFile(self, Unfinished(folder, content))

    def write(self, name: str, content: bytes) -> None:
        """Put `content` at `name`: temporary file, fsync, rename, fsync of the folder."""
        write_durably(self.path(name), content)

    def holds(self, name: str, content: bytes) -> bool:
        """Tell whether `content` lies at `name`, and if so make it young."""
        path = self.path(name)
        try:
            written = path.stat().st_mtime
            # Young first: from here on nobody removes it.
            os.utime(path)
            is_same = path.read_bytes() == content
        except OSError:
            return False  # what cannot be read is written again
        if is_same and clock.timestamp() - written < _SETTLED_S:
            sync_folder(path.parent)  # whoever wrote it may not have come so far
        return is_same

    def read(self, name: str) -> bytes:
        """Return what lies at `name`."""
        return self.path(name).read_bytes()

    def read_head(self, name: str, length: int) -> bytes:
        """Return the first bytes of what lies at `name`."""
        with self.path(name).open("rb") as file:
            return file.read(length)

    def names(self, part: str) -> list[str]:
        """List every name that begins with `part`; what an interrupted write left is none."""
        with os.scandir(self.folder / part) as entries:
            return sorted(each.name for each in entries if not each.name.startswith("."))

    def age_s(self, name: str) -> float | None:
        """Tell how long ago `name` was written or confirmed."""
        try:
            return clock.timestamp() - self.path(name).stat().st_mtime
        except FileNotFoundError:
            return None

    def remove(self, name: str, *, older_than_s: float) -> bool:
        """Remove `name` unless it is younger; one that is confirmed meanwhile comes back."""
        path, aside = self.path(name), self.path(name).with_name(f".removing-{name}")
        age_s = self.age_s(name)
        if age_s is None or age_s < older_than_s:
            return age_s is None
        path.rename(aside)
        # `holds` may have confirmed it between the look and the rename; after it, nobody can.
        if clock.timestamp() - aside.stat().st_mtime < older_than_s:
            aside.rename(path)
            return False
        aside.unlink()
        sync_folder(path.parent)
        return True

    def remove_unfinished(self) -> None:
        """Remove files that have no name yet, or none any more."""
        for path in self.folder.glob("*/.*"):
            path.unlink()
            sync_folder(path.parent)

    def path(self, name: str) -> Path:
        """Return where `name` lies or would lie."""
        return self.folder / name[:_PART] / name
