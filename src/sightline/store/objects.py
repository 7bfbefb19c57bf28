"""Immutable objects by SHA-256, whole or split: a split one borrows its pixels from another.

Where the bytes lie is the business of `Blobs`: a local folder or S3.
"""

import dataclasses
import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from sightline import extras
from sightline.errors import DamagedObject, UnknownName
from sightline.store.blobs import PARTS, Blobs, LocalBlobs
from sightline.values.identity import Digest

SPLIT = ".split"
"""What the name of a split object's blob ends with."""

_FORMAT = b"sightline-split 1 "
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Loan:
    """A run of bytes that one object borrows from another.

    Attributes:
        holder: the object, kept whole, that holds them.
        held_at: where they begin there.
        start: where they begin in the borrower.
        length: how many they are.
    """

    holder: Digest
    held_at: int
    start: int
    length: int


@dataclasses.dataclass(frozen=True, slots=True)
class ObjectStore:
    """Objects by digest; names are digests, never anything a sender chose."""

    blobs: Blobs

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Use a local folder, making it where it is missing."""
        return cls(LocalBlobs.open(folder))

    @classmethod
    def at(cls, folder: Path, url: str, part: str) -> Self:
        """Use `part` of the bucket that `url` names, or `folder` where `url` is empty.

        Raises:
            MissingExtra: `url` is given and its client is not installed.
            BadSettings: `url` names no bucket that can be used.
        """
        if not url:
            return cls.open(folder)
        blobs: Blobs = extras.load("sightline.store.s3", extra="s3").S3Blobs.open(url, part)
        return cls(blobs)

    def put(self, content: bytes) -> Digest:
        """Keep `content` durably and return its digest; a repeat mends damage.

        Raises:
            OSError: The bytes could not be made durable.
        """
        begun = self.blobs.begin(content)
        try:
            digest = _digest(content)  # while the disk writes
            if not self.blobs.holds(digest, content):
                begun.keep(digest)
        finally:
            begun.drop()
        return digest

    def put_split(self, content: bytes, loan: Loan) -> Digest:
        """Keep `content` without the bytes that its holder has; return the digest of the whole.

        Raises:
            OSError: The bytes could not be made durable.
        """
        digest = _digest(content)
        facts = dataclasses.asdict(loan)
        own = content[: loan.start] + content[loan.start + loan.length :]
        split = b"".join((_FORMAT, json.dumps(facts).encode(), b"\n", own))
        if not self.blobs.holds(digest + SPLIT, split):
            self.blobs.write(digest + SPLIT, split)
        return digest

    def get(self, digest: Digest) -> bytes:
        """Read an object, put it together where it is split, and check it.

        Raises:
            UnknownName: There is no such object.
            DamagedObject: The bytes no longer match the digest, or the holder is missing.
            OSError: It cannot be read.
        """
        content = self._whole(digest)
        if _digest(content) != digest:
            raise DamagedObject(
                f"object {digest[:12]} does not match its digest",
                hint="`sightline verify --repair-from BACKUP` mends it; or have the study sent "
                "again.",
            )
        return content

    def head(self, digest: Digest, length: int) -> bytes:
        """Read how an object begins, unchecked: for judging, never for showing or learning.

        Raises:
            UnknownName: There is no such object.
            DamagedObject: It is split and cannot be put together.
            OSError: It cannot be read.
        """
        try:
            return self.blobs.read_head(digest, length)
        except FileNotFoundError:
            loan, own = self._split(digest)
            return own[:length] if loan.start >= length else self._whole(digest)[:length]

    @contextmanager
    def local_copies(self, digests: Iterable[Digest]) -> Iterator[list[Path]]:
        """Give checked objects as files, for readers that need a path; they are not to be changed.

        An object that lies whole in a local folder is given as it lies there.

        Raises:
            UnknownName: There is no such object.
            DamagedObject: One does not match its digest.
        """
        with ExitStack() as stack:
            yield [self._local_copy(digest, stack) for digest in digests]

    def loan_of(self, digest: Digest) -> Loan | None:
        """Tell what a split object borrows; None where it is whole.

        Raises:
            UnknownName: There is no such object.
            DamagedObject: What is kept of it cannot be read.
        """
        if self.blobs.age_s(digest) is not None:
            return None
        return self._split(digest)[0]

    def digests(self) -> Iterator[Digest]:
        """List every object, in order."""
        for part in PARTS:
            yield from self.digests_of(part)

    def digests_of(self, part: str) -> list[Digest]:
        """List every object whose digest begins with `part`, two hexadecimal digits, in order."""
        # Between the two steps of making a split object whole, it has two names.
        names = {name.removesuffix(SPLIT) for name in self.blobs.names(part)}
        return [Digest(name) for name in sorted(names)]

    def age_s(self, digest: Digest) -> float | None:
        """Tell how long ago an object was put, the last time; None where it is not there."""
        ages = [self.blobs.age_s(name) for name in (digest, digest + SPLIT)]
        return min((age for age in ages if age is not None), default=None)

    def remove(self, digest: Digest, *, older_than_s: float) -> bool:
        """Remove an object unless it was put lately; tell whether it is gone."""
        is_gone = self.blobs.remove(digest, older_than_s=older_than_s)
        return self.blobs.remove(digest + SPLIT, older_than_s=older_than_s) and is_gone

    def make_whole(self, digest: Digest) -> None:
        """Keep a split object whole, so that it can lend.

        Raises:
            DamagedObject: It cannot be put together.
            OSError: The bytes could not be made durable.
        """
        self.put(self.get(digest))
        self.blobs.remove(digest + SPLIT, older_than_s=0.0)

    def _local_copy(self, digest: Digest, stack: ExitStack) -> Path:
        content = self.get(digest)
        path = self.blobs.path(digest)
        if path is not None and path.exists():
            return path
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sightline-"))
        copy = Path(folder) / digest
        copy.write_bytes(content)
        return copy

    def _whole(self, digest: Digest) -> bytes:
        try:
            return self.blobs.read(digest)
        except FileNotFoundError:
            loan, own = self._split(digest)
        try:
            holder = self.blobs.read(loan.holder)
        except FileNotFoundError as error:
            # The borrower may have been made whole, or turned to another holder, meanwhile.
            if self.blobs.age_s(digest) is not None or self._split(digest)[0] != loan:
                return self._whole(digest)
            raise DamagedObject(
                f"object {digest[:12]} lacks its pixels: object {loan.holder[:12]} is missing",
                hint="`sightline verify --repair-from BACKUP` brings them back.",
            ) from error
        lent = holder[loan.held_at : loan.held_at + loan.length]
        return b"".join((own[: loan.start], lent, own[loan.start :]))

    def _split(self, digest: Digest) -> tuple[Loan, bytes]:
        try:
            content = self.blobs.read(digest + SPLIT)
        except FileNotFoundError as error:
            raise UnknownName(
                f"no object {digest[:12]}",
                hint="`sightline verify --repair-from BACKUP` brings it back.",
            ) from error
        head, _, own = content.partition(b"\n")
        try:
            loan: Loan | None = Loan(**json.loads(head.removeprefix(_FORMAT)))
        except (ValueError, TypeError):
            loan = None
        if loan is None or not (head.startswith(_FORMAT) and _is_sound(loan)):
            raise DamagedObject(
                f"split object {digest[:12]} is damaged",
                hint="`sightline verify --repair-from BACKUP` mends it.",
            )
        return loan, own


def _is_sound(loan: Loan) -> bool:
    # JSON that was damaged may hold any type.
    numbers: tuple[object, ...] = (loan.held_at, loan.start, loan.length)
    are_whole = (
        all(type(number) is int for number in numbers) and min(loan.start, loan.held_at) >= 0
    )
    return are_whole and _DIGEST.fullmatch(str(loan.holder)) is not None


def _digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())
