"""Objects in a real server that speaks S3."""

from pathlib import Path

import pytest

from sightline.errors import BadSettings, DamagedObject, UnknownName
from sightline.store.objects import Loan, ObjectStore
from sightline.values.identity import Digest


@pytest.fixture
def objects(s3_url: str, tmp_path: Path) -> ObjectStore:
    return ObjectStore.at(tmp_path / "unused", s3_url, "archive")


def test_what_was_put_comes_back_checked(objects: ObjectStore, tmp_path: Path) -> None:
    contents = [b"", b"content", bytes(2_000_000)]
    digests = [objects.put(content) for content in contents]
    assert [objects.get(digest) for digest in digests] == contents
    assert list(objects.digests()) == sorted(digests)
    objects.blobs.write(digests[1], b"CONTENT")
    with pytest.raises(DamagedObject):
        objects.get(digests[1])
    assert objects.put(b"content") == digests[1]
    assert objects.get(digests[1]) == b"content"
    assert not (tmp_path / "unused").exists()


def test_an_absent_object(objects: ObjectStore) -> None:
    with pytest.raises(UnknownName):
        objects.get(Digest("0" * 64))
    assert objects.age_s(Digest("0" * 64)) is None


def test_a_split_object_and_local_copies(objects: ObjectStore) -> None:
    pixels = bytes(range(256)) * 300
    holder = objects.put(b"other head" + pixels)
    loan = Loan(holder=holder, held_at=10, start=4, length=len(pixels))
    borrower = objects.put_split(b"head" + pixels + b"tail", loan)
    assert objects.get(borrower) == b"head" + pixels + b"tail"
    with objects.local_copies([holder, borrower]) as copies:
        assert [path.read_bytes() for path in copies] == [
            objects.get(digest) for digest in (holder, borrower)
        ]
    assert not any(path.exists() for path in copies)


def test_only_what_is_old_is_removed(objects: ObjectStore) -> None:
    digest = objects.put(b"content")
    assert not objects.remove(digest, older_than_s=3600.0)
    assert objects.get(digest) == b"content"
    assert objects.remove(digest, older_than_s=-5.0)
    assert list(objects.digests()) == []


def test_parts_of_a_bucket_do_not_mix(objects: ObjectStore, s3_url: str, tmp_path: Path) -> None:
    digest = objects.put(b"content")
    other = ObjectStore.at(tmp_path / "unused", s3_url, "hub")
    assert list(other.digests()) == []
    assert list(ObjectStore.at(tmp_path, s3_url, "archive").digests()) == [digest]


def test_a_put_that_s3_does_not_answer_is_an_os_error(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, s3_url: str, tmp_path: Path
) -> None:
    bucket = s3_url.removeprefix("s3://").split("/")[0]
    missing = s3_url.replace(bucket, "no-such-bucket")
    with pytest.raises(BadSettings, match="cannot be used"):
        ObjectStore.at(tmp_path, missing, "archive")
    with pytest.raises(BadSettings, match="names no bucket"):
        ObjectStore.at(tmp_path, "http://somewhere", "archive")
    objects.put(b"content")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(BadSettings, match="cannot be used"):
        ObjectStore.at(tmp_path, s3_url, "archive")
