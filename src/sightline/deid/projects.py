"""Projects: a key of its own for each project that gets releases, so that no two can be joined.

The key comes from the hub's key, the project's name and a random salt that stays in the vault: a
name alone, guessed, gives nothing even to somebody who learns of another project's key.
"""

import json
import os
import re
import secrets
import tempfile
from pathlib import Path

from sightline import log
from sightline.deid.vault import Vault
from sightline.errors import BadSettings, Refused, UnknownName
from sightline.store.durable import make_folder, sync_folder

_log = log.get("deid")

PROJECTS_DIR = "projects"

_FORMAT, _VERSION = "sightline-project", 1
_SALT_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def open_project(vault: Vault, name: str) -> Vault:
    """Return the keyed names of a project; its salt is made on first use.

    Raises:
        Refused: The name cannot be one, or the key lies in no folder.
        BadSettings: The salt is damaged.
        OSError: The salt cannot be made durable.
    """
    path = _salt_file(vault, name)
    if not path.exists():
        _make_salt(path, name)
    return Vault(vault.derived("project", name, _read_salt(path).hex()))


def find_project(vault: Vault, name: str) -> Vault:
    """Return the keyed names of a project that got a release before.

    Raises:
        UnknownName: There is no such project.
        Refused: The name cannot be one.
        BadSettings: The salt is damaged.
    """
    path = _salt_file(vault, name)
    if not path.exists():
        known = ", ".join(project_names(path.parent.parent))
        raise UnknownName(f"there is no project {name}", hint=f"Known: {known or 'none'}.")
    return open_project(vault, name)


def project_names(folder: Path) -> tuple[str, ...]:
    """Return which projects of a vault's folder got releases."""
    return tuple(sorted(each.stem for each in (folder / PROJECTS_DIR).glob("*.json")))


def _salt_file(vault: Vault, name: str) -> Path:
    if _NAME.fullmatch(name) is None:
        raise Refused(
            f"{name!r} is no name of a project",
            hint="Take up to 64 letters, digits, dots, hyphens and underscores.",
        )
    assert vault.folder is not None  # noqa: S101 - keys without a folder are for trying rules
    return vault.folder / PROJECTS_DIR / f"{name}.json"


def _make_salt(path: Path, name: str) -> None:
    make_folder(path.parent)
    content = {"format": _FORMAT, "version": _VERSION, "name": name}
    content |= {"salt": secrets.token_hex(_SALT_BYTES)}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".salt-")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(json.dumps(content) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link fails where another process was first; a rename would replace its salt.
        os.link(temporary, path)
        _log.info("project_made", project=name)
    except FileExistsError:
        _log.info("project_was_made_meanwhile", project=name)
    finally:
        Path(temporary).unlink()
    sync_folder(path.parent)


def _read_salt(path: Path) -> bytes:
    try:
        document = json.loads(path.read_text(encoding="ascii"))
        is_ours = (document["format"], document["version"]) == (_FORMAT, _VERSION)
        salt = bytes.fromhex(document["salt"])
        # A file that was copied under another name would join two projects.
        is_whole = is_ours and document["name"] == path.stem and len(salt) == _SALT_BYTES
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    if not is_whole:
        raise _damaged(path)
    return salt


def _damaged(path: Path) -> BadSettings:
    return BadSettings(
        f"the salt of the project is damaged: {PROJECTS_DIR}/{path.name}",
        hint="Restore the vault folder from its backup: with another salt the next release "
        "would share nothing with those before.",
    )
