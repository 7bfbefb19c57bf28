"""Decoded chunks are kept once for all processes, within a limit, and go with the last user."""

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from sightline import extras
from sightline.errors import DamagedObject
from sightline.store.arrays import StoredArray, write_array
from sightline.store.boxes import Bounds, BoxReader, Place
from sightline.store.decoded import DecodedCache, cache_in, memory_left_bytes

SHAPE = (70, 250, 250)
WHOLE: Bounds = ((0, 70), (0, 250), (0, 250))
PART: Bounds = ((3, 66), (31, 200), (5, 250))
MIB = 2**20


@pytest.fixture
def array(tmp_path: Path) -> StoredArray:
    random = np.random.default_rng(3)
    voxels = random.integers(-1000, 1000, SHAPE).astype(np.int16)
    voxels[:32, :64] = 0
    write_array(tmp_path / "array", voxels, {})
    return StoredArray.open(tmp_path / "array")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shared = tmp_path / "shared"
    shared.mkdir()
    return shared


def _reader(cache: DecodedCache, *seen: StoredArray) -> BoxReader:
    """Return a reader that has seen these arrays before."""
    for array in seen:
        cache.of(array)
    return BoxReader(extras.load("sightline.store.decode", extra="learn"), cache)


def _read(reader: BoxReader, array: StoredArray, bounds: Bounds) -> np.ndarray:
    shape = [stop - start for start, stop in bounds]
    target = np.empty(int(np.prod(shape)), array.dtype)
    strides = (shape[1] * shape[2], shape[2], 1)
    reader.read(array, bounds, Place(target=target, first=0, strides=strides))
    return target.reshape(shape)


def _cut(array: StoredArray, bounds: Bounds) -> np.ndarray:
    (a, b), (c, d), (e, f) = bounds
    return array.read()[a:b, c:d, e:f]


def test_what_is_kept_is_what_was_stored(array: StoredArray, folder: Path) -> None:
    cache = DecodedCache(folder, 64 * MIB)
    for _ in range(2):
        for bounds in (PART, WHOLE):
            assert np.array_equal(_read(_reader(cache, array), array, bounds), _cut(array, bounds))
    assert cache.of(array).flags.all()
    assert cache.kept_bytes >= np.prod(SHAPE) * 2
    cache.close()


def test_what_is_kept_is_not_read_again(array: StoredArray, folder: Path) -> None:
    cache = DecodedCache(folder, 64 * MIB)
    wanted = _read(_reader(cache, array), array, WHOLE)
    for path in array.path.glob("c/*/*/*"):
        path.write_bytes(b"")
    assert np.array_equal(_read(_reader(cache, array), array, PART), wanted[3:66, 31:200, 5:250])
    cache.of(array).flags[0] = 0
    with pytest.raises(DamagedObject):
        _read(_reader(cache, array), array, WHOLE)
    assert cache.of(array).flags[0] == 0
    cache.close()


