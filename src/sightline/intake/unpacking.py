"""The files at a path: of folders, zip and tar archives, one by one and within bounds.

Names are shown to people and used for nothing else. An archive within an archive is opened, one
within that stays closed.
"""

import dataclasses
import gzip
import io
import os
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, cast

from sightline.errors import BadFile
from sightline.formats.bare_dataset import has_start, may_be_bare

_MAX_FILE_BYTES = 2 * 1024**3
# DEFLATE reaches 1,030 on nothing but zeros; a large mask of a few voxels reaches 300.
_MAX_RATIO = 500
_FREE_BYTES = 64 * 1024**2
# What is packed already hardly packs again.
_MAX_INNER_RATIO = 4
_FREE_INNER_BYTES = 16 * 1024**2
_STEP_BYTES = 1024**2
_MAX_STEP_BYTES = 16 * _STEP_BYTES
_BLOCK_BYTES = 512
# The four UIDs of an instance take more; so does the shortest archive.
_SMALLEST_BYTES = 20
_ZIP, _GZIP = (b"PK\x03\x04", b"PK\x05\x06"), b"\x1f\x8b"
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What the standard library raises on damaged and unsupported archives.
_DAMAGES = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One file.

    Attributes:
        name: for people only; printable.
        content: all of it; empty where it does not look like DICOM or was refused.
        refused: why it was not read; empty where it was.
        hint: what to do about that.
        weight_bytes: how much of what lies on disk has been gone through for it.
    """

    name: str
    content: bytes = b""
    refused: str = ""
    hint: str = ""
    weight_bytes: int


def size_on_disk(path: Path) -> int:
    """Return the bytes at `path`, which the `weight_bytes` of all that is found do not exceed."""
    return sum(each.stat().st_size for each in _files(path))


def find_files(path: Path) -> Iterator[Found]:
    """Go through the files at `path`, and through zip, tar and tar.gz archives among them.

    Raises:
        BadFile: There is nothing at `path`.
    """
    if not path.exists():
        raise BadFile(f"there is nothing at {path}", hint="Give a file or a folder.")
    for each in _files(path):
        name = each.name if each == path else str(each.relative_to(path))
        try:
            with each.open("rb") as file:
                for closed in _unpack(file, name, size_bytes=each.stat().st_size):
                    yield from _read(closed, is_inner=closed.name != name)
        except (BadFile, *_DAMAGES) as error:
            yield _refused(name, error)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Closed:
    """A file that can be opened until the next one is asked for."""

    name: str
    open: Callable[[], IO[bytes]]
    size_bytes: int
    weight_bytes: int


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for each in sorted(path.rglob("*")):
        if each.is_file():
            yield each


def _unpack(file: IO[bytes], name: str, *, size_bytes: int) -> Iterator[_Closed]:
    """Give the members of an archive; of any other file, itself."""
    head = file.read(_BLOCK_BYTES)
    file.seek(0)
    if not _is_archive(head):
        yield _Closed(
            name=name,
            open=partial(_borrow, file),
            size_bytes=size_bytes,
            weight_bytes=size_bytes,
        )
    elif head.startswith(_ZIP):
        yield from _members_of_zip(file, name)
    elif head.startswith(_GZIP):
        yield from _members_of_gzip(file, name, size_bytes)
    else:
        yield from _members_of_tar(file, file, name)


class _Borrowed(io.RawIOBase):
    """A file, from its beginning, that stays open when this is closed."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def _borrow(file: IO[bytes] | gzip.GzipFile) -> IO[bytes]:
    return cast("IO[bytes]", _Borrowed(file))


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _members_of_gzip(file: IO[bytes], name: str, size_bytes: int) -> Iterator[_Closed]:
    with gzip.GzipFile(fileobj=file) as inflated:
        is_archive = _is_tar(inflated.read(_BLOCK_BYTES))
    file.seek(0)
    _check_gzip(file)
    with gzip.GzipFile(fileobj=file) as inflated:
        if is_archive:
            yield from _members_of_tar(inflated, file, name)
            return
        # One file, packed: a compressed instance as some archives keep them.
        yield _Closed(
            name=f"{name}/{name.removesuffix('.gz')}",
            open=partial(_borrow, inflated),
            size_bytes=_FREE_BYTES + _MAX_RATIO * size_bytes,
            weight_bytes=size_bytes,
        )


def _check_gzip(file: IO[bytes]) -> None:
    """Inflate all of it once: its checksum stands at the end, and members are taken before."""
    with gzip.GzipFile(fileobj=file) as inflated:
        whole = _Forward(inflated, file)
        while whole.read(_STEP_BYTES):
            pass
    file.seek(0)


def _members_of_zip(file: IO[bytes], name: str) -> Iterator[_Closed]:
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if sum(member.compress_size for member in members) > file.seek(0, os.SEEK_END):
            raise _suspicious("its members overlap")
        for member in members:
            yield _Closed(
                name=f"{name}/{member.filename}",
                open=partial(_open_zip_member, archive, member),
                size_bytes=member.file_size,
                weight_bytes=member.compress_size,
            )


