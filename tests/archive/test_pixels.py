"""The pixels of a study exist once, whatever its headers do, and outlive who held them first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.pixels import REFERENCES, remove_object
from sightline.archive.quarantine import holdings
from sightline.archive.receiving import enter, keep, prepare
from sightline.archive.studies import study
from sightline.catalog.archive_tables import INSTANCE, LOAN, METADATA, PIXELS
from sightline.formats.dicom_file import read_header
from sightline.store.objects import SPLIT
from sightline.values.arrival import Source
from sightline.values.identity import Digest, StudyUid
from tests.instances import STUDY, part10_of, slice_of, uid

SOURCE = Source(name="test")
# Digest columns that name no object of the store, or one that another column names as well.
NO_REFERENCE = {
    "prediction.series_digest",
    "shadow_prediction.series_digest",
    "pixels.digest",
    "loan.digest",
    "audit_entry.digest",
}


@pytest.fixture
def archive(tmp_path: Path, catalog_url: str) -> Iterator[Archive]:
    opened = Archive.at(tmp_path / "archive", catalog_url=catalog_url)
    yield opened
    opened.close()


def slices(number: int, **attributes: object) -> bytes:
    return part10_of(slice_of(number, size=256, **attributes))


def encapsulated(number: int, **attributes: object) -> bytes:
    """A slice whose pixel data is in two fragments; nobody decodes them here."""
    made = slice_of(number, size=16, **attributes)
    fragment = bytes(range(256)) * 400
    items = [b"", fragment, fragment[::-1]]
    fragments = b"".join(
        b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item for item in items
    )
    made.PixelData = fragments + b"\xfe\xff\xdd\xe0\0\0\0\0"
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return part10_of(made, "1.2.840.10008.1.2.4.70")


def bytes_on_disk(archive: Archive) -> int:
    names = [name for part in range(256) for name in archive.objects.blobs.names(f"{part:02x}")]
    return sum(len(archive.objects.blobs.read(name)) for name in names)


def digest_of(archive: Archive, number: int) -> Digest:
    with archive.database.read() as connection:
        query = sa.select(INSTANCE.c.digest).where(INSTANCE.c.uid == uid(number))
        return Digest(connection.execute(query).scalar_one())


def count(archive: Archive, table: sa.Table) -> int:
    with archive.database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


@pytest.mark.parametrize("make", [slices, encapsulated])
def test_a_corrected_header_costs_no_second_copy_of_the_pixels(
    archive: Archive, make: type
) -> None:
    first = make(1)
    keep(archive, first, SOURCE)
    size_bytes = bytes_on_disk(archive)
    # The same instance with a corrected header, and another UID over the same pixels.
    corrected = make(1, PatientName="Probe^Corrected", StudyDescription="Chest and more")
    other = make(1, SOPInstanceUID=uid(2), InstanceNumber=2)
    assert keep(archive, corrected, SOURCE).outcome == "conflict"
    assert keep(archive, other, SOURCE).outcome == "new"
    assert bytes_on_disk(archive) - size_bytes < 2 * (len(first) // 10)
    (held,) = holdings(archive)
    assert archive.objects.get(Digest(held.digest)) == corrected
    contents = [each.read() for each in study(archive, StudyUid(STUDY)).instances]
    assert contents == [first, other]
    assert (count(archive, PIXELS), count(archive, LOAN)) == (1, 2)
    assert keep(archive, other, SOURCE).outcome == "duplicate"


def test_pixels_that_differ_in_one_bit_are_kept_apart(archive: Archive) -> None:
    first = slices(1)
    keep(archive, first, SOURCE)
    made = slice_of(1, size=256, SOPInstanceUID=uid(2))
    pixels = bytearray(made.PixelData)
    pixels[1000] ^= 1  # between two samples: the same key
    made.PixelData = bytes(pixels)
    other = part10_of(made)
    keep(archive, other, SOURCE)
    assert (count(archive, PIXELS), count(archive, LOAN)) == (2, 0)
    with archive.database.read() as connection:
        assert len(set(connection.execute(sa.select(PIXELS.c.key)).scalars())) == 1
    # And each is found again by its own.
    keep(archive, part10_of(made, ImplementationVersionName="X"), SOURCE)
    made.SOPInstanceUID = uid(3)
    keep(archive, part10_of(made), SOURCE)
    assert (count(archive, PIXELS), count(archive, LOAN)) == (2, 1)
    assert archive.objects.loan_of(digest_of(archive, 3)).holder == digest_of(archive, 2)


def test_small_pixels_are_not_worth_it(archive: Archive) -> None:
    for number in (1, 2):
        keep(archive, part10_of(slice_of(1, SOPInstanceUID=uid(number))), SOURCE)
    assert (count(archive, PIXELS), count(archive, LOAN)) == (0, 0)


def test_nothing_is_borrowed_from_what_is_damaged(archive: Archive) -> None:
    first = slices(1)
    keep(archive, first, SOURCE)
    archive.objects.blobs.write(digest_of(archive, 1), first[:-1] + b"?")
    keep(archive, slices(1, SOPInstanceUID=uid(2)), SOURCE)
    assert archive.objects.loan_of(digest_of(archive, 2)) is None


def test_who_borrows_outlives_the_holder(archive: Archive) -> None:
    contents = {
        number: slices(1, SOPInstanceUID=uid(number), InstanceNumber=number)
        for number in range(1, 5)
    }
    for content in contents.values():
        keep(archive, content, SOURCE)
    holders = [digest_of(archive, number) for number in range(1, 5)]
    for gone, digest in enumerate(holders, start=1):
        assert not remove_object(archive, digest, older_than_s=-5.0)  # its row needs it
        with archive.database.write() as connection:
            connection.execute(INSTANCE.delete().where(INSTANCE.c.uid == uid(gone)))
        assert remove_object(archive, digest, older_than_s=-5.0)
        for number in range(gone + 1, 5):
            assert archive.objects.get(digest_of(archive, number)) == contents[number]
    assert list(archive.objects.digests()) == []
    assert (count(archive, PIXELS), count(archive, LOAN)) == (0, 0)


def test_a_holder_that_goes_while_another_comes_costs_nothing(archive: Archive) -> None:
    """The borrower was kept split and its row not yet entered when the holder was removed."""
    keep(archive, slices(1), SOURCE)
    content = slices(1, SOPInstanceUID=uid(2))
    prepared = prepare(archive, read_header(content), content)
    holder = digest_of(archive, 1)
    with archive.database.write() as connection:
        connection.execute(INSTANCE.delete())
    assert remove_object(archive, holder, older_than_s=-5.0)
    assert enter(archive, prepared, SOURCE).outcome == "new"
    assert archive.objects.get(digest_of(archive, 2)) == content
    assert archive.objects.loan_of(digest_of(archive, 2)) is None
    assert archive.objects.blobs.age_s(digest_of(archive, 2) + SPLIT) is not None


def test_every_column_that_names_an_object_is_known() -> None:
    """A new column that names an object must be entered in REFERENCES, or it would be removed."""
    known = {f"{column.table.name}.{column.name}" for column, _ in REFERENCES} | NO_REFERENCE
    found = {
        f"{table.name}.{column.name}"
        for table in METADATA.tables.values()
        for column in table.columns
        if column.name.endswith("digest")
    }
    assert found == known