def test_another_process_finds_what_one_has_decoded(array: StoredArray, folder: Path) -> None:
    cache = DecodedCache(folder, 64 * MIB)
    _read(_reader(cache, array), array, PART)
    count = int(cache.of(array).flags.sum())
    program = (
        "import sys; from pathlib import Path\n"
        "from sightline.store.arrays import StoredArray\n"
        "from sightline.store.decoded import DecodedCache\n"
        "cache = DecodedCache(Path(sys.argv[1]), 0)\n"
        "array = StoredArray.open(Path(sys.argv[2]))\n"
        "cache.of(array)\n"
        "print(int(cache.of(array).flags.sum()))\n"
        "cache.close()\n"
    )
    command = [sys.executable, "-c", program, str(folder), str(array.path)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert int(done.stdout.splitlines()[-1]) == count
    assert len(list(folder.iterdir())) == 1
    cache.close()
    assert not list(folder.iterdir())


def test_the_last_user_takes_it_away(array: StoredArray, folder: Path) -> None:
    first, second = DecodedCache(folder, 64 * MIB), DecodedCache(folder, 64 * MIB)
    _read(_reader(first, array), array, PART)
    second.of(array)
    assert np.array_equal(first.of(array).flags, second.of(array).flags)
    first.close()
    assert len(list(folder.iterdir())) == 1
    second.close()
    assert not list(folder.iterdir())


def test_memory_has_a_limit(array: StoredArray, folder: Path) -> None:
    cache = DecodedCache(folder, 4 * MIB)
    assert np.array_equal(_read(_reader(cache, array), array, PART), _cut(array, PART))
    assert not cache.of(array).flags.size
    assert cache.kept_bytes == 0
    cache.close()
    assert not [path for path in folder.iterdir() if path.stat().st_size]


def test_a_full_disk_of_memory_costs_nothing_but_time(
    array: StoredArray, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    cache = DecodedCache(folder, 64 * MIB)
    assert np.array_equal(_read(_reader(cache, array), array, PART), _cut(array, PART))
    assert not list(folder.iterdir())
    cache.close()


def test_small_and_flat_arrays_stay_out(tmp_path: Path, folder: Path) -> None:
    cache = DecodedCache(folder, 64 * MIB)
    for name, shape in (("small", (20, 24, 22)), ("flat", (1, 3000, 3000))):
        write_array(tmp_path / name, np.ones(shape, np.int16), {})
        array = StoredArray.open(tmp_path / name)
        assert not any(cache.of(array).flags.size for _ in range(2))
    cache.close()
    assert not list(folder.iterdir())


def test_a_file_in_use_is_not_taken_away(array: StoredArray, folder: Path) -> None:
    cache = DecodedCache(folder, 64 * MIB)
    _read(_reader(cache, array), array, PART)
    (path,) = folder.iterdir()
    file = os.open(path, os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_SH)
    cache.close()
    assert path.exists()
    os.close(file)


def test_what_is_read_once_takes_no_memory(array: StoredArray, folder: Path) -> None:
    cache = DecodedCache(folder, 64 * MIB)
    reader = _reader(cache)
    assert np.array_equal(_read(reader, array, PART), _cut(array, PART))
    assert cache.kept_bytes == 0
    assert np.array_equal(_read(reader, array, PART), _cut(array, PART))
    assert cache.kept_bytes > 0
    cache.close()


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_who_reads_a_chunk_does_not_mind_who_decodes_it_again(
    tmp_path: Path, folder: Path, kind: type[np.generic]
) -> None:
    random = np.random.default_rng(1)
    voxels = (random.random((64, 400, 400)) < 0.2).cumsum(axis=2).astype(kind)
    write_array(tmp_path / "mask", voxels, {})
    mask = StoredArray.open(tmp_path / "mask")
    cache = DecodedCache(folder, 64 * MIB)
    reader = _reader(cache, mask)
    bounds: Bounds = ((0, 32), (0, 64), (0, 64))
    wanted = _read(reader, mask, bounds)
    is_over = threading.Event()

    def decode_again() -> None:
        while not is_over.is_set():
            cache.of(mask).flags[:] = 0
            _read(reader, mask, bounds)

    other = threading.Thread(target=decode_again)
    other.start()
    try:
        assert all(np.array_equal(_read(reader, mask, bounds), wanted) for _ in range(3000))
    finally:
        is_over.set()
        other.join()
    cache.close()


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Name this user's folder in a file system of memory."""
    return tmp_path / f"sightline-{os.getuid()}"


def test_what_a_killed_process_left_is_taken_away(shared: Path) -> None:
    shared.mkdir(mode=0o700)
    (shared / "left").write_bytes(b"x" * 100)
    assert cache_in(shared.parent) is not None
    assert not list(shared.iterdir())


def test_a_folder_that_others_may_enter_is_not_used(shared: Path) -> None:
    shared.mkdir()
    shared.chmod(0o755)
    assert cache_in(shared.parent) is None


def test_a_link_in_place_of_the_folder_is_not_followed(shared: Path) -> None:
    elsewhere = shared.parent / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "precious").write_bytes(b"x")
    shared.symlink_to(elsewhere)
    assert cache_in(shared.parent) is None
    assert (elsewhere / "precious").exists()


def test_a_container_limits_what_is_kept(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(str(100 * MIB))
    (tmp_path / "memory.current").write_text(str(60 * MIB))
    assert memory_left_bytes(tmp_path) == 40 * MIB
    (tmp_path / "memory.max").write_text("max")
    assert memory_left_bytes(tmp_path) > 40 * MIB
