"""Objects are immutable, checked, durable and mended by a repeat."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.errors import DamagedObject, UnknownName
from sightline.store.objects import ObjectStore
from sightline.values.identity import Digest

ABSENT = Digest("0" * 64)


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(tmp_path / "objects")


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.binary(max_size=4096), min_size=1, max_size=4))
def test_what_was_put_comes_back(objects: ObjectStore, contents: list[bytes]) -> None:
    digests = [objects.put(content) for content in contents]
    assert [objects.get(digest) for digest in digests] == contents
    assert set(digests) <= set(objects.digests())
    assert len(set(digests)) == len(set(contents))


def test_the_digest_is_sha256(objects: ObjectStore) -> None:
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert objects.put(b"abc") == known
    assert objects.path(Digest(known)).read_bytes() == b"abc"


def test_a_repeat_writes_nothing(objects: ObjectStore) -> None:
    path = objects.path(objects.put(b"content"))
    before = path.stat()
    objects.put(b"content")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_absent_object(objects: ObjectStore) -> None:
    with pytest.raises(UnknownName, match="no object 000000000000"):
        objects.get(ABSENT)


@pytest.mark.parametrize("bit", range(0, 64, 7))
def test_every_flipped_bit_is_found_and_mended_by_a_repeat(objects: ObjectStore, bit: int) -> None:
    content = b"12345678"
    digest = objects.put(content)
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    objects.path(digest).write_bytes(damaged)
    with pytest.raises(DamagedObject):
        objects.get(digest)
    assert objects.put(content) == digest
    assert objects.get(digest) == content


def test_a_cut_object_is_found(objects: ObjectStore) -> None:
    digest = objects.put(b"content")
    objects.path(digest).write_bytes(b"cont")
    with pytest.raises(DamagedObject):
        objects.get(digest)


def test_what_an_interrupted_write_left_is_no_object(objects: ObjectStore) -> None:
    digest = objects.put(b"content")
    objects.path(digest).with_name(".incoming-left").write_bytes(b"half")
    assert list(objects.digests()) == [digest]


def test_a_store_opens_again(objects: ObjectStore) -> None:
    digest = objects.put(b"content")
    assert ObjectStore.open(objects.folder).get(digest) == b"content"


def test_a_failed_write_leaves_nothing(objects: ObjectStore, tmp_path: Path) -> None:
    digest = Digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    part = objects.path(digest).parent
    part.rmdir()
    part.touch()
    with pytest.raises(OSError, match="Not a directory"):
        objects.put(b"abc")
    part.unlink()
    part.mkdir()
    assert list(objects.digests()) == []
    assert objects.put(b"abc") == digest
    assert tmp_path.exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from sightline.store.objects import ObjectStore

objects = ObjectStore.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))
try:
    objects.put(bytes(100_000))
except OSError:
    print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "objects"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "refused\n"
    left = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    assert left == []


def test_no_descriptor_is_left_open(objects: ObjectStore) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("this system does not list descriptors in /proc")
    before = len(list(descriptors.iterdir()))
    for number in range(20):
        objects.put(b"%d" % number)
    assert len(list(descriptors.iterdir())) == before
