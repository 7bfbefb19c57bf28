"""Rotating the key: every name that the hub holds or gives is new, and the old key computes none.

A new random key goes around the old one: what the old key named, the new one names anew. The hub's
objects and rows are named anew as they lie, without the archive; later studies get both keys.

What follows is made beside what is: objects among the others, catalog and sealed identities under
names of their own. Until the mark is written the hub is as before; from then on nobody opens it but
who goes on here, and each step may be repeated.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from sightline import log
from sightline.archive.patients import Occasion
from sightline.catalog.database import sqlite_url
from sightline.catalog.hub_tables import CERTIFICATE, INSTANCE, STUDY
from sightline.deid.destruction import fingerprint_of
from sightline.deid.escrow import count_records, rename_records, take_renamed_records
from sightline.deid.key_file import NEXT_KEY_FILE, begin_next, read_keys, take_next
from sightline.deid.marks import options_of
from sightline.deid.profile import Profile, load_profile
from sightline.deid.projects import project_names
from sightline.deid.recording import Book, check_told
from sightline.deid.rekeying import Rekeying
from sightline.deid.rotating_objects import (
    BOOK_FILE,
    drop_other_objects,
    missing_objects,
    rekey_objects,
)
from sightline.deid.rotating_rows import NEXT_CATALOG_FILE, Renamed, settle, write_catalog
from sightline.deid.signing import Signer
from sightline.deid.vault import Vault, fingerprint_file
from sightline.errors import BadSettings, DamagedObject, Refused
from sightline.hub.hub import CATALOG_FILE, ROTATING_FILE, Hub
from sightline.hub.lease import Lease
from sightline.settings import Settings
from sightline.store.durable import remove_unfinished, sync_folder, write_durably

Tell = Callable[[str, int, int], None]
"""Called with the step, what is done of it, and of how much."""

_log = log.get("deid")
_FORMAT, _VERSION = "sightline-vault-rotating", 1
_SIDES = ("-wal", "-shm")
# What keeps names or dates as they came gives the hub names that no key can change.
_KEEPING = Profile(name="keeping", purpose="", options=("retain uids", "retain full dates"))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """What gets new names, or got them.

    Attributes:
        before: first digits of the fingerprint of the key as it was.
        after: of the key as it is now; empty while it is only planned.
        instances: of the hub.
        size_bytes: of them; as much is needed for a while once more.
        subjects: of the hub.
        identities: sealed ones.
        projects: that got releases, which keep their names.
        public_key: that certificates are signed with until then.
        is_cut_off: whether a rotation has begun that is to be ended.
    """

    before: str
    after: str
    instances: int
    size_bytes: int
    subjects: int
    identities: int
    projects: tuple[str, ...]
    public_key: str
    is_cut_off: bool


def plan_rotation(settings: Settings) -> Rotation:
    """Tell what `rotate` would do, and whether it may.

    Raises:
        Refused: Somebody works with the hub, or its names cannot be changed.
        KeyDestroyed: The hub has no key any more.
        BadSettings: The key is damaged or missing.
    """
    _check_catalog(settings)
    lease = Lease.alone(settings.hub_dir)
    try:
        if _marker_file(settings).exists():
            return dataclasses.replace(_read_marker(settings), after="", is_cut_off=True)
        vault = Vault.open(settings)
        hub = Hub.of(settings)
        try:
            _check_changeable(settings, hub)
            return _planned(settings, hub, vault)
        finally:
            hub.close()
    finally:
        lease.end()


def rotate(book: Book, *, occasion: Occasion, tell: Tell) -> Rotation:
    """Give the hub a new key and new names; whoever calls again goes on where it stopped.

    Args:
        book: where it is recorded.
        occasion: who rotates, and why.
        tell: called as it goes on.

    Raises:
        Refused: Somebody works with the hub, its names cannot be changed, an instance of it is
            damaged, or name or reason lack.
        KeyDestroyed: The hub has no key any more.
        BadSettings: The key is damaged or missing.
        BadFile: A sealed identity is damaged.
        OSError: Something cannot be made durable; call again.
    """
    check_told(occasion)
    settings = book.settings
    _check_catalog(settings)
    lease = Lease.alone(settings.hub_dir)
    try:
        if not _marker_file(settings).exists():
            _make(book, occasion=occasion, tell=tell)
        return _replace(book, occasion=occasion, tell=tell)
    finally:
        lease.end()


def _make(book: Book, *, occasion: Occasion, tell: Tell) -> None:
    """Make everything that follows beside what is, then mark that it follows."""
    settings = book.settings
    before = Vault.open(settings)
    hub = Hub.of(settings)
    try:
        _check_changeable(settings, hub)
        begin_next(settings.vault_dir)
        keys = read_keys(settings.vault_dir / NEXT_KEY_FILE)
        after = Vault.of(keys, before.words, settings.vault_dir)
        planned = dataclasses.replace(_planned(settings, hub, before), after=fingerprint_of(after))
        _record(book, "vault_rotating", (planned.before,), occasion=occasion)
        _make_names(settings, hub, before=before, after=after, tell=tell)
    finally:
        hub.close()
    _check_complete(settings)
    settle(settings.hub_dir / NEXT_CATALOG_FILE)
    content = {"format": _FORMAT, "version": _VERSION, **dataclasses.asdict(planned)}
    write_durably(_marker_file(settings), (json.dumps(content, indent=2) + "\n").encode())


def _make_names(settings: Settings, hub: Hub, *, before: Vault, after: Vault, tell: Tell) -> None:
    names = Rekeying(after.layer)
    objects = rekey_objects(
        hub,
        names,
        settings.hub_dir / BOOK_FILE,
        mark=after.fingerprint,
        tell=lambda done, total: tell("instances", done, total),
    )
    renamed = Renamed(hub, names, before=before, after=after, objects=objects)
    write_catalog(hub, settings.hub_dir / NEXT_CATALOG_FILE, renamed)
    rename_records(settings.vault_dir, before=before, after=after, rename=names.subject)


def _replace(book: Book, *, occasion: Occasion, tell: Tell) -> Rotation:
    """Put what follows in the place of what was; every step may be a repeat."""
    settings = book.settings
    done = _read_marker(settings)
    take_next(settings.vault_dir)
    fingerprint = Vault.at(settings.vault_dir, may_make=False).fingerprint
    write_durably(fingerprint_file(settings), fingerprint.encode())
    _take_catalog(settings)
    take_renamed_records(settings.vault_dir)
    hub = Hub.of(settings)
    try:
        drop_other_objects(hub, tell=lambda done, total: tell("old objects", done, total))
    finally:
        hub.close()
    (settings.hub_dir / BOOK_FILE).unlink(missing_ok=True)
    # A rotation that was killed while it wrote may have left the former public key in such a file.
    remove_unfinished(settings.hub_dir)
    _record(book, "vault_rotated", (done.before, done.after), occasion=occasion)
    _marker_file(settings).unlink()
    sync_folder(settings.hub_dir)
    _log.info("vault_rotated", instances=done.instances, subjects=done.subjects)
    return done


def _take_catalog(settings: Settings) -> None:
    following = settings.hub_dir / NEXT_CATALOG_FILE
    if not following.exists():
        return
    catalog = settings.hub_dir / CATALOG_FILE
    for side in _SIDES:
        # What is left in these is of the old catalog, and would be taken for the new one's.
        catalog.with_name(catalog.name + side).unlink(missing_ok=True)
    sync_folder(settings.hub_dir)
    following.replace(catalog)
    sync_folder(settings.hub_dir)


def _check_catalog(settings: Settings) -> None:
    if settings.catalog_url:
        raise Refused(
            "the catalog lies in PostgreSQL, where old names would stay in its files",
            hint="Begin a new hub: give it a data directory and a database of its own, let the "
            "archive's studies pass its door, and destroy the old vault.",
        )


def _check_changeable(settings: Settings, hub: Hub) -> None:
    keeping = {*options_of(_KEEPING)} - {*options_of(_KEEPING.model_copy(update={"options": ()}))}
    kept = {*options_of(load_profile(settings.deid_profile))} & keeping
    with hub.database.read() as connection:
        for content in connection.execute(sa.select(CERTIFICATE.c.content)).scalars():
            kept |= {*content.get("options", ())} & keeping
    if kept:
        raise Refused(
            f"the hub keeps what no key can change: {', '.join(sorted(kept))}",
            hint="Begin a new hub with a profile that changes UIDs and dates, and let the "
            "archive's studies pass its door.",
        )


def _planned(settings: Settings, hub: Hub, vault: Vault) -> Rotation:
    with hub.database.read() as connection:
        size = sa.func.coalesce(sa.func.sum(INSTANCE.c.size_bytes), 0)
        instances, size_bytes = connection.execute(
            sa.select(sa.func.count(), size).select_from(INSTANCE)
        ).one()
        subjects = connection.execute(
            sa.select(sa.func.count(STUDY.c.subject_id.distinct()))
        ).scalar_one()
    folder = settings.vault_dir
    return Rotation(
        before=fingerprint_of(vault),
        after="",
        instances=instances,
        size_bytes=size_bytes,
        subjects=subjects,
        identities=count_records(folder),
        projects=project_names(folder),
        public_key=Signer(vault).public_key,
        is_cut_off=(folder / NEXT_KEY_FILE).exists(),
    )


def _check_complete(settings: Settings) -> None:
    """Look once more before there is no way back: every object of the next catalog is there."""
    following = Hub.at(
        settings.hub_dir,
        catalog_url=sqlite_url(settings.hub_dir / NEXT_CATALOG_FILE),
        objects_url=settings.objects_url,
    )
    try:
        missing = missing_objects(following)
    finally:
        following.close()
    if missing:
        raise DamagedObject(
            f"{len(missing)} objects of the hub are missing, such as {min(missing)[:12]}",
            hint="`sightline verify --repair-from BACKUP` brings them back; then run this again.",
        )


def _record(book: Book, action: str, fingerprints: tuple[str, ...], *, occasion: Occasion) -> None:
    objects = tuple(f"vault:{each}" for each in fingerprints)
    book.record(action, objects, actor=occasion.actor, reason=occasion.reason)


def _marker_file(settings: Settings) -> Path:
    return settings.hub_dir / ROTATING_FILE


def _read_marker(settings: Settings) -> Rotation:
    try:
        content = json.loads(_marker_file(settings).read_text(encoding="ascii"))
        is_ours = (content.pop("format"), content.pop("version")) == (_FORMAT, _VERSION)
        found = Rotation(**{**content, "projects": tuple(content["projects"])})
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged() from error
    if not is_ours:
        raise _damaged()
    return found


def _damaged() -> BadSettings:
    return BadSettings(
        f"the file that says that the key is being rotated is damaged: hub/{ROTATING_FILE}",
        hint="Restore hub and vault from one backup, then rotate again.",
    )