def _open_zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    # The other methods cannot be unpacked in bounded steps.
    if member.compress_type not in _METHODS:
        raise _suspicious("it is packed by a method other than deflate")
    if member.file_size > _FREE_BYTES + _MAX_RATIO * member.compress_size:
        raise _suspicious(f"{member.compress_size} bytes claim to unpack to {member.file_size}")
    return archive.open(member)


def _members_of_tar(
    unpacked: IO[bytes] | gzip.GzipFile, packed: IO[bytes], name: str
) -> Iterator[_Closed]:
    gone_through = 0
    with tarfile.open(fileobj=_Forward(unpacked, packed), mode="r:") as archive:
        for member in archive:
            if member.isfile():
                yield _Closed(
                    name=f"{name}/{member.name}",
                    open=partial(_open_tar_member, archive, member),
                    size_bytes=member.size,
                    weight_bytes=packed.tell() - gone_through,
                )
                gone_through = packed.tell()
            archive.members = []  # type: ignore[attr-defined]  # or a million would be kept


def _open_tar_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    if file is None or member.issparse():
        raise _suspicious("it is no plain file")
    return file


class _Forward(io.RawIOBase):
    """What is unpacked, read forward only, and not much more than what is packed.

    Args:
        unpacked: gives the bytes.
        packed: the file they are unpacked from; it may be the same.
    """

    def __init__(self, unpacked: IO[bytes] | gzip.GzipFile, packed: IO[bytes]) -> None:
        self._unpacked = unpacked
        self._packed = packed
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset < self._position:
            raise io.UnsupportedOperation("seek backwards")
        while self._position < offset:
            if not self.read(min(offset - self._position, _STEP_BYTES)):
                break
        return self._position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_STEP_BYTES:
            raise _suspicious(f"it wants {size} bytes at once")
        content = self._unpacked.read(size)
        self._position += len(content)
        if self._position > _FREE_BYTES + _MAX_RATIO * self._packed.tell():
            raise _suspicious(f"{self._packed.tell()} bytes unpack to {self._position} and more")
        return content


def _read(closed: _Closed, *, is_inner: bool) -> Iterator[Found]:
    """Read a file whole if it looks like DICOM; open it where it is an archive of its own."""
    if is_inner and closed.size_bytes < _SMALLEST_BYTES:
        yield Found(name=_printable(closed.name), weight_bytes=closed.weight_bytes)
        return
    try:
        with closed.open() as file:
            head = file.read(_BLOCK_BYTES)
            if is_inner and _is_archive(head):
                yield from _open_inner(closed, head, file)
                return
            content = _read_dicom(head, file, closed.size_bytes)
    except (BadFile, *_DAMAGES) as error:
        yield _refused(closed.name, error, weight_bytes=closed.weight_bytes)
        return
    name = _printable(closed.name)
    yield Found(name=name, content=content, weight_bytes=closed.weight_bytes)


def _is_archive(head: bytes) -> bool:
    # The preamble of a DICOM file is free: it may be the start of something else.
    return not has_start(head) and (head.startswith((*_ZIP, _GZIP)) or _is_tar(head))


def _open_inner(closed: _Closed, head: bytes, file: IO[bytes]) -> Iterator[Found]:
    """Go through an archive within an archive; what it holds besides files stays closed."""
    largest = _FREE_INNER_BYTES + _MAX_INNER_RATIO * closed.weight_bytes
    weight_bytes = closed.weight_bytes
    with tempfile.TemporaryFile() as copy:
        part = head
        while part:
            copy.write(part)
            if copy.tell() > min(largest, _MAX_FILE_BYTES):
                raise _suspicious(f"an archive within it unpacks to {copy.tell()} bytes and more")
            part = file.read(_STEP_BYTES)
        size_bytes = copy.tell()
        copy.seek(0)
        for member in _unpack(copy, closed.name, size_bytes=size_bytes):
            with member.open() as inner:
                start = inner.read(_BLOCK_BYTES)
                if _is_archive(start):
                    raise _suspicious("archives lie within it three deep")
                content = _read_dicom(start, inner, member.size_bytes)
            name = _printable(member.name)
            yield Found(name=name, content=content, weight_bytes=weight_bytes)
            weight_bytes = 0


def _read_dicom(head: bytes, file: IO[bytes], size_bytes: int) -> bytes:
    if not (has_start(head) or may_be_bare(head)):
        return b""
    if size_bytes > _MAX_FILE_BYTES:
        raise BadFile(f"it has more than {_MAX_FILE_BYTES} bytes", hint="Send it by DICOM.")
    content = bytearray(head)
    while step := file.read(_STEP_BYTES):
        content += step
        if len(content) > _MAX_FILE_BYTES:
            raise BadFile(f"it has more than {_MAX_FILE_BYTES} bytes", hint="Send it by DICOM.")
    return bytes(content)


def _refused(name: str, error: Exception, *, weight_bytes: int = 0) -> Found:
    told, hint = f"damaged: {type(error).__name__}", "Pack it again, or give the files unpacked."
    if isinstance(error, BadFile):
        told, hint = error.problem, error.hint
    return Found(name=_printable(name), refused=told, hint=hint, weight_bytes=weight_bytes)


def _suspicious(why: str) -> BadFile:
    return BadFile(f"not unpacked: {why}", hint="Unpack it yourself if you trust it.")


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)
