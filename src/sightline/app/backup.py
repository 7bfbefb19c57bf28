"""Backups of a data directory while it is at work, and the way back.

Databases are copied from the one that may be oldest to the one that may be newest: jobs, archive,
hub. After a restore a job that had finished meanwhile runs once more, and its steps are
idempotent; the hub may know a study already that the door will bring again. Objects and arrays
come last: what a copied row needs was durable before that row.
"""

import dataclasses
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from sightline import clock, log
from sightline.app.copying import copy_sqlite, dump_postgresql, load_postgresql
from sightline.archive.archive import Archive
from sightline.deid.hub_door import copy_vault
from sightline.errors import BadFile, DamagedObject, Refused, UnknownName
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.store.blobs import PARTS, Blobs, LocalBlobs
from sightline.store.durable import make_folder, write_durably
from sightline.store.objects import SPLIT, ObjectStore
from sightline.store.seals import SEAL, check_seal, copy_tree, verify_seal
from sightline.values.identity import Digest

MANIFEST = "backup.json"
DUMP = "catalogs.dump"

_log = log.get("app")
_FORMAT = "sightline-backup"
# Before the databases: the signed end of the audit log may be older than the log, never newer.
_SMALL_FILES = (
    "sightline.toml",
    "retention.yaml",
    "clinical-rules.yaml",
    "hub/vault.fingerprint",
    "hub/vault.destroyed",
    "audit/head",
    "audit/anchor.key",
)
_DATABASES = ("jobs/jobs.db", "archive/catalog.db", "hub/catalog.db")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """What a backup or a restore did.

    Attributes:
        copied: objects and arrays that were copied.
        already: of a backup, those it held from before.
        damaged: digests of those that are damaged and were not copied.
    """

    copied: int
    already: int
    damaged: tuple[str, ...]


