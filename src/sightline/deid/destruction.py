"""Destroying the key: afterwards nobody can compute who a subject is, nor name a new one."""

import dataclasses
import json
from pathlib import Path

from sightline import clock, log
from sightline.archive.patients import Occasion
from sightline.deid.escrow import EARLIER_DIR, NEXT_DIR, PUBLIC_FILE, RECORDS_DIR
from sightline.deid.key_file import KEY_FILE, NEXT_KEY_FILE
from sightline.deid.projects import PROJECTS_DIR
from sightline.deid.recording import Book, check_told
from sightline.deid.rotating_objects import BOOK_FILE, drop_unfinished_objects
from sightline.deid.rotating_rows import NEXT_CATALOG_FILE
from sightline.deid.signing import Signer
from sightline.deid.vault import WORDS_FILE, Vault, destroyed_file
from sightline.errors import BadSettings, Refused
from sightline.hub.hub import Hub
from sightline.hub.lineage import count_result_links, cut_result_links
from sightline.settings import Settings
from sightline.store.durable import UNFINISHED, overwrite, sync_folder, write_durably

_log = log.get("deid")

_FORMAT, _VERSION = "sightline-vault-destroyed", 1
_SHORT = 16
_NAMES = (KEY_FILE, NEXT_KEY_FILE, WORDS_FILE, PUBLIC_FILE)
_FOLDERS = (RECORDS_DIR, NEXT_DIR, EARLIER_DIR, PROJECTS_DIR)
# What a crash left of a file that was being made.
_UNFINISHED = (".key-*", ".salt-*", f"{UNFINISHED}*")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Destruction:
    """What goes, or went.

    Attributes:
        fingerprint: first 16 digits; typed to confirm.
        files: of the vault, relative to its folder.
        links: edges of lineage from results of the archive to the hub's series.
        left: files of the vault folder that are not ours and stay.
    """

    fingerprint: str
    files: tuple[str, ...]
    links: int
    left: tuple[str, ...]


def plan_destruction(settings: Settings, hub: Hub) -> Destruction:
    """Tell what `destroy` would remove.

    Raises:
        BadSettings: The key is damaged or missing.
    """
    if destroyed_file(settings).exists():
        fingerprint = _marker(settings)["fingerprint"]
    else:
        fingerprint = fingerprint_of(Vault.open(settings))
    ours = _ours(settings.vault_dir)
    every = {path for path in settings.vault_dir.rglob("*") if path.is_file()}
    return Destruction(
        fingerprint=fingerprint,
        files=tuple(str(path.relative_to(settings.vault_dir)) for path in ours),
        links=count_result_links(hub),
        left=tuple(sorted(str(path.relative_to(settings.vault_dir)) for path in every - {*ours})),
    )


def destroy(book: Book, hub: Hub, *, confirmed: str, occasion: Occasion) -> Destruction:
    """Remove key, escrow, projects and words, and the links that lead from results to series.

    First the hub says that its key is destroyed, so that a crash never leaves a hub that would make
    itself another one; whoever calls again goes on where it stopped.

    Args:
        book: where it is recorded.
        hub: the hub of this vault.
        confirmed: the fingerprint, as `plan_destruction` tells it.
        occasion: who destroys, and why.

    Raises:
        Refused: The fingerprint is another one, or name or reason lack.
        BadSettings: The key is damaged or missing.
        OSError: Something could not be removed; call again.
    """
    check_told(occasion)
    planned = plan_destruction(book.settings, hub)
    if confirmed != planned.fingerprint:
        raise Refused(
            "the fingerprint is not that of this hub's key",
            hint="`sightline vault destroy --dry-run` prints it.",
        )
    objects = (f"vault:{planned.fingerprint}",)
    book.record("vault_destroying", objects, actor=occasion.actor, reason=occasion.reason)
    if not destroyed_file(book.settings).exists():
        _mark(book.settings)
    for name in planned.files:
        overwrite(book.settings.vault_dir / name)
    _remove_folders(book.settings.vault_dir)
    _forget_rotation(book.settings, hub)
    cut_result_links(hub)
    reason = f"{len(planned.files)} files and {planned.links} links are gone"
    book.record("vault_destroyed", objects, actor=occasion.actor, reason=reason)
    _log.info("vault_destroyed", files=len(planned.files), links=planned.links)
    return planned


def fingerprint_of(vault: Vault) -> str:
    """Return the part of a key's fingerprint that people type."""
    return vault.fingerprint[:_SHORT]


def public_key_of(settings: Settings) -> str:
    """Return the public key that this hub signs with, or signed with before its key went.

    Raises:
        BadSettings: The vault is damaged or missing, or no study passed the door yet.
    """
    if destroyed_file(settings).exists():
        return _marker(settings)["public_key"]
    if not (settings.vault_dir / KEY_FILE).exists() and not settings.hub_dir.exists():
        raise BadSettings(
            f"there is no hub in {settings.data_dir}, so it has no key",
            hint="Give --data-dir, or the key that signed with --public-key.",
        )
    return Signer(Vault.open(settings)).public_key


def _forget_rotation(settings: Settings, hub: Hub) -> None:
    """Remove what a rotation made that was cut off, and can never be ended now."""
    drop_unfinished_objects(hub, settings.hub_dir / BOOK_FILE)
    (settings.hub_dir / NEXT_CATALOG_FILE).unlink(missing_ok=True)


def _mark(settings: Settings) -> None:
    vault = Vault.open(settings)
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "fingerprint": fingerprint_of(vault),
        "public_key": Signer(vault).public_key,
        "at": clock.now().isoformat(),
    }
    write_durably(destroyed_file(settings), (json.dumps(content, indent=2) + "\n").encode())


def _marker(settings: Settings) -> dict[str, str]:
    try:
        content = json.loads(destroyed_file(settings).read_text(encoding="ascii"))
        is_ours = (content["format"], content["version"]) == (_FORMAT, _VERSION)
        found = {name: str(content[name]) for name in ("fingerprint", "public_key", "at")}
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged() from error
    if not is_ours:
        raise _damaged()
    return found


def _ours(folder: Path) -> list[Path]:
    """List what to remove, the key first: it is what names everybody."""
    found = [folder / name for name in _NAMES if (folder / name).exists()]
    for name in _FOLDERS:
        found += sorted(path for path in (folder / name).rglob("*") if path.is_file())
    for pattern in _UNFINISHED:
        found += sorted(folder.glob(pattern))
    return found


def _remove_folders(folder: Path) -> None:
    for name in _FOLDERS:
        below = sorted((folder / name).rglob("*"), reverse=True)
        for path in (*below, folder / name):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    if folder.exists():
        sync_folder(folder)


def _damaged() -> BadSettings:
    return BadSettings(
        "the file that says that the key was destroyed is damaged",
        hint="Restore hub/vault.destroyed from a backup.",
    )
