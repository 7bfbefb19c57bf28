"""A seal on the files of an array: what each is, so that every flipped bit is found.

Chunks carry their own checksums, for readers; the seal covers the metadata as well, which no
checksum of Zarr does, and notices a shard that is missing, which Zarr reads as zeros.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from sightline.errors import DamagedObject
from sightline.store.durable import sync_folder, sync_tree

SEAL = "sightline-seal.json"

_FORMAT = "sightline-seal"
_METADATA = "zarr.json"


def seal(folder: Path) -> None:
    """Write the seal of every file below `folder`."""
    files = {
        str(path.relative_to(folder)): [path.stat().st_size, _file_digest(path)]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    content = json.dumps({"format": _FORMAT, "version": 1, "files": files}, sort_keys=True)
    own = hashlib.sha256(content.encode()).hexdigest()
    (folder / SEAL).write_text(f"{content}\n{own}\n", encoding="utf-8")


def check_seal(folder: Path) -> bool:
    """Check metadata, names and sizes, which is quick; tell whether there is a seal.

    Raises:
        DamagedObject: Something is not as it was sealed.
    """
    files = _read(folder)
    if files is None:
        return False
    for name, (size_bytes, digest) in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size_bytes:
            raise _damaged(folder)
        if path.name == _METADATA and _file_digest(path) != digest:
            raise _damaged(folder)
    return True


def verify_seal(folder: Path, on_read: Callable[[int], None] = lambda _bytes: None) -> bool:
    """Check every byte; tell whether there is a seal.

    Raises:
        DamagedObject: Something is not as it was sealed, or cannot be read.
    """
    files = _read(folder)
    if files is None:
        return False
    try:
        for name, (size_bytes, digest) in files.items():
            if _file_digest(folder / name) != digest:
                raise _damaged(folder)
            on_read(size_bytes)
    except OSError as error:
        raise _damaged(folder) from error
    return True


def mend_array(folder: Path, source: Path) -> bool:
    """Bring an array back from another folder; tell whether that one was there and sound.

    Raises:
        OSError: It could not be made durable.
    """
    try:
        if not verify_seal(source):
            return False
    except DamagedObject:
        return False
    copy_tree(source, folder)
    return True


def copy_tree(source: Path, folder: Path) -> None:
    """Copy a folder durably, so that it is there whole or not at all.

    Raises:
        OSError: It could not be made durable.
    """
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished)
    sync_tree(unfinished)
    if folder.exists():
        shutil.rmtree(folder)
    unfinished.rename(folder)
    sync_folder(folder.parent)


def _read(folder: Path) -> dict[str, tuple[int, str]] | None:
    try:
        text = (folder / SEAL).read_text(encoding="utf-8")
        content, own, _ = text.split("\n")
        if hashlib.sha256(content.encode()).hexdigest() != own:
            raise _damaged(folder)
        files: dict[str, tuple[int, str]] = json.loads(content)["files"]
    except FileNotFoundError:
        return None  # written before there were seals
    except (ValueError, KeyError) as error:
        raise _damaged(folder) from error
    return files


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(folder: Path) -> DamagedObject:
    return DamagedObject(
        f"array {folder.name[:12]} is not as it was written",
        hint="`sightline verify --repair-from BACKUP` mends it; or send the study again.",
    )
