"""Chunked arrays: Zarr v3, sharded, inner chunks of 32^3, Blosc lz4hc; any Zarr tool reads them.

Every chunk has a checksum, and the files of an array have a seal: no flipped bit goes unseen.

Why this layout: docs/decisions/0001-array-format.md.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from sightline.errors import DamagedObject
from sightline.store.durable import sync_folder, sync_tree
from sightline.store.seals import check_seal, seal
from sightline.values.arrays import Voxels

INNER_CHUNK = 32
SHARD = 256
Box: TypeAlias = tuple[slice, slice, slice]
_EVERYTHING = (slice(None), slice(None), slice(None))

SLICE_RESCALE = "slice_rescale"
"""The attribute that holds slope and intercept of each slice; then `slope` and `intercept` are
null, so that no reader takes one scale for all slices unknowingly."""


@dataclasses.dataclass(frozen=True, slots=True)
class PendingRead:
    """A read that has started; `result` waits for it.

    Attributes:
        rescale: slope and intercept of each slice of the box; None where the stored values stand.
    """

    future: Any
    rescale: npt.NDArray[np.float64] | None = None

    def result(self) -> Voxels:
        """Return the voxels of the box, C-contiguous: stored values, or float32 in their unit.

        Raises:
            DamagedObject: A chunk does not match its checksum.
        """
        try:
            voxels: Voxels = self.future.result()
        except (OSError, ValueError) as error:
            raise DamagedObject(
                "a chunk of an array does not match its checksum",
                hint="`sightline verify` names the series; `--repair-from BACKUP` mends it.",
            ) from error
        if self.rescale is None:
            return voxels
        slopes, intercepts = self.rescale[:, :, None, None].transpose(1, 0, 2, 3)
        values: Voxels = (voxels * slopes + intercepts).astype(np.float32)
        return values


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StoredArray:
    """One array on disk, read box by box.

    Where slices differ in rescale, `read` gives float32 in the unit, so that one scale holds for
    every voxel; `read_stored` gives what was acquired.

    Attributes:
        dtype: of what is stored.
        attributes: the JSON attributes of the Zarr array.
        shard: voxels of a shard along each axis; None where the chunks are none that `write_array`
            makes.
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    attributes: dict[str, Any]
    shard: tuple[int, int, int] | None
    _handle: Any

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an array written by `write_array`.

        Raises:
            DamagedObject: There is no readable array at `path`, or it was changed.
        """
        check_seal(path)
        try:
            metadata = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
            handle = ts.open(
                {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}, open=True
            ).result()
        except (OSError, ValueError) as error:
            raise DamagedObject(
                f"array {path.name} cannot be read",
                hint="Restore the hub's folder from a backup, or send the study again.",
            ) from error
        slices, rows, columns = handle.shape
        return cls(
            path=path,
            shape=(slices, rows, columns),
            dtype=np.dtype(handle.dtype.numpy_dtype),
            attributes=metadata.get("attributes", {}),
            shard=_own_shard(metadata),
            _handle=handle,
        )

    def start_read(self, box: Box) -> PendingRead:
        """Begin reading a box that lies inside the array; several may be under way."""
        future = self._handle[box].read(order="C")
        per_slice = self.attributes.get(SLICE_RESCALE)
        if not per_slice:
            return PendingRead(future)
        return PendingRead(future, np.array(per_slice, dtype=np.float64)[box[0]])

    def read(self, box: Box | None = None) -> Voxels:
        """Read a box, or everything."""
        return self.start_read(box or _EVERYTHING).result()

    def read_stored(self) -> Voxels:
        """Read everything as it is stored."""
        return PendingRead(self._handle.read(order="C")).result()

    @property
    def read_type(self) -> np.dtype[Any]:
        """The type of what `read` gives."""
        return np.dtype(np.float32) if self.attributes.get(SLICE_RESCALE) else self.dtype

    @property
    def scale(self) -> tuple[float, float]:
        """Slope and intercept that bring what `read` gives to the unit of a volume."""
        if self.attributes.get(SLICE_RESCALE):
            return 1.0, 0.0
        return self.attributes.get("slope", 1.0), self.attributes.get("intercept", 0.0)


def write_array(path: Path, voxels: Voxels, attributes: dict[str, Any]) -> None:
    """Write `voxels` durably at `path`; a repeat replaces what an interrupted one left.

    Args:
        path: the folder to make; its parent exists.
        voxels: (slices, rows, columns), an integer or float type.
        attributes: JSON values kept in the array's metadata.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    handle = ts.open(_layout(unfinished, voxels, attributes), create=True).result()
    handle.write(voxels).result()
    seal(unfinished)
    sync_tree(unfinished)
    if path.exists():
        shutil.rmtree(path)
    unfinished.rename(path)
    sync_folder(path.parent)


def array_digest(voxels: Voxels) -> str:
    """Return SHA-256 over type, shape and values, whatever the chunks are."""
    header = f"{voxels.dtype.str}{voxels.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(voxels).tobytes()).hexdigest()


def _own_shard(metadata: dict[str, Any]) -> tuple[int, int, int] | None:
    """Return the shape of the shards, where all else is as `_layout` has it."""
    codecs = metadata["codecs"]
    if [each["name"] for each in codecs] != ["sharding_indexed"] or metadata["fill_value"] != 0:
        return None
    inner = codecs[0]["configuration"]
    endians = {each.get("configuration", {}).get("endian", "little") for each in inner["codecs"]}
    keys = metadata["chunk_key_encoding"]
    is_ours = (
        inner["chunk_shape"] == [INNER_CHUNK] * 3
        and [each["name"] for each in inner["codecs"]] == ["bytes", "blosc", "crc32c"]
        and [each["name"] for each in inner["index_codecs"]] == ["bytes", "crc32c"]
        and inner.get("index_location", "end") == "end"
        and endians == {"little"}
        and keys["name"] == "default"
        and keys.get("configuration", {}).get("separator", "/") == "/"
    )
    slices, rows, columns = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    return (slices, rows, columns) if is_ours else None


def _layout(path: Path, voxels: Voxels, attributes: dict[str, Any]) -> dict[str, Any]:
    # One shard holds a whole small volume; a shard is a multiple of the inner chunk.
    shard = [min(SHARD, -(-size // INNER_CHUNK) * INNER_CHUNK) for size in voxels.shape]
    # Masks compress better unshuffled, and shuffling one-byte items is wasted work.
    shuffle = "shuffle" if voxels.dtype.itemsize > 1 else "noshuffle"
    blosc = {
        "cname": "lz4hc",
        "clevel": 5,
        "shuffle": shuffle,
        "typesize": voxels.dtype.itemsize,
        "blocksize": 0,
    }
    inner = {
        "chunk_shape": [INNER_CHUNK] * 3,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}}
            if voxels.dtype.itemsize > 1
            else {"name": "bytes"},
            {"name": "blosc", "configuration": blosc},
            {"name": "crc32c"},
        ],
        "index_codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "crc32c"},
        ],
        "index_location": "end",
    }
    return {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(path)},
        "metadata": {
            "shape": list(voxels.shape),
            "data_type": voxels.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
            "codecs": [{"name": "sharding_indexed", "configuration": inner}],
            "attributes": attributes,
            "dimension_names": ["slice", "row", "column"],
        },
    }
