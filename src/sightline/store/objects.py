"""Immutable objects by SHA-256 in a local folder."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from sightline.errors import DamagedObject, UnknownName
from sightline.store.durable import make_folder, sync_folder, write_durably
from sightline.values.identity import Digest


@dataclasses.dataclass(frozen=True, slots=True)
class ObjectStore:
    """A folder of objects; file names are digests, never anything a sender chose."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Use `folder`, making it and its 256 parts where they are missing."""
        make_folder(folder)
        missing = [part for number in range(256) if not (part := folder / f"{number:02x}").exists()]
        for part in missing:
            part.mkdir(exist_ok=True)
        if missing:
            sync_folder(folder)
        return cls(folder)

    def put(self, content: bytes) -> Digest:
        """Keep `content` durably and return its digest; a repeat costs no write, and mends damage.

        Raises:
            OSError: The bytes could not be made durable.
        """
        digest = Digest(hashlib.sha256(content).hexdigest())
        path = self.path(digest)
        if not (path.exists() and path.read_bytes() == content):
            write_durably(path, content)
        return digest

    def path(self, digest: Digest) -> Path:
        """Return where the object lies or would lie."""
        return self.folder / digest[:2] / digest

    def get(self, digest: Digest) -> bytes:
        """Read an object and check it.

        Raises:
            UnknownName: There is no such object.
            DamagedObject: The bytes no longer match the digest.
        """
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError as error:
            raise UnknownName(
                f"no object {digest[:12]}", hint="Restore the objects folder from a backup."
            ) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise DamagedObject(
                f"object {digest[:12]} does not match its digest",
                hint="Restore this file from a backup, or have the study sent again.",
            )
        return content

    def delete(self, digest: Digest) -> None:
        """Remove an object that nothing refers to; a repeat changes nothing.

        Raises:
            OSError: It could not be removed.
        """
        path = self.path(digest)
        path.unlink(missing_ok=True)
        sync_folder(path.parent)

    def digests(self) -> Iterator[Digest]:
        """List every object."""
        for path in sorted(self.folder.glob("[0-9a-f][0-9a-f]/[0-9a-f]*")):
            yield Digest(path.name)
