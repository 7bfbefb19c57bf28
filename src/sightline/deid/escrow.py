"""The way back from a subject to its patient, locked with a key that this machine does not hold.

When a subject is named, the patient's identity is sealed to the public half of the escrow key: a
fresh X25519 key pair (RFC 7748), HKDF-SHA256, ChaCha20-Poly1305 (RFC 8439). The private half lies
in a file that is taken away, under a passphrase (scrypt, RFC 7914). Whoever has the vault alone
reads no record; whoever has the secret alone has no records.

A record is bound to its subject. When the subject gets another name, it cannot be sealed anew: the
name that it is bound to stands in it then, under a key derived from the hub's (version 2).
"""

import dataclasses
import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from sightline import clock, log
from sightline.deid.vault import Vault
from sightline.errors import BadFile, BadSettings, Refused
from sightline.store.durable import make_folder, overwrite, sync_folder, write_durably
from sightline.values.identity import Patient, SubjectId

_log = log.get("deid")

PUBLIC_FILE = "escrow.public"
RECORDS_DIR = "escrow"
NEXT_DIR, EARLIER_DIR = "escrow.next", "escrow.before"
"""Records under the names of the key that is to follow, and under those that have gone."""
SHORTEST_PASSPHRASE = 12

_PUBLIC, _SECRET, _RECORD = "sightline-escrow-key", "sightline-escrow-secret", "sightline-escrow"
_VERSION, _RENAMED = 1, 2
_KEY_BYTES = 32
_N, _R, _P = 2**16, 8, 1
"""64 MiB and a fifth of a second a try."""
_MOST_N = 2**20
_NONCE = bytes(12)  # each key seals one message
_PADDED_BYTES = 512  # lengths of names would tell some of them


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EscrowSecret:
    """The private half of an escrow key, unlocked.

    Attributes:
        key_id: first 16 digits of its public half.
    """

    key_id: str
    private: X25519PrivateKey = dataclasses.field(repr=False)