def back_up(
    settings: Settings,
    archive: Archive,
    hub: Hub,
    *,
    target: Path,
    vault: Path | None,
    tell: Callable[[int, int], None],
) -> Copied:
    """Copy a data directory to `target`; what an earlier backup copied there is not copied again.

    Args:
        settings: of the data directory.
        archive: its archive.
        hub: its hub.
        target: the folder of the backup.
        vault: another folder, for the key; None leaves it out.
        tell: called with the steps done, and how many there are.

    Raises:
        Refused: The folders lie in each other.
        OSError: Something cannot be read or made durable.
    """
    _keep_apart(settings.data_dir, target, vault)
    make_folder(target)
    for name in _SMALL_FILES:
        _copy_small(settings.data_dir / name, target / name)
    _copy_databases(settings, target)
    if vault is not None:
        copy_vault(settings.vault_dir, vault)
    counted = _Counted()
    for number, part in enumerate(PARTS, start=1):
        for name, store in (("archive", archive.objects), ("hub", hub.objects)):
            _copy_part(store, LocalBlobs.open(target / name / "objects"), part, counted=counted)
        _copy_arrays(hub.arrays_dir, target / "hub" / "arrays", part, counted=counted)
        tell(number, len(PARTS))
    manifest = {"format": _FORMAT, "version": 1, "created_at": clock.now().isoformat()}
    manifest |= {"catalog": "postgresql" if settings.catalog_url else "sqlite"}
    write_durably(target / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
    _log.info("backup_made", copied=counted.copied, damaged=len(counted.damaged))
    return counted.result()


def restore(
    settings: Settings, source: Path, *, vault: Path | None, tell: Callable[[int, int], None]
) -> Copied:
    """Bring a backup back into a data directory that holds nothing yet.

    Args:
        settings: of the data directory; catalog and objects may lie elsewhere than before.
        source: the folder of the backup.
        vault: the folder of the key; None leaves it out.
        tell: called with the steps done, and how many there are.

    Raises:
        BadFile: `source` is no finished backup, or one for another engine.
        Refused: The data directory holds something already.
        OSError: Something cannot be read or made durable.
    """
    _check_manifest(settings, source)
    taken = [name for name in ("archive", "hub", "jobs") if (settings.data_dir / name).exists()]
    if taken:
        raise Refused(
            f"the data directory holds {taken[0]} already",
            hint="Move the old data directory away first; a restore overwrites nothing.",
        )
    counted = _Counted()
    places = {
        name: ObjectStore.at(settings.data_dir / name / "objects", settings.objects_url, name)
        for name in ("archive", "hub")
    }
    for number, part in enumerate(PARTS, start=1):
        for name, store in places.items():
            kept = ObjectStore.open(source / name / "objects")
            _copy_part(kept, store.blobs, part, counted=counted)
        arrays = source / "hub" / "arrays"
        _copy_arrays(arrays, settings.hub_dir / "arrays", part, counted=counted)
        tell(number, len(PARTS))
    if vault is not None:
        copy_vault(vault, settings.vault_dir)
    _load_databases(settings, source)
    _log.info("backup_restored", copied=counted.copied, damaged=len(counted.damaged))
    return counted.result()


class _Counted:
    """Counts while copying."""

    def __init__(self) -> None:
        self.copied, self.already = 0, 0
        self.damaged: list[str] = []

    def result(self) -> Copied:
        return Copied(copied=self.copied, already=self.already, damaged=tuple(self.damaged))


def _copy_databases(settings: Settings, target: Path) -> None:
    for name in _DATABASES:
        make_folder((target / name).parent)
        if (settings.data_dir / name).exists():
            copy_sqlite(settings.data_dir / name, target / name)
        if name.startswith("jobs") and settings.catalog_url:
            dump_postgresql(settings.catalog_url, target / DUMP)


def _load_databases(settings: Settings, source: Path) -> None:
    if settings.catalog_url:
        load_postgresql(source / DUMP, settings.catalog_url)
    for name in _SMALL_FILES:
        if not (settings.data_dir / name).exists():
            _copy_small(source / name, settings.data_dir / name)
    for name in _DATABASES:
        if (source / name).exists():
            make_folder((settings.data_dir / name).parent)
            copy_sqlite(source / name, settings.data_dir / name)


def _copy_small(source: Path, target: Path) -> None:
    if source.exists():
        make_folder(target.parent)
        mode = stat.S_IMODE(source.stat().st_mode)
        write_durably(target, source.read_bytes(), mode=mode)


def _copy_part(store: ObjectStore, target: Blobs, part: str, *, counted: _Counted) -> None:
    held = set(target.names(part))
    for name in store.blobs.names(part):
        if name in held:
            counted.already += 1
            continue
        digest = Digest(name.removesuffix(SPLIT))
        try:
            content = store.get(digest)
            # A split object is copied as it is kept: its holder is copied too.
            target.write(name, store.blobs.read(name) if name.endswith(SPLIT) else content)
        except DamagedObject:
            counted.damaged.append(digest)
        except (UnknownName, FileNotFoundError):
            continue  # made whole meanwhile
        else:
            counted.copied += 1


def _copy_arrays(source: Path, target: Path, part: str, *, counted: _Counted) -> None:
    make_folder(target)
    for folder in _arrays(source, part):
        if (target / folder.name / SEAL).exists() and check_seal(target / folder.name):
            counted.already += 1
            continue
        try:
            verify_seal(folder)
        except DamagedObject:
            counted.damaged.append(folder.name)
        else:
            copy_tree(folder, target / folder.name)
            counted.copied += 1


def _arrays(source: Path, part: str) -> Iterator[Path]:
    yield from sorted(path for path in source.glob(f"{part}*") if path.is_dir())


def _keep_apart(data_dir: Path, target: Path, vault: Path | None) -> None:
    here, there = data_dir.resolve(), target.resolve()
    if there.is_relative_to(here) or here.is_relative_to(there):
        raise Refused(
            "the backup and the data directory lie in each other",
            hint="Give a folder on another disk.",
        )
    if vault is not None and vault.resolve().is_relative_to(there):
        raise Refused(
            "the vault's copy would lie in the backup",
            hint="Keep the key apart: with it, every subject of the hub can be named.",
        )


def _check_manifest(settings: Settings, source: Path) -> None:
    try:
        manifest = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFile(
            f"{source} holds no finished backup", hint=f"It has no readable {MANIFEST}."
        ) from error
    if (manifest.get("format"), manifest.get("version")) != (_FORMAT, 1):
        raise BadFile(
            f"{source} is a backup of another version", hint="Restore it with a newer Sightline."
        )
    wanted = "postgresql" if settings.catalog_url else "sqlite"
    if manifest["catalog"] != wanted:
        raise BadFile(
            f"the backup's catalogs are of {manifest['catalog']}, the settings ask for {wanted}",
            hint="Set catalog_url as it was when the backup was made.",
        )
