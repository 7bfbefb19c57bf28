"""The anchor: the end of the chain, signed, in a file outside the database.

The chain alone cannot tell that its tail was cut off, nor that somebody rewrote it from some entry
on with new digests. The anchor can, for every entry up to the one it names. It proves nothing
against somebody who can read its key, nor against one who puts an older copy of the file back
together with an older table: for that, keep the digest that `sightline audit verify` prints, or the
`audit_anchored` events of the log, on another machine.
"""

import dataclasses
import fcntl
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sightline import log
from sightline.audit.chain import Fault, Head, digest_at, faults, head
from sightline.catalog.database import Database
from sightline.errors import BadSettings
from sightline.settings import Settings
from sightline.store.durable import make_folder, write_durably

_log = log.get("audit")

HEAD_FILE = "head"
KEY_FILE = "anchor.key"
_FORMAT = "sightline-audit-head 1"
_KEY_BYTES = 32
_MOST_FAULTS = 20


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """What a check of the whole log found.

    Attributes:
        faults: the first places where it does not hold; none where it holds.
    """

    head: Head
    anchored: Head | None
    faults: tuple[Fault, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Anchor:
    """The folder that holds the signed end of one audit log, and the key it is signed with."""

    folder: Path

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Return the anchor of a data directory."""
        return cls(settings.audit_dir)

    def advance(self, database: Database) -> None:
        """Sign the present end of the chain, unless the chain lost what was signed before.

        Cheap where nothing was appended. A log that was tampered with stays anchored where it was
        whole, so that no later append covers it up.
        """
        if head(database).sequence == 0 and not self._key_path.exists():
            return
        with self._alone():
            before, present = self._read(), head(database)
            if before is not None and before == present:
                return
            if before is None and self._key_path.exists():
                _log.error("audit_anchor_is_missing_or_forged")
                return
            if before is not None and digest_at(database, before.sequence) != before.digest:
                _log.error("audit_log_does_not_match_its_anchor", sequence=before.sequence)
                return
            self._write(present)
        _log.info("audit_anchored", sequence=present.sequence, digest=present.digest)

    def verify(self, database: Database, *, expected: Head | None = None) -> Verification:
        """Check the whole chain against itself, the anchor, and an end that somebody noted.

        Args:
            database: of the archive.
            expected: an end of the chain that was kept elsewhere.
        """
        present = head(database)
        found = []
        for fault in faults(database):
            found.append(fault)
            if len(found) == _MOST_FAULTS:
                break
        anchored = self._read()
        if anchored is None and (self._key_path.exists() or present.sequence):
            problem = "the anchor file is missing or its signature is wrong"
            found.append(Fault(sequence=present.sequence, problem=problem))
        for known, name in ((anchored, "the anchor"), (expected, "the noted head")):
            if known is not None and known.sequence:
                found += _against(database, known, name)
        return Verification(head=present, anchored=anchored, faults=tuple(found))

    @property
    def _key_path(self) -> Path:
        return self.folder / KEY_FILE

    @contextmanager
    def _alone(self) -> Iterator[None]:
        make_folder(self.folder)
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self) -> Head | None:
        """Return the anchored head; None where there is none, or none that we signed."""
        key = self._key()
        try:
            text = (self.folder / HEAD_FILE).read_text(encoding="ascii")
            form, sequence, digest, signature = text.split("\n")[:4]
            found = Head(sequence=int(sequence), digest=digest)
        except (FileNotFoundError, ValueError):
            return None
        is_ours = key is not None and hmac.compare_digest(signature, _signature(key, found))
        return found if form == _FORMAT and is_ours else None

    def _write(self, present: Head) -> None:
        key = self._key() or secrets.token_bytes(_KEY_BYTES)
        lines = (_FORMAT, str(present.sequence), present.digest, _signature(key, present))
        write_durably(self.folder / HEAD_FILE, "\n".join((*lines, "")).encode())
        # Only now: a key without a head means that somebody took the head away.
        if not self._key_path.exists():
            self.folder.chmod(0o700)
            write_durably(self._key_path, key.hex().encode(), mode=0o600)

    def _key(self) -> bytes | None:
        try:
            return bytes.fromhex(self._key_path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise BadSettings(
                f"the key of the audit anchor is damaged: {KEY_FILE}",
                hint="Restore the audit folder of the data directory from its backup.",
            ) from error


def _signature(key: bytes, signed: Head) -> str:
    message = f"{_FORMAT}\n{signed.sequence}\n{signed.digest}".encode()
    return hmac.digest(key, message, "sha256").hex()


def _against(database: Database, known: Head, name: str) -> list[Fault]:
    found = digest_at(database, known.sequence)
    if found == known.digest:
        return []
    problem = "is missing" if not found else "was written anew"
    return [Fault(sequence=known.sequence, problem=f"the entry that {name} names {problem}")]