def make_escrow_key(folder: Path, secret_file: Path, passphrase: str, *, replace: bool) -> str:
    """Make a key pair: the public half into the vault, the private one into a file to take away.

    Args:
        folder: of the vault.
        secret_file: must not be there yet.
        passphrase: without which the file is of no use.
        replace: whether a new key may follow an older one, whose records stay its own.

    Returns:
        The id of the key.

    Raises:
        Refused: There is a key already, the file is there, or the passphrase is too short.
        OSError: A file cannot be made durable.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise Refused(
            f"the passphrase is shorter than {SHORTEST_PASSPHRASE} characters",
            hint="Take several words.",
        )
    if public_key(folder) is not None and not replace:
        raise Refused(
            "the vault has an escrow key already",
            hint="Give --replace for a new one; the records of the old one need the old secret.",
        )
    if secret_file.exists():
        raise Refused(f"{secret_file} is there already", hint="Give a file that is not there yet.")
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    # First the secret: without it every record would be lost.
    write_durably(secret_file, _locked(private, passphrase), mode=0o600)
    content = {"format": _PUBLIC, "version": _VERSION, "public_key": public.hex()}
    content["made_at"] = clock.now().isoformat()
    make_folder(folder)
    write_durably(folder / PUBLIC_FILE, _json(content), mode=0o600)
    _log.info("escrow_key_made", key=_id_of(public))
    return _id_of(public)


def public_key(folder: Path) -> bytes | None:
    """Return the public half that identities are sealed to; None where a site keeps none.

    Raises:
        BadSettings: The file is damaged.
    """
    try:
        document = _read((folder / PUBLIC_FILE).read_bytes(), _PUBLIC)
        return bytes.fromhex(document["public_key"])
    except FileNotFoundError:
        return None
    except (BadFile, KeyError, TypeError, ValueError) as error:
        raise BadSettings(
            f"the public half of the escrow key is damaged: {PUBLIC_FILE}",
            hint="Restore the vault folder from its backup.",
        ) from error


def keep_identity(folder: Path | None, subject_id: SubjectId, patient: Patient) -> None:
    """Seal the identity of a subject, unless it is sealed already or no escrow key was made.

    Raises:
        BadSettings: The public half is damaged: nothing may leave without its way back.
        OSError: The record cannot be made durable.
    """
    public = public_key(folder) if folder is not None else None
    if folder is None or public is None:
        return
    path = _record_file(folder, _id_of(public), subject_id)
    if not path.exists():
        make_folder(path.parent)
        write_durably(path, _sealed(public, subject_id, patient), mode=0o600)


def unlock(content: bytes, passphrase: str) -> EscrowSecret:
    """Open the file with the private half.

    Raises:
        BadFile: It is no secret of ours, or is damaged.
        Refused: The passphrase is wrong.
    """
    document = _read(content, _SECRET)
    try:
        cost = {name: int(document[name]) for name in ("n", "r", "p")}
        if not (1 < cost["n"] <= _MOST_N and cost["r"] == _R and cost["p"] == _P):
            raise _damaged()
        salt, sealed = bytes.fromhex(document["salt"]), bytes.fromhex(document["sealed"])
        key = Scrypt(salt=salt, length=_KEY_BYTES, **cost).derive(passphrase.encode())
        raw = ChaCha20Poly1305(key).decrypt(_NONCE, sealed, _SECRET.encode())
    except InvalidTag as error:
        raise Refused(
            "the secret does not open: the passphrase is wrong, or the file is damaged",
            hint="Try again, or fetch another copy of the file.",
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged() from error
    private = X25519PrivateKey.from_private_bytes(raw)
    return EscrowSecret(key_id=_id_of(private.public_key().public_bytes_raw()), private=private)


def open_identity(folder: Path, subject_id: SubjectId, secret: EscrowSecret) -> Patient:
    """Return who a subject is.

    Raises:
        Refused: Nothing is kept of the subject, or it is sealed to another key.
        BadFile: The record is damaged, or was put under another subject.
        BadSettings: The record was renamed, and the hub's key is damaged or missing.
    """
    path = _record_file(folder, secret.key_id, subject_id)
    if not path.exists():
        raise _not_kept(folder, subject_id)
    document = _read(path.read_bytes(), _RECORD)
    try:
        ephemeral, sealed = (bytes.fromhex(document[name]) for name in ("ephemeral", "sealed"))
        shared = secret.private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        public = secret.private.public_key().public_bytes_raw()
        cipher = ChaCha20Poly1305(_record_key(shared, ephemeral, public))
        bound_to = subject_id
        if document["version"] == _RENAMED:
            bound_to = _bound_to(document, subject_id, Vault.at(folder, may_make=False))
        return Patient(**json.loads(cipher.decrypt(_NONCE, sealed, bound_to.encode())))
    except (InvalidTag, KeyError, TypeError, ValueError) as error:
        raise _damaged() from error


def has_records(folder: Path) -> bool:
    """Tell whether identities are kept, or will be."""
    return public_key(folder) is not None or (folder / RECORDS_DIR).exists()


def count_records(folder: Path) -> int:
    """Return how many sealed identities there are."""
    return sum(1 for _ in (folder / RECORDS_DIR).rglob("*.json"))


def rename_records(
    folder: Path, *, before: Vault, after: Vault, rename: Callable[[SubjectId], SubjectId]
) -> int:
    """Write every record under the next name of its subject, beside; return how many there are.

    Args:
        folder: of the vault.
        before: the names as they are.
        after: the names that follow.
        rename: tells the next name of a subject.

    Raises:
        BadFile: A record is damaged.
        OSError: A file cannot be made durable.
    """
    shutil.rmtree(folder / NEXT_DIR, ignore_errors=True)
    records = sorted((folder / RECORDS_DIR).rglob("*.json"))
    for path in records:
        document, named = _read(path.read_bytes(), _RECORD), SubjectId(path.stem)
        bound_to = named
        if document["version"] == _RENAMED:
            bound_to = _bound_to(document, named, before)
        following = rename(named)
        bound = _name_cipher(after, following).encrypt(_NONCE, bound_to.encode(), b"").hex()
        target = _record_file(folder, path.parent.parent.name, following, records=NEXT_DIR)
        make_folder(target.parent)
        content = _json(document | {"version": _RENAMED, "bound_to": bound})
        write_durably(target, content, mode=0o600)
    return len(records)


def take_renamed_records(folder: Path) -> None:
    """Let the records under the next names be the records; a repeat goes on where it stopped.

    Raises:
        OSError: A file cannot be written over or removed.
    """
    following, now, earlier = (folder / name for name in (NEXT_DIR, RECORDS_DIR, EARLIER_DIR))
    if following.exists():
        if now.exists():
            now.rename(earlier)
        following.rename(now)
        sync_folder(folder)
    for path in sorted(earlier.rglob("*.json")):
        overwrite(path)
    shutil.rmtree(earlier, ignore_errors=True)


def _bound_to(document: dict[str, Any], named: SubjectId, vault: Vault) -> SubjectId:
    """Return the name that a renamed record was sealed under."""
    try:
        sealed = bytes.fromhex(document["bound_to"])
        return SubjectId(_name_cipher(vault, named).decrypt(_NONCE, sealed, b"").decode())
    except (InvalidTag, KeyError, TypeError, ValueError) as error:
        raise _damaged() from error


def _name_cipher(vault: Vault, subject_id: SubjectId) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(vault.derived("escrow name", subject_id))


def _sealed(public: bytes, subject_id: SubjectId, patient: Patient) -> bytes:
    private = X25519PrivateKey.generate()
    ephemeral = private.public_key().public_bytes_raw()
    shared = private.exchange(X25519PublicKey.from_public_bytes(public))
    plain = json.dumps(dataclasses.asdict(patient)).encode("ascii")
    padded = plain + b" " * (-len(plain) % _PADDED_BYTES)
    cipher = ChaCha20Poly1305(_record_key(shared, ephemeral, public))
    sealed = cipher.encrypt(_NONCE, padded, subject_id.encode())
    content = {"format": _RECORD, "version": _VERSION}
    return _json(content | {"ephemeral": ephemeral.hex(), "sealed": sealed.hex()})


def _record_key(shared: bytes, ephemeral: bytes, public: bytes) -> bytes:
    info = _RECORD.encode() + ephemeral + public
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(shared)


def _locked(private: X25519PrivateKey, passphrase: str) -> bytes:
    salt = secrets.token_bytes(16)
    key = Scrypt(salt=salt, length=_KEY_BYTES, n=_N, r=_R, p=_P).derive(passphrase.encode())
    sealed = ChaCha20Poly1305(key).encrypt(_NONCE, private.private_bytes_raw(), _SECRET.encode())
    content: dict[str, Any] = {"format": _SECRET, "version": _VERSION, "n": _N, "r": _R, "p": _P}
    return _json(content | {"salt": salt.hex(), "sealed": sealed.hex()})


def _not_kept(folder: Path, subject_id: SubjectId) -> Refused:
    others = [
        path.name
        for path in sorted((folder / RECORDS_DIR).glob("*"))
        if _record_file(folder, path.name, subject_id).exists()
    ]
    if others:
        return Refused(
            f"the identity of {subject_id} is sealed to escrow key {', '.join(others)}",
            hint="Give the secret of that key: this one opens other records.",
        )
    return Refused(
        f"no identity of {subject_id} is kept",
        hint="It was named before there was an escrow key, or by another hub. An identity is "
        "sealed when a study of the patient passes the door.",
    )


def _record_file(
    folder: Path, key_id: str, subject_id: SubjectId, *, records: str = RECORDS_DIR
) -> Path:
    return folder / records / key_id / subject_id[2:4] / f"{subject_id}.json"


def _id_of(public: bytes) -> str:
    return public.hex()[:16]


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _read(content: bytes, form: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise _damaged() from error
    if not isinstance(document, dict) or document.get("format") != form:
        raise BadFile(
            f"the file is no {form}", hint="Give the file that `sightline vault escrow-key` wrote."
        )
    versions = {_VERSION, _RENAMED} if form == _RECORD else {_VERSION}
    if document.get("version") not in versions:
        raise BadFile(
            f"the file is a {form} of version {document.get('version')!r}",
            hint="Read it with a newer Sightline.",
        )
    return document


def _damaged() -> BadFile:
    return BadFile("the escrow file is damaged", hint="Restore it from its backup.")
