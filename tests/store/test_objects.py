"""Objects are immutable, checked, durable and mended by a repeat."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.errors import DamagedObject, UnknownName
from sightline.store.blobs import LocalBlobs
from sightline.store.objects import SPLIT, Loan, ObjectStore
from sightline.values.identity import Digest

ABSENT = Digest("0" * 64)


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(tmp_path / "objects")


def folder_of(objects: ObjectStore) -> Path:
    assert isinstance(objects.blobs, LocalBlobs)
    return objects.blobs.folder


def file_of(objects: ObjectStore, digest: str) -> Path:
    path = objects.blobs.path(digest)
    assert path is not None
    return path


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
    assert file_of(objects, Digest(known)).read_bytes() == b"abc"


def test_a_repeat_writes_nothing(objects: ObjectStore) -> None:
    path = file_of(objects, objects.put(b"content"))
    before = path.stat().st_ino
    objects.put(b"content")
    assert path.stat().st_ino == before


def test_an_absent_object(objects: ObjectStore) -> None:
    with pytest.raises(UnknownName, match="no object 000000000000"):
        objects.get(ABSENT)


@pytest.mark.parametrize("bit", range(0, 64, 7))
def test_every_flipped_bit_is_found_and_mended_by_a_repeat(objects: ObjectStore, bit: int) -> None:
    content = b"12345678"
    digest = objects.put(content)
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    file_of(objects, digest).write_bytes(damaged)
    with pytest.raises(DamagedObject):
        objects.get(digest)
    assert objects.put(content) == digest
    assert objects.get(digest) == content


def test_a_cut_object_is_found(objects: ObjectStore) -> None:
    digest = objects.put(b"content")
    file_of(objects, digest).write_bytes(b"cont")
    with pytest.raises(DamagedObject):
        objects.get(digest)


def test_what_an_interrupted_write_left_is_no_object(objects: ObjectStore) -> None:
    digest = objects.put(b"content")
    file_of(objects, digest).with_name(".incoming-left").write_bytes(b"half")
    assert list(objects.digests()) == [digest]


def test_a_store_opens_again(objects: ObjectStore) -> None:
    digest = objects.put(b"content")
    assert ObjectStore.open(folder_of(objects)).get(digest) == b"content"


def test_a_failed_write_leaves_nothing(objects: ObjectStore, tmp_path: Path) -> None:
    digest = Digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    part = file_of(objects, digest).parent
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


HEAD, PIXELS, TAIL = b"head" * 10, bytes(range(256)) * 300, b"tail"


def lend(objects: ObjectStore) -> tuple[Digest, Digest, bytes]:
    """Keep an object, and another that borrows its pixels."""
    holder = objects.put(b"other head" + PIXELS)
    content = HEAD + PIXELS + TAIL
    loan = Loan(holder=holder, held_at=10, start=len(HEAD), length=len(PIXELS))
    return holder, objects.put_split(content, loan), content


def test_a_split_object_reads_as_if_it_were_whole(objects: ObjectStore) -> None:
    holder, borrower, content = lend(objects)
    assert borrower == hashlib.sha256(content).hexdigest()
    assert objects.get(borrower) == content
    assert set(objects.digests()) == {holder, borrower}
    assert file_of(objects, borrower + SPLIT).stat().st_size < 300
    assert objects.loan_of(holder) is None
    loan = objects.loan_of(borrower)
    assert loan is not None
    assert loan.holder == holder
    with objects.local_copies([holder, borrower]) as (whole, copy):
        assert whole == file_of(objects, holder)
        assert copy.read_bytes() == content
    assert not copy.exists()


@pytest.mark.parametrize("bit", [0, 7, 100, 2_000, 8_000, 300_000])
def test_a_flipped_bit_of_holder_or_borrower_is_found(objects: ObjectStore, bit: int) -> None:
    holder, borrower, _ = lend(objects)
    for name in (holder, borrower + SPLIT):
        path = file_of(objects, name)
        content = bytearray(path.read_bytes())
        if bit // 8 >= len(content):
            continue
        content[bit // 8] ^= 1 << bit % 8
        before = path.read_bytes()
        path.write_bytes(content)
        assert any(is_damaged(objects, digest) for digest in (holder, borrower))
        path.write_bytes(before)
        assert not any(is_damaged(objects, digest) for digest in (holder, borrower))


def is_damaged(objects: ObjectStore, digest: Digest) -> bool:
    try:
        objects.get(digest)
    except DamagedObject:
        return True
    return False


def test_a_borrower_without_its_holder_is_damaged_until_it_was_made_whole(
    objects: ObjectStore,
) -> None:
    holder, borrower, content = lend(objects)
    file_of(objects, holder).rename(file_of(objects, holder).with_name(".aside"))
    with pytest.raises(DamagedObject, match="lacks its pixels"):
        objects.get(borrower)
    file_of(objects, holder).with_name(".aside").rename(file_of(objects, holder))
    objects.make_whole(borrower)
    assert objects.remove(holder, older_than_s=0.0)
    assert objects.get(borrower) == content
    assert list(objects.digests()) == [borrower]


def test_what_was_put_lately_is_not_removed(objects: ObjectStore) -> None:
    digest = objects.put(b"content")
    os.utime(file_of(objects, digest), (0, 0))
    assert objects.put(b"content") == digest
    assert not objects.remove(digest, older_than_s=60.0)
    assert objects.get(digest) == b"content"
    os.utime(file_of(objects, digest), (0, 0))
    assert objects.remove(digest, older_than_s=60.0)
    assert objects.age_s(digest) is None


def test_an_object_that_is_being_made_whole_is_listed_once(objects: ObjectStore) -> None:
    _, borrower, content = lend(objects)
    objects.put(content)
    assert objects.digests_of(borrower[:2]).count(borrower) == 1
    assert objects.get(borrower) == content


def test_local_copies_are_checked(objects: ObjectStore) -> None:
    digest = objects.put(b"content")
    file_of(objects, digest).write_bytes(b"CONTENT")
    with pytest.raises(DamagedObject), objects.local_copies([digest]):
        pass
