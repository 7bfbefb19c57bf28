"""Arrays come back as they were, box by box, to any Zarr reader."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import DamagedObject
from sightline.store.arrays import StoredArray, array_digest, write_array
from sightline.values.arrays import Voxels

SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(1, 40))
DTYPES = st.sampled_from(["u1", "i2", "u2", "i4", "f4"])


@st.composite
def volumes(draw: st.DrawFn) -> Voxels:
    shape, dtype = draw(SHAPES), draw(DTYPES)
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


@st.composite
def boxes(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[slice, ...]:
    starts = [draw(st.integers(0, size - 1)) for size in shape]
    ends = [draw(st.integers(start + 1, size)) for start, size in zip(starts, shape, strict=True)]
    return tuple(slice(start, end) for start, end in zip(starts, ends, strict=True))


@settings(max_examples=25, deadline=None)
@given(volumes(), st.data())
def test_every_box_comes_back(voxels: Voxels, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_array(Path(folder) / "array", voxels, {"unit": "HU"})
        stored = StoredArray.open(Path(folder) / "array")
        assert (stored.shape, stored.dtype) == (voxels.shape, voxels.dtype)
        assert stored.attributes == {"unit": "HU"}
        np.testing.assert_array_equal(stored.read(), voxels)
        slices, rows, columns = data.draw(boxes(voxels.shape))
        read = stored.start_read((slices, rows, columns)).result()
        np.testing.assert_array_equal(read, voxels[slices, rows, columns])
        assert read.flags.c_contiguous


def test_a_large_array_has_several_shards(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(-1024, 3000, (300, 40, 270), dtype=np.int16)
    write_array(tmp_path / "array", voxels, {})
    stored = StoredArray.open(tmp_path / "array")
    pending = [
        stored.start_read((slice(at, at + 20), slice(0, 40), slice(250, 270))) for at in (0, 250)
    ]
    for read, at in zip(pending, (0, 250), strict=True):
        np.testing.assert_array_equal(read.result(), voxels[at : at + 20, :, 250:270])
    files = [path for path in (tmp_path / "array").rglob("*") if path.is_file()]
    assert len(files) == 1 + 4 + 1  # metadata, shards, seal


def test_the_layout_is_zarr_v3_as_decided(tmp_path: Path) -> None:
    write_array(tmp_path / "array", np.zeros((70, 10, 300), dtype=np.int16), {"a": 1})
    metadata = json.loads((tmp_path / "array" / "zarr.json").read_text(encoding="utf-8"))
    assert metadata["zarr_format"] == 3
    assert metadata["data_type"] == "int16"
    assert metadata["dimension_names"] == ["slice", "row", "column"]
    assert metadata["chunk_grid"]["configuration"]["chunk_shape"] == [96, 32, 256]
    (sharding,) = metadata["codecs"]
    assert sharding["name"] == "sharding_indexed"
    assert sharding["configuration"]["chunk_shape"] == [32, 32, 32]
    blosc = sharding["configuration"]["codecs"][1]
    assert (blosc["name"], blosc["configuration"]["cname"]) == ("blosc", "lz4hc")
    assert blosc["configuration"]["shuffle"] == "shuffle"


def test_masks_are_not_shuffled(tmp_path: Path) -> None:
    write_array(tmp_path / "array", np.zeros((4, 4, 4), dtype=np.uint8), {})
    assert '"noshuffle"' in (tmp_path / "array" / "zarr.json").read_text(encoding="utf-8")


def test_a_repeat_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "array"
    write_array(path, np.zeros((4, 4, 4), dtype=np.int16), {})
    write_array(path, np.ones((5, 4, 4), dtype=np.int16), {})
    assert StoredArray.open(path).read().sum() == 80
    assert [each.name for each in tmp_path.iterdir()] == ["array"]


@pytest.mark.parametrize("damage", ["missing", "no json", "no array"])
def test_what_is_no_array_is_said_so(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "array"
    if damage != "missing":
        write_array(path, np.zeros((4, 4, 4), dtype=np.int16), {})
        (path / "zarr.json").write_text("{" if damage == "no json" else "{}", encoding="utf-8")
    with pytest.raises(
        DamagedObject, match=r"array array (cannot be read|is not as it was written)"
    ):
        StoredArray.open(path)


@given(volumes())
@settings(max_examples=25, deadline=None)
def test_the_digest_is_of_values_not_of_memory(voxels: Voxels) -> None:
    digest = array_digest(voxels)
    assert array_digest(np.asfortranarray(voxels)) == digest
    assert array_digest(voxels.copy()) == digest
    changed = voxels.copy()
    changed[0, 0, 0] += 1
    assert array_digest(changed) != digest
    assert array_digest(voxels[None, 0]) != digest or voxels.shape[0] == 1


def test_the_digest_tells_types_and_shapes_apart() -> None:
    zeros = np.zeros((2, 2, 2), dtype=np.int16)
    digests = {
        array_digest(zeros),
        array_digest(zeros.astype(np.uint16)),
        array_digest(zeros.reshape(1, 2, 4)),
    }
    assert len(digests) == 3
