"""The vault: one key a hub, and everything that is derived from it.

Private to this room. Whoever holds the key can compute the pseudonym of a patient they know;
without it no pseudonym, UID or date leads back. After a rotation there is a key around the key:
what the inner one names, the outer one names anew, so that the inner one alone names nobody.
"""

import base64
import dataclasses
import functools
import hmac
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sightline import log
from sightline.deid.key_file import KEY_FILE, make_key, read_keys
from sightline.deid.vocabulary import words_of
from sightline.errors import BadSettings, KeyDestroyed
from sightline.hub.hub import check_whole
from sightline.settings import Settings
from sightline.store.durable import make_folder, write_durably
from sightline.values.identity import Patient, SubjectId

_log = log.get("deid")

WORDS_FILE = "words.txt"
FINGERPRINT_FILE = "vault.fingerprint"
DESTROYED_FILE = "vault.destroyed"

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
        inner: whose names this key names anew; None where nothing was rotated yet.
    """

    _key: bytes = dataclasses.field(repr=False)
    words: frozenset[str] = frozenset()
    folder: Path | None = None
    inner: "Vault | None" = None

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Read the key of a data directory's hub, making it on first use.

        Raises:
            BadSettings: The key is damaged, or is missing or another one though the hub was
                already in use.
            KeyDestroyed: The key was destroyed on purpose.
            Refused: A rotation was cut off.
        """
        check_not_destroyed(settings)
        check_whole(settings)
        vault = cls.at(settings.vault_dir, may_make=not fingerprint_file(settings).exists())
        _check_fingerprint(vault.fingerprint, fingerprint_file(settings))
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
            make_key(path)
        if path.stat().st_mode & 0o077:
            _log.warning("vault_key_is_open_to_others", hint="chmod 600 the key file")
        return cls.of(read_keys(path), _read_words(folder / WORDS_FILE), folder)

    @classmethod
    def of(cls, keys: Sequence[bytes], words: frozenset[str], folder: Path) -> Self:
        """Return the names of one or more keys, the innermost first."""
        vault = cls(keys[0], words, folder)
        for key in keys[1:]:
            vault = cls(key, words, folder, vault)
        return vault

    @property
    def layer(self) -> "Vault":
        """The outermost key alone: it takes what the inner ones named."""
        return Vault(self._key, self.words)

    def pseudonym(self, patient: Patient) -> SubjectId:
        """Return the subject a patient is in the hub, such as `S-4KQ7X2M5NA`.

        Issuer and patient id name the person. Blanks around them mean nothing in DICOM, so
        ` 123` is `123`; leading zeros and case do mean something.
        """
        digest = self._digest("subject", *_person(self._known(patient)))
        return SubjectId(f"S-{base64.b32encode(digest)[:10].decode()}")

    def date_offset_days(self, patient: Patient) -> int:
        """Return by how many days all dates of a patient move back: 1 to 3650 a key, never 0."""
        return sum(self.date_moves(patient))

    def date_moves(self, patient: Patient) -> tuple[int, ...]:
        """Return by how many days each key moves the dates of a patient back, the innermost first.

        Parts of dates, which lose their precision at each move, take one move after the other.
        """
        digest = self._digest("dates", *_person(self._known(patient)))
        own = 1 + int.from_bytes(digest[:8], "big") % _MAX_OFFSET_DAYS
        return (*(self.inner.date_moves(patient) if self.inner else ()), own)

    def uid(self, original: str) -> str:
        """Return the UID that stands for `original` in the hub: a UUID-derived `2.25.` one."""
        return _keyed_uid(self._key, self.inner.uid(original) if self.inner else original)

    def reader(self, name: str) -> str:
        """Return the pseudonym of an author, such as `R-4KQ7X2M5NA`; empty for no name.

        Case, blanks and empty name components mean nothing.
        """
        given = self.inner.reader(name) if self.inner else name
        plain = _normal(given.replace("^", " ").replace("=", " ")).casefold()
        if not plain:
            return ""
        return f"R-{base64.b32encode(self._digest('reader', plain))[:10].decode()}"

    def person_number(self, patient: Patient, name: str) -> int:
        """Return the number, 0 to 99999, by which texts of a patient tell a person from others."""
        given = f"{self.inner.person_number(patient, name):05}" if self.inner else name
        digest = self._digest("person", self.pseudonym(patient), given)
        return int.from_bytes(digest[:8], "big") % 100_000

    @property
    def fingerprint(self) -> str:
        """Tell this key, and those within it, from others, without telling any."""
        return self._digest("fingerprint", *([self.inner.fingerprint] if self.inner else [])).hex()

    def derived(self, purpose: str, *parts: str) -> bytes:
        """Return a 32-byte key of its own for another purpose; it does not lead back to this one.

        The names of this class take other purposes, so that no key is ever also a name. Only the
        outermost key counts: what was derived before a rotation gives nothing of what is now.
        """
        return self._digest("derived", purpose, *parts)

    def _known(self, patient: Patient) -> Patient:
        """Return whom this key names: the patient, or who that is by the keys within."""
        return Patient(patient_id=self.inner.pseudonym(patient)) if self.inner else patient

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


def fingerprint_file(settings: Settings) -> Path:
    """Return the file of the hub that says which key it belongs to."""
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


def _read_words(path: Path) -> frozenset[str]:
    if not path.exists():
        return frozenset()
    return frozenset(words_of(path.read_text(encoding="utf-8")))
