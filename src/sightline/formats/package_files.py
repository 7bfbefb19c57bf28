"""The files of a model package, a zip or a folder, opened where hostile bytes can harm nothing.

`open_head` and `open_files` are work for a limited child. They believe no name, no size and no
link; nothing is written.
"""

import dataclasses
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from sightline.errors import BadFile

MANIFEST, SIGNATURE = "manifest.json", "signature.json"
LARGEST_MANIFEST_BYTES = 1024**2
LARGEST_BYTES = 8 * 1024**3
"""Of all files of a package together."""

_LARGEST_SIGNATURE_BYTES = 4096
_MOST_FILES = 1000
_LONGEST_NAME = 200
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,7}", re.ASCII)
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# Weights hardly deflate; what does so a hundredfold is made to fill memory.
_MOST_RATIO, _FREE_BYTES = 100, 1024**2
_ENCRYPTED = 0x1
_SHORTEST_ZIP = 22
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    UnicodeError,
    ValueError,
    LookupError,
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What is read of a package first.

    Attributes:
        signature: empty where there is none.
        listed: name and size of every other file, as the package claims.
    """

    manifest: bytes
    signature: bytes
    listed: tuple[tuple[str, int], ...]


class _Opened(Protocol):
    """A package as names, sizes and streams."""

    sizes: dict[str, int]

    def stream(self, name: str) -> IO[bytes]:
        """Open a file of it."""


def is_file_name(name: str) -> bool:
    """Tell whether a name stays below its folder on every system, and reads as it is written."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def open_head(path: Path) -> Head:
    """Return manifest, signature and the list of files.

    Raises:
        BadFile: It is no package, or one that is made to do harm.
        OSError: It cannot be read.
    """
    with _opened(path) as package:
        if MANIFEST not in package.sizes:
            raise _refusal(f"there is no {MANIFEST}")
        others = sorted(set(package.sizes) - {MANIFEST, SIGNATURE})
        has_signature = SIGNATURE in package.sizes
        return Head(
            manifest=_content(package, MANIFEST, LARGEST_MANIFEST_BYTES),
            signature=(
                _content(package, SIGNATURE, _LARGEST_SIGNATURE_BYTES) if has_signature else b""
            ),
            listed=tuple((name, package.sizes[name]) for name in others),
        )


def open_files(path: Path, names: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the content of files that `open_head` listed.

    Raises:
        BadFile: One is broken.
        OSError: It cannot be read.
    """
    with _opened(path) as package:
        return tuple(_content(package, name, LARGEST_BYTES) for name in names)


def _content(package: _Opened, name: str, largest_bytes: int) -> bytes:
    size = package.sizes[name]
    if size > largest_bytes:
        raise _refusal(f"{name} is larger than {largest_bytes // 1024} KiB")
    try:
        with package.stream(name) as file:
            content = file.read(size + 1)
    except _BROKEN as error:
        raise _refusal(f"{name} is broken") from error
    if len(content) != size:
        raise _refusal(f"{name} is not as long as it says")
    return content


@contextmanager
def _opened(path: Path) -> Iterator[_Opened]:
    """Open a package once its names, sizes and kinds are sound."""
    if path.is_dir():
        yield _Folder(path)
        return
    if not path.is_file() or path.stat().st_size < _SHORTEST_ZIP:
        raise _refusal("it is neither a zip file nor a folder")
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise _refusal("it is no zip file, or a broken one") from error
    with archive:
        yield _Zip(archive)


class _Zip:
    """A zip file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        entries = archive.infolist()
        if len(entries) > _MOST_FILES:
            raise _refusal(f"it holds more than {_MOST_FILES} files")
        self.sizes: dict[str, int] = {}
        for entry in entries:
            if entry.filename.endswith("/") and not entry.file_size:
                _check_name(entry.filename[:-1], entry.orig_filename[:-1])
                continue
            _check_name(entry.filename, entry.orig_filename)
            _check_entry(entry)
            self.sizes[entry.filename] = entry.file_size
        _check_sizes(self.sizes, count=sum(not entry.is_dir() for entry in entries))

    def stream(self, name: str) -> IO[bytes]:
        return self._archive.open(name)


class _Folder:
    """A folder; what is neither file nor folder is refused, links above all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sizes: dict[str, int] = {}
        self._walk(folder, "")
        _check_sizes(self.sizes, count=len(self.sizes))

    def _walk(self, folder: Path, prefix: str) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = f"{prefix}{entry.name}"
                _check_name(name, name)
                if len(self.sizes) > _MOST_FILES:
                    raise _refusal(f"it holds more than {_MOST_FILES} files")
                if entry.is_dir(follow_symlinks=False):
                    self._walk(folder / entry.name, f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    self.sizes[name] = entry.stat(follow_symlinks=False).st_size
                else:
                    raise _refusal(f"{name} is a link or no plain file")

    def stream(self, name: str) -> IO[bytes]:
        handle = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW)
        return os.fdopen(handle, "rb")


def _check_name(name: str, original: str) -> None:
    # A zip's reader cuts names off at NUL, and the rest would be nobody's.
    if name != original or not is_file_name(name):
        raise _refusal(f"a file is called {original[:80]!r}")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        raise _refusal(f"{entry.filename} is a link or no plain file")
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        raise _refusal(f"{entry.filename} is encrypted, or compressed as no package is")
    if entry.file_size > _FREE_BYTES + _MOST_RATIO * entry.compress_size:
        raise _refusal(f"{entry.filename} claims to unpack to {entry.file_size:,} bytes")


def _check_sizes(sizes: dict[str, int], *, count: int) -> None:
    if len({name.casefold() for name in sizes}) != count:
        raise _refusal("two files have one name")
    if sum(sizes.values()) > LARGEST_BYTES:
        raise _refusal(f"its files are larger than {LARGEST_BYTES // 1024**3} GiB")


def _refusal(why: str) -> BadFile:
    return BadFile(
        f"the package is refused: {why}",
        hint="Ask its publisher for the file as `sightline models pack` wrote it.",
    )
