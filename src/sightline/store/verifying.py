"""Reading a store through, part by part, against what the catalog needs."""

import functools
import hashlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

from sightline.errors import DamagedObject, UnknownName
from sightline.store.objects import SPLIT, ObjectStore
from sightline.values.flaw import FlawKind
from sightline.values.identity import Digest


def verify_part(
    objects: ObjectStore, part: str, wanted: AbstractSet[str], *, on_read: Callable[[int], None]
) -> dict[Digest, FlawKind]:
    """Read and check every object whose digest begins with `part`.

    Args:
        objects: the store.
        part: two hexadecimal digits.
        wanted: the digests of that part that rows need.
        on_read: called with the size of each object.

    Raises:
        OSError: The store cannot be listed.
    """
    flaws: dict[Digest, FlawKind] = {}
    found = objects.digests_of(part)
    for digest in found:
        try:
            on_read(len(objects.get(digest)))
        except (DamagedObject, OSError):
            flaws[digest] = "damaged"
        except UnknownName:
            continue  # removed since it was listed
        if digest not in wanted and digest not in flaws:
            flaws[digest] = "orphan"
    flaws |= {Digest(missing): "missing" for missing in wanted - set(found)}
    return flaws


class Source(Protocol):
    """What objects can be had from."""

    def get(self, digest: Digest) -> bytes:
        """Return an object, checked."""


class LooseFiles:
    """A folder whose files have any name, such as a copy of a study."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: Digest) -> bytes:
        """Return the content of the file that has this digest.

        Raises:
            UnknownName: No file has it.
        """
        path = self._paths.get(digest)
        if path is None:
            raise UnknownName(
                f"no file of {self._folder} is object {digest[:12]}",
                hint="Give another backup, or have the study sent again.",
            )
        return path.read_bytes()

    @functools.cached_property
    def _paths(self) -> dict[str, Path]:
        return {
            hashlib.sha256(path.read_bytes()).hexdigest(): path
            for path in self._folder.rglob("*")
            if path.is_file()
        }


def mend(objects: ObjectStore, digest: Digest, source: Source) -> bool:
    """Bring an object back from elsewhere; tell whether it is whole now.

    Raises:
        OSError: It could not be made durable.
    """
    if _is_sound(objects, digest):
        return True  # its pixels were borrowed, and came back
    try:
        content = source.get(digest)
    except (DamagedObject, UnknownName, OSError):
        return False
    objects.put(content)
    objects.blobs.remove(digest + SPLIT, older_than_s=float("-inf"))
    return _is_sound(objects, digest)


def _is_sound(objects: ObjectStore, digest: Digest) -> bool:
    try:
        objects.get(digest)
    except (DamagedObject, UnknownName, OSError):
        return False
    return True


def is_store(folder: Path) -> bool:
    """Tell whether a folder holds objects in parts."""
    return all((folder / part).is_dir() for part in ("00", "ff"))
