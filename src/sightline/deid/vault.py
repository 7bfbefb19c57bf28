"""The vault: one key a hub, and everything that is derived from it.

Private to this room. Whoever holds the key can compute the pseudonym of a patient they know;
without it no pseudonym, UID or date leads back.
"""

import base64
import dataclasses
import functools
import hashlib
import hmac
import os
import re
import secrets
import tempfile
import unicodedata
from pathlib import Path
from typing import Self

from sightline import log
from sightline.deid.vocabulary import words_of
from sightline.errors import BadSettings, KeyDestroyed
from sightline.settings import Settings
from sightline.store.durable import make_folder, sync_folder, write_durably
from sightline.values.identity import Patient, SubjectId

_log = log.get("deid")

KEY_FILE = "hub.key"
WORDS_FILE = "words.txt"
FINGERPRINT_FILE = "vault.fingerprint"
DESTROYED_FILE = "vault.destroyed"

_FORMAT = "sightline-vault 1"
_KEY_BYTES = 32
_MAX_OFFSET_DAYS = 3650
_BLANKS = re.compile(r"\s+")
_UUID_VERSION, _UUID_VARIANT = 0x8 << 76, 0b10 << 62
_UUID_MASK = ~((0xF << 76) | (0b11 << 62))


@dataclasses.dataclass(frozen=True, slots=True)
class Vault:
    """Keyed names: the same key gives the same name for ever, another key shares nothing.

    Attributes:
        words: further words of this site that may stand in descriptions and class names, from
            `words.txt` in the vault's folder.
        folder: where the key lies; None for a key that lies nowhere.
    """

    _key: bytes = dataclasses.field(repr=False)
    words: frozenset[str] = frozenset()
    folder: Path | None = None

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Read the key of a data directory's hub, making it on first use.

        Raises:
            BadSettings: The key is damaged, or is missing or another one though the hub was
                already in use.
            KeyDestroyed: The key was destroyed on purpose.
        """
        check_not_destroyed(settings)
        vault = cls.at(settings.vault_dir, may_make=not _fingerprint_file(settings).exists())
        _check_fingerprint(vault.fingerprint, _fingerprint_file(settings))
        return vault

    @classmethod
    def at(cls, folder: Path, *, may_make: bool = True) -> Self:
        """Read the key that lies in `folder`; make one where there is none and that is allowed.

        Raises:
            BadSettings: The key is damaged, or is missing and must not be made anew.
        """
        path = folder / KEY_FILE
        if not path.exists():
            if not may_make:
                raise BadSettings(
                    f"the key of the hub is missing: {KEY_FILE} is not in the vault folder",
                    hint="Restore the vault folder from its backup. With a new key every known "
                    "patient would become somebody else; only to begin anew, remove the hub too.",
                )
            _make_key(path)
        if path.stat().st_mode & 0o077:
            _log.warning("vault_key_is_open_to_others", hint="chmod 600 the key file")
        return cls(_read_key(path), _read_words(folder / WORDS_FILE), folder)

    def pseudonym(self, patient: Patient) -> SubjectId:
        """Return the subject a patient is in the hub, such as `S-4KQ7X2M5NA`.

        Issuer and patient id name the person. Blanks around them mean nothing in DICOM, so
        ` 123` is `123`; leading zeros and case do mean something.
        """
        digest = self._digest("subject", *_person(patient))
        return SubjectId(f"S-{base64.b32encode(digest)[:10].decode()}")

    def date_offset_days(self, patient: Patient) -> int:
        """Return by how many days all dates of a patient move back: 1 to 3650, never 0."""
        digest = self._digest("dates", *_person(patient))
        return 1 + int.from_bytes(digest[:8], "big") % _MAX_OFFSET_DAYS

    def uid(self, original: str) -> str:
        """Return the UID that stands for `original` in the hub: a UUID-derived `2.25.` one."""
        return _keyed_uid(self._key, original)

    def reader(self, name: str) -> str:
        """Return the pseudonym of an author, such as `R-4KQ7X2M5NA`; empty for no name.

        Case, blanks and empty name components mean nothing.
        """
        plain = _normal(name.replace("^", " ").replace("=", " ")).casefold()
        if not plain:
            return ""
        return f"R-{base64.b32encode(self._digest('reader', plain))[:10].decode()}"

    def person_number(self, subject_id: SubjectId, name: str) -> int:
        """Return the number, 0 to 99999, by which texts of a subject tell a person from others."""
        digest = self._digest("person", subject_id, name)
        return int.from_bytes(digest[:8], "big") % 100_000

    @property
    def fingerprint(self) -> str:
        """Tell this key from others, without telling the key."""
        return self._digest("fingerprint").hex()

    def derived(self, purpose: str, *parts: str) -> bytes:
        """Return a 32-byte key of its own for another purpose; it does not lead back to this one.

        The names of this class take other purposes, so that no key is ever also a name.
        """
        return self._digest("derived", purpose, *parts)

    def _digest(self, purpose: str, *parts: str) -> bytes:
        return _digest(self._key, purpose, *parts)


def destroyed_file(settings: Settings) -> Path:
    """Return the file of the hub that says that its key was destroyed."""
    return settings.hub_dir / DESTROYED_FILE


def check_not_destroyed(settings: Settings) -> None:
    """Do nothing while the hub has a key.

    Raises:
        KeyDestroyed: It was destroyed on purpose.
    """
    if destroyed_file(settings).exists():
        raise KeyDestroyed(
            "the key of this hub was destroyed: nothing new passes the door",
            hint="Collections, training and trace go on with what the hub holds. New studies "
            "need a hub of their own: give it a data directory of its own.",
        )


def _fingerprint_file(settings: Settings) -> Path:
    return settings.hub_dir / FINGERPRINT_FILE


def _check_fingerprint(fingerprint: str, path: Path) -> None:
    """Hold a key against the one the hub was begun with."""
    if not path.exists():
        make_folder(path.parent)
        write_durably(path, fingerprint.encode())
    elif path.read_text(encoding="ascii", errors="replace").strip() != fingerprint:
        raise BadSettings(
            "the key in the vault is not the one this hub was begun with",
            hint="Restore the vault folder that belongs to this hub from its backup.",
        )


def _person(patient: Patient) -> tuple[str, str]:
    return _normal(patient.issuer), _normal(patient.patient_id)


def _normal(text: str) -> str:
    return _BLANKS.sub(" ", unicodedata.normalize("NFC", text)).strip()


def _digest(key: bytes, purpose: str, *parts: str) -> bytes:
    # Lengths keep ("a", "bc") and ("ab", "c") apart.
    encoded = [part.encode("utf-8", "surrogatepass") for part in (purpose, *parts)]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return hmac.digest(key, message, "sha256")


@functools.lru_cache(maxsize=65536)
def _keyed_uid(key: bytes, original: str) -> str:
    number = int.from_bytes(_digest(key, "uid", original)[:16], "big")
    # RFC 9562 version 8: a UUID of one's own making.
    return f"2.25.{number & _UUID_MASK | _UUID_VERSION | _UUID_VARIANT}"


def _make_key(path: Path) -> None:
    make_folder(path.parent)
    path.parent.chmod(0o700)
    key = secrets.token_bytes(_KEY_BYTES)
    content = f"{_FORMAT}\n{key.hex()}\n{_checksum(key)}\n".encode()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link fails where another process was first; a rename would replace its key.
        os.link(name, path)
        _log.info("vault_key_made")
    except FileExistsError:
        _log.info("vault_key_was_made_meanwhile")
    finally:
        Path(name).unlink()
    sync_folder(path.parent)


def _read_key(path: Path) -> bytes:
    lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    try:
        form, digits, checksum = lines[:3]
        key = bytes.fromhex(digits)
    except ValueError as error:
        raise _damaged() from error
    if form != _FORMAT or len(key) != _KEY_BYTES or checksum != _checksum(key):
        raise _damaged()
    return key


def _checksum(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]


def _damaged() -> BadSettings:
    return BadSettings(
        f"the key of the hub is damaged: {KEY_FILE} does not match its checksum",
        hint="Restore the vault folder from its backup; no study passes the door until then.",
    )


def _read_words(path: Path) -> frozenset[str]:
    if not path.exists():
        return frozenset()
    return frozenset(words_of(path.read_text(encoding="utf-8")))
