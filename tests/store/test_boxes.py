"""Boxes come to their places alike, whoever reads them, and damage is found."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import DamagedObject
from sightline.store.arrays import SLICE_RESCALE, StoredArray, write_array
from sightline.store.boxes import Bounds, BoxReader, Place
from sightline.store.decode import crc32c

SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(1, 70))
DTYPES = st.sampled_from(["u1", "i1", "i2", "u2", "i4", "f4"])
TENSORSTORE = BoxReader(None)
BEST = BoxReader.best()
SCALE = (-1000.0, 400.0, -1000.0, 1400.0)


def _stored(folder: Path, voxels: np.ndarray) -> StoredArray:
    write_array(folder / "array", voxels, {})
    return StoredArray.open(folder / "array")


def _read(reader: BoxReader, array: StoredArray, bounds: Bounds, **changes: object) -> np.ndarray:
    shape = [stop - start for start, stop in bounds]
    scale = changes.get("scale")
    target = np.full(int(np.prod(shape)), 77, np.float32 if scale else array.dtype)
    strides = (shape[1] * shape[2], shape[2], 1)
    place = Place(target=target, first=0, strides=strides, scale=scale)  # type: ignore[arg-type]
    reader.read(array, bounds, place)
    return target.reshape(shape)


def _values(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    low = -1024 if kind.kind == "i" and kind.itemsize > 1 else 0
    noise = random.integers(low, 120, shape)
    return np.where(random.random(shape) < 0.3, noise, 7).astype(dtype)


def test_the_compiled_reader_is_there() -> None:
    assert BEST.name == "compiled"


@settings(max_examples=15, deadline=None)
@given(SHAPES, DTYPES, st.integers(0, 2**32 - 1), st.data())
def test_every_box_comes_back_from_either_reader(
    shape: tuple[int, int, int], dtype: str, seed: int, data: st.DataObject
) -> None:
    voxels = _values(shape, dtype, seed)
    starts = [data.draw(st.integers(0, size - 1)) for size in shape]
    stops = [data.draw(st.integers(at + 1, size)) for at, size in zip(starts, shape, strict=True)]
    (a, b), (c, d), (e, f) = bounds = tuple(zip(starts, stops, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        array = _stored(Path(folder), voxels)
        for reader in (BEST, TENSORSTORE):
            reader.expect(array, bounds)
            np.testing.assert_array_equal(_read(reader, array, bounds), voxels[a:b, c:d, e:f])
        scaled = [_read(reader, array, bounds, scale=SCALE) for reader in (BEST, TENSORSTORE)]
    assert np.array_equal(*scaled)
    assert scaled[0].min() >= 0


def test_boxes_may_cross_shards(tmp_path: Path) -> None:
    voxels = _values((258, 40, 260), "i2", 0)
    array = _stored(tmp_path, voxels)
    assert array.shard == (256, 64, 256)
    bounds = ((200, 258), (3, 40), (240, 259))
    np.testing.assert_array_equal(_read(BEST, array, bounds), voxels[200:258, 3:40, 240:259])


@pytest.mark.parametrize("reader", [BEST, TENSORSTORE], ids=lambda reader: reader.name)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (1, -1, 1), (-1, 1, -1)])
def test_a_place_may_be_mirrored_and_turned(
    tmp_path: Path, reader: BoxReader, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    voxels = _values((40, 33, 35), "i2", 1)
    array = _stored(tmp_path, voxels)
    bounds = ((2, 39), (1, 33), (0, 34))
    box = voxels[2:39, 1:33, 0:34]
    wanted = box.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    target = np.zeros(box.size, np.int16)
    made = target.reshape(wanted.shape)[tuple(slice(None, None, sign) for sign in signs)]
    seen = made.transpose(np.argsort(order))
    first = (seen.__array_interface__["data"][0] - target.__array_interface__["data"][0]) // 2
    strides = tuple(each // 2 for each in seen.strides)
    reader.read(array, bounds, Place(target=target, first=first, strides=strides))  # type: ignore[arg-type]
    np.testing.assert_array_equal(target.reshape(wanted.shape), wanted)


def test_slices_of_their_own_scale_are_read_in_their_unit(tmp_path: Path) -> None:
    voxels = _values((3, 5, 4), "i2", 2)
    rescale = [[2.0, 1.0], [1.0, 0.0], [0.5, -3.0]]
    write_array(tmp_path / "array", voxels, {SLICE_RESCALE: rescale})
    array = StoredArray.open(tmp_path / "array")
    target = np.empty(60, np.float32)
    BEST.read(array, ((0, 3), (0, 5), (0, 4)), Place(target=target, first=0, strides=(20, 4, 1)))
    np.testing.assert_array_equal(target.reshape(3, 5, 4), array.read())


@pytest.mark.parametrize("reader", [BEST, TENSORSTORE], ids=lambda reader: reader.name)
def test_a_flipped_bit_is_found(tmp_path: Path, reader: BoxReader) -> None:
    array = _stored(tmp_path, _values((40, 40, 40), "i2", 3))
    shard = array.path / "c/0/0/0"
    whole = bytearray(shard.read_bytes())
    for at in (40, len(whole) // 2, len(whole) - 20):
        damaged = whole.copy()
        damaged[at] ^= 4
        shard.write_bytes(damaged)
        with pytest.raises(DamagedObject, match="checksum"):
            _read(reader, StoredArray.open(array.path), ((0, 40), (0, 40), (0, 40)))


def test_a_chunk_that_does_not_decode_is_found_though_its_checksum_fits(tmp_path: Path) -> None:
    array = _stored(tmp_path, _values((32, 32, 32), "i2", 3))
    shard = array.path / "c/0/0/0"
    sound = shard.read_bytes()
    at, stored = (int(each) for each in np.frombuffer(sound[-20:-4], "<u8"))
    whole = ((0, 32), (0, 32), (0, 32))

    def read_with(place: int, octets: bytes) -> np.ndarray:
        damaged = bytearray(sound)
        damaged[at + place : at + place + len(octets)] = octets
        end = at + stored - 4
        checksum = crc32c(np.frombuffer(damaged, np.uint8), at, end)
        damaged[end : end + 4] = int(checksum).to_bytes(4, "little")
        shard.write_bytes(damaged)
        return _read(BEST, array, whole)

    found = 0
    for place in range(16, stored - 8, 61):
        # A byte of a voxel only makes another voxel; one of a length makes nonsense.
        try:
            assert read_with(place, b"\xff").shape == (32, 32, 32)
        except DamagedObject:
            found += 1
    assert found > 0
    with pytest.raises(DamagedObject, match="checksum"):
        read_with(20, (2**30).to_bytes(4, "little"))


def test_a_shard_that_was_cut_short_is_found(tmp_path: Path) -> None:
    array = _stored(tmp_path, _values((40, 40, 40), "i2", 3))
    shard = array.path / "c/0/0/0"
    shard.write_bytes(shard.read_bytes()[:20])
    with pytest.raises(DamagedObject, match="cut short"):
        _read(BEST, array, ((0, 4), (0, 4), (0, 4)))


def test_a_shard_of_zeros_that_was_not_written_reads_as_zeros(tmp_path: Path) -> None:
    array = _stored(tmp_path, np.zeros((40, 40, 40), np.int16))
    assert not _read(BEST, array, ((0, 40), (0, 40), (0, 40))).any()


def test_a_file_that_does_not_open_is_no_zeros(tmp_path: Path) -> None:
    voxels = np.arange(40 * 40 * 40, dtype=np.int16).reshape(40, 40, 40)
    array = _stored(tmp_path, voxels)
    bounds: Bounds = ((0, 40), (0, 40), (0, 40))
    assert np.array_equal(_read(BEST, array, bounds), voxels)
    (shard,) = array.path.glob("c/*/*/*")
    kept = shard.read_bytes()
    shard.unlink()
    shard.mkdir()  # it opens, and is no file
    with pytest.raises((DamagedObject, OSError)):
        _read(BEST, array, bounds)
    shard.rmdir()
    assert not _read(BEST, array, bounds).any()
    shard.write_bytes(kept)
    assert np.array_equal(_read(BEST, array, bounds), voxels)
