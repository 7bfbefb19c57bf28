"""Boxes of stored arrays, read straight into buffers that are there already."""

import dataclasses
import functools
import itertools
import os
from types import ModuleType
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from sightline import extras
from sightline.errors import DamagedObject
from sightline.store.arrays import INNER_CHUNK, SLICE_RESCALE, StoredArray
from sightline.store.decoded import DecodedCache, KeptChunks, shared_cache

Bounds: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Start and stop along each axis of an array."""

_COMPILED_TYPES = frozenset({"u1", "i1", "u2", "i2"})
_COMPILER = ("numba", "lz4")
_AS_STORED = (0.0, 0.0, 0.0, 0.0)
_NOTHING = KeptChunks.nothing()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the voxels of a box go.

    Attributes:
        target: one-dimensional and contiguous.
        first: index in `target` of the box's first voxel.
        strides: from voxel to voxel along each axis of the box, in items; below 0 mirrors.
        scale: (low, high, centre, width): `(clip(value, low, high) - centre) / width` goes to a
            float32 `target`; None for values as `StoredArray.read` gives them.
    """

    target: npt.NDArray[Any]
    first: int
    strides: tuple[int, int, int]
    scale: tuple[float, float, float, float] | None = None

    def view(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """See the voxels of a box of `shape` as an array."""
        strides = [each * self.target.itemsize for each in self.strides]
        return np.lib.stride_tricks.as_strided(self.target[self.first :], shape, strides)


class BoxReader:
    """Reads boxes: compiled where numba and lz4 are installed, by tensorstore elsewhere.

    Both give the same bits.

    Attributes:
        name: who reads, for people.
    """

    def __init__(self, decode: ModuleType | None, cache: DecodedCache | None = None) -> None:
        self._decode = decode
        self._cache = cache
        self.name = "compiled" if decode else "tensorstore"

    @classmethod
    def best(cls) -> Self:
        """Choose the compiled one where it can be had."""
        if os.name != "posix" or not all(map(extras.is_installed, _COMPILER)):
            return cls(None)
        return cls(extras.load("sightline.store.decode", extra="learn"), shared_cache())

    @property
    def kept_bytes(self) -> int:
        """How much memory decoded chunks take."""
        return self._cache.kept_bytes if self._cache else 0

    def read(self, array: StoredArray, bounds: Bounds, place: Place) -> None:
        """Read a box that lies inside the array.

        Raises:
            DamagedObject: A shard is cut short, or a chunk does not match its checksum.
            OSError: A shard cannot be opened.
        """
        if self._decode is None or not _is_compiled_for(array):
            _read_by_tensorstore(array, bounds, place)
            return
        decoded = self._cache.of(array) if self._cache else _NOTHING
        shards = _shards(array, bounds)
        what = (array.dtype.itemsize, array.dtype.kind == "i")
        where = (place.target.view(np.uint8), place.first, np.array(place.strides))
        scale = np.array(place.scale or _AS_STORED)
        kept = (decoded.grid, decoded.flags, decoded.chunks)
        while True:
            state, which = self._decode.read_shards(*shards, *what, *where, scale, *kept)
            if state == self._decode.SOUND:
                return
            if state != self._decode.NOT_OPENED:
                raise _damaged(array, is_cut_short=state == self._decode.CUT_SHORT)
            if not _is_missing(shards.paths[which]):
                raise OSError(
                    f"a file of array {array.path.name[:12]} is there and does not open; "
                    "a process may hold too many files open (see `ulimit -n`)"
                )
            shards = shards.without(which)

    def expect(self, array: StoredArray, bounds: Bounds) -> None:
        """Let the system fetch a box from the disk; does not wait for it."""
        if self._decode is None or not _is_compiled_for(array):
            return
        if self._cache and self._cache.is_whole(array):
            return
        self._decode.expect_shards(*_shards(array, bounds))


class _Shards(NamedTuple):
    """The shards that a box touches, as the compiled reader takes them.

    Attributes:
        paths: uint8 (count, length): each as bytes that end in 0; empty where there is no file.
        corners: (count, 3): first index of each in the array.
        chunks: inner chunks of a shard along each axis.
        box: (2, 3): where the box begins and ends in the array.
    """

    paths: npt.NDArray[np.uint8]
    corners: npt.NDArray[np.int64]
    chunks: npt.NDArray[np.int64]
    box: npt.NDArray[np.int64]

    def without(self, number: int) -> Self:
        """Return them with one of which there is no file."""
        paths = self.paths.copy()
        paths[number] = 0
        return self._replace(paths=paths)


def _shards(array: StoredArray, bounds: Bounds) -> _Shards:
    if array.shard is None:
        raise AssertionError("the compiled reader was not asked whether it reads this array")
    (a, b), (c, d), (e, f) = bounds
    slices, rows, columns = array.shard
    numbers = (
        (a // slices, (b - 1) // slices + 1),
        (c // rows, (d - 1) // rows + 1),
        (e // columns, (f - 1) // columns + 1),
    )
    paths, corners, chunks = _files(str(array.path), array.shard, numbers)
    return _Shards(paths, corners, chunks, np.array([[a, c, e], [b, d, f]], np.int64))


# Looking up what was made before takes a fifth of making it, for a patch as for a small image.
@functools.lru_cache(maxsize=8192)
def _files(
    folder: str, shard: tuple[int, int, int], numbers: Bounds
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return paths, corners and chunks of the shards with these numbers."""
    lengths = np.array(shard, dtype=np.int64)
    which = list(itertools.product(*(range(*each) for each in numbers)))
    names = [os.fsencode(f"{folder}/c/{a}/{b}/{c}\0") for a, b, c in which]
    longest = max(map(len, names))
    paths = np.zeros((len(names), longest), np.uint8)
    for path, name in zip(paths, names, strict=True):
        path[: len(name)] = np.frombuffer(name, np.uint8)
    return paths, np.array(which, np.int64) * lengths, lengths // INNER_CHUNK


def _is_missing(path: npt.NDArray[np.uint8]) -> bool:
    """Tell whether a file that did not open is not there: a shard of zeros is not written.

    Raises:
        OSError: It is there and cannot be opened.
    """
    try:
        os.close(os.open(path.tobytes().rstrip(b"\0"), os.O_RDONLY))
    except FileNotFoundError:
        return True
    return False


def _damaged(array: StoredArray, *, is_cut_short: bool) -> DamagedObject:
    problem = "is cut short" if is_cut_short else "does not match its checksum"
    return DamagedObject(
        f"a chunk of array {array.path.name[:12]} {problem}",
        hint="`sightline verify` names the series; `--repair-from BACKUP` mends it.",
    )


def _read_by_tensorstore(array: StoredArray, bounds: Bounds, place: Place) -> None:
    (a, b), (c, d), (e, f) = bounds
    voxels = array.read((slice(a, b), slice(c, d), slice(e, f)))
    if place.scale is not None:
        low, high, centre, width = (np.float32(each) for each in place.scale)
        voxels = (voxels.astype(np.float32).clip(low, high) - centre) / width
    place.view(voxels.shape)[...] = voxels


def _is_compiled_for(array: StoredArray) -> bool:
    has_one_scale = not array.attributes.get(SLICE_RESCALE)
    return has_one_scale and array.shard is not None and array.dtype.str[1:] in _COMPILED_TYPES
