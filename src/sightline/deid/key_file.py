"""The file of the key: one key, or several where it was rotated; and the one that is to follow.

Version 1 holds one key. Version 2 holds the inner keys too, the innermost first, a line each.
"""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sightline import log
from sightline.errors import BadSettings
from sightline.store.durable import make_folder, sync_folder, write_durably

_log = log.get("deid")

KEY_FILE = "hub.key"
NEXT_KEY_FILE = "hub.key.next"
"""What the key will be when a rotation that has begun is done."""

_SINGLE, _LAYERED = "sightline-vault 1", "sightline-vault 2"
_KEY_BYTES = 32


def make_key(path: Path) -> None:
    """Make a key at `path`, unless another process was first.

    Raises:
        OSError: It cannot be made durable.
    """
    make_folder(path.parent)
    path.parent.chmod(0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_content([secrets.token_bytes(_KEY_BYTES)]))
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


def read_keys(path: Path) -> tuple[bytes, ...]:
    """Return the keys in a file, the innermost first.

    Raises:
        BadSettings: It is damaged.
    """
    form, *lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    try:
        *digits, checksum, _ = lines if form == _LAYERED else [*lines[:2], ""]
        keys = tuple(bytes.fromhex(each) for each in digits)
    except ValueError as error:
        raise _damaged(path) from error
    is_whole = form in {_SINGLE, _LAYERED} and checksum == _checksum(keys)
    if not (is_whole and keys and all(len(key) == _KEY_BYTES for key in keys)):
        raise _damaged(path)
    return keys


def begin_next(folder: Path) -> None:
    """Make the key that is to follow, around those there are, unless it is made already.

    Raises:
        BadSettings: A file is damaged.
        OSError: It cannot be made durable.
    """
    path, known = folder / NEXT_KEY_FILE, read_keys(folder / KEY_FILE)
    # One that was begun around other keys is of another vault, brought back from a backup.
    if not path.exists() or read_keys(path)[:-1] != known:
        write_durably(path, _content([*known, secrets.token_bytes(_KEY_BYTES)]), mode=0o600)
        _log.info("vault_key_follows")


def take_next(folder: Path) -> None:
    """Let the key that is to follow be the key; where there is none, it is already."""
    if (folder / NEXT_KEY_FILE).exists():
        (folder / NEXT_KEY_FILE).replace(folder / KEY_FILE)
        sync_folder(folder)


def _content(keys: Sequence[bytes]) -> bytes:
    form = _SINGLE if len(keys) == 1 else _LAYERED
    lines = (form, *(key.hex() for key in keys), _checksum(keys))
    return "".join(f"{line}\n" for line in lines).encode()


def _checksum(keys: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(keys)).hexdigest()[:16]


def _damaged(path: Path) -> BadSettings:
    return BadSettings(
        f"the key of the hub is damaged: {path.name} does not match its checksum",
        hint="Restore the vault folder from its backup; no study passes the door until then.",
    )
