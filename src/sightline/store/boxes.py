"""Boxes of stored arrays, read straight into buffers that are there already."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Self, TypeAlias

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
_NO_FILE = np.frombuffer(b"\0", np.uint8)[:0]


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
        for shard in _shards(array, bounds):
            self._read_shard(shard, place, decoded, stored=array.dtype)

    def expect(self, array: StoredArray, bounds: Bounds) -> None:
        """Let the system fetch a box from the disk; does not wait for it."""
        if self._decode is None or not _is_compiled_for(array):
            return
        if self._cache and self._cache.is_whole(array):
            return
        for shard in _shards(array, bounds):
            self._decode.expect_shard(shard.path, shard.corner, shard.chunks, shard.box)

    def _read_shard(
        self, shard: "_Shard", place: Place, decoded: KeptChunks, *, stored: np.dtype[Any]
    ) -> None:
        decode = self._decode
        if decode is None:
            raise AssertionError("only the compiled reader knows shards")
        what = (shard.corner, shard.chunks, shard.box, stored.itemsize, stored.kind == "i")
        where = (place.target.view(np.uint8), place.first, np.array(place.strides))
        scale = np.array(place.scale or _AS_STORED)
        kept = (decoded.grid, decoded.flags, decoded.chunks)
        state = decode.read_shard(shard.path, *what, *where, scale, *kept)
        if state == decode.NOT_OPENED:
            path = _NO_FILE if _is_missing(shard.path) else shard.path
            state = decode.read_shard(path, *what, *where, scale, *kept)
        if state == decode.NOT_OPENED:
            raise OSError(
                f"a file of array {shard.array[:12]} is there and does not open; "
                "a process may hold too many files open (see `ulimit -n`)"
            )
        if state != decode.SOUND:
            problem = "is cut short" if state == decode.CUT_SHORT else "does not match its checksum"
            raise DamagedObject(
                f"a chunk of array {shard.array[:12]} {problem}",
                hint="`sightline verify` names the series; `--repair-from BACKUP` mends it.",
            )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Shard:
    """One shard that a box touches.

    Attributes:
        array: name of the array.
        path: as bytes that end in 0.
        corner: first index of the shard in the array.
        chunks: inner chunks along each axis.
        box: (2, 3): where the box begins and ends in the array.
    """

    array: str
    path: npt.NDArray[np.uint8]
    corner: npt.NDArray[np.int64]
    chunks: npt.NDArray[np.int64]
    box: npt.NDArray[np.int64]


def _shards(array: StoredArray, bounds: Bounds) -> Iterator[_Shard]:
    if array.shard is None:
        raise AssertionError("the compiled reader was not asked whether it reads this array")
    lengths, chunks = _lengths(array.shard)
    box = np.array(bounds, dtype=np.int64).T.copy()
    numbers = [
        range(start // length, (stop - 1) // length + 1)
        for (start, stop), length in zip(bounds, array.shard, strict=True)
    ]
    name, folder = array.path.name, f"{array.path}/c"
    for a, b, c in itertools.product(*numbers):
        yield _Shard(
            array=name,
            # As text: joining paths takes longer than reading a small image.
            path=np.frombuffer(os.fsencode(f"{folder}/{a}/{b}/{c}\0"), np.uint8),
            corner=np.array((a, b, c), dtype=np.int64) * lengths,
            chunks=chunks,
            box=box,
        )


@functools.cache
def _lengths(shard: tuple[int, ...]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    lengths = np.array(shard, dtype=np.int64)
    return lengths, lengths // INNER_CHUNK


def _is_missing(path: npt.NDArray[np.uint8]) -> bool:
    """Tell whether a file that did not open is not there: a shard of zeros is not written.

    Raises:
        OSError: It is there and cannot be opened.
    """
    try:
        os.close(os.open(path[:-1].tobytes(), os.O_RDONLY))
    except FileNotFoundError:
        return True
    return False


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
