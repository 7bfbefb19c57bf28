"""The pixels of a study exist once: an object whose pixels are held already borrows them.

Why by samples and comparison: docs/decisions/0011-pixels-once.md.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import (
    CLINICAL_MESSAGE,
    HOLDING,
    INSTANCE,
    LOAN,
    PIXELS,
    PREDICTION,
    SHADOW,
)
from sightline.catalog.database import Collision, Database, insert_new
from sightline.catalog.statements import Statement
from sightline.errors import DamagedObject, UnknownName
from sightline.formats.dicom_file import Header, read_header
from sightline.store.objects import Loan, ObjectStore
from sightline.values.identity import Digest

SMALLEST_BYTES = 64 * 1024
"""Below, a split would save less than it costs."""

REFERENCES: tuple[tuple[sa.Column[str], sa.ColumnElement[bool]], ...] = (
    (INSTANCE.c.digest, sa.true()),
    (HOLDING.c.digest, HOLDING.c.state != "deleted"),
    (PREDICTION.c.picture_digest, sa.true()),
    (SHADOW.c.seg_digest, sa.true()),
    (CLINICAL_MESSAGE.c.digest, sa.true()),
)
"""Every column that names an object, and in which rows; what none names may be removed."""

_SAMPLES, _SAMPLE_BYTES = 64, 64
_MOST_CANDIDATES = 8

_CANDIDATES = Statement(
    sa.select(PIXELS.c.digest, PIXELS.c.start, PIXELS.c.length)
    .where(PIXELS.c.key == sa.bindparam("wanted"))
    .order_by(PIXELS.c.digest)
    .limit(sa.literal_column(str(_MOST_CANDIDATES)))
)
_LEND = Statement(
    sa.text(
        "INSERT INTO pixels (digest, key, start, length) "
        "VALUES (:digest, :key, :start, :length) ON CONFLICT DO NOTHING"
    )
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pixels:
    """Where the pixels of an object lie, and what tells them from others.

    Attributes:
        key: same pixels have the same key; the same key asks for a comparison.
    """

    key: str
    start: int
    length: int


class Lender(NamedTuple):
    """An object that may hold pixels, and where in it they would lie."""

    digest: str
    start: int
    length: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """Bytes that are durable in the object store.

    Attributes:
        pixels: of an object that is kept whole and may lend; None where there is nothing to lend.
        holder: of an object that is kept split: whose pixels it borrows.
    """

    digest: Digest
    size_bytes: int
    pixels: Pixels | None = None
    holder: Digest | None = None


def find_pixels(header: Header, content: bytes) -> Pixels | None:
    """Describe the pixels of an instance; None where there are none, or too few to be worth it."""
    if header.pixels is None or header.pixels[1] < SMALLEST_BYTES:
        return None
    start, length = header.pixels
    step = (length - _SAMPLE_BYTES) // (_SAMPLES - 1)
    places = range(start, start + length - _SAMPLE_BYTES + 1, step)
    samples = b"".join(content[place : place + _SAMPLE_BYTES] for place in places)
    key = hashlib.sha256(b"%d " % length + samples).hexdigest()
    return Pixels(key=key, start=start, length=length)


def find_lenders(database: Database, pixels: Pixels | None) -> list[Lender]:
    """Find the objects that may hold the same pixels; only a comparison tells."""
    if pixels is None:
        return []
    return [Lender(*row) for row in database.find(_CANDIDATES, {"wanted": pixels.key})]


def put_once(
    objects: ObjectStore, content: bytes, *, pixels: Pixels | None, lenders: Sequence[Lender]
) -> Stored:
    """Keep an instance durably, without its pixels where one of the lenders holds the same.

    Raises:
        OSError: The bytes could not be made durable.
    """
    size_bytes = len(content)
    loan = None
    if pixels is not None and lenders:
        loan = _find_loan(objects, content, pixels=pixels, lenders=lenders)
    if loan is None:
        return Stored(digest=objects.put(content), size_bytes=size_bytes, pixels=pixels)
    digest = objects.put_split(content, loan)
    return Stored(digest=digest, size_bytes=size_bytes, holder=loan.holder)


def enter_pixels(connection: sa.Connection, stored: Stored) -> None:
    """Enter what an object lends or borrows, within the transaction that enters the object.

    Raises:
        Collision: The holder was removed meanwhile; keep the object anew.
    """
    if stored.holder is not None:
        # Locked, so that it is not removed before this transaction is seen.
        holder = sa.select(PIXELS.c.digest).where(PIXELS.c.digest == stored.holder)
        if connection.execute(holder.with_for_update(read=True)).first() is None:
            raise Collision("the object that holds the pixels was removed meanwhile")
        insert_new(connection, LOAN, {"digest": stored.digest, "holder": stored.holder})
    elif stored.pixels is not None:
        _LEND.run(connection, {"digest": stored.digest} | dataclasses.asdict(stored.pixels))


def remove_object(archive: Archive, digest: Digest, *, older_than_s: float = 3600.0) -> bool:
    """Remove an object that no row needs; who borrows its pixels gets them first.

    A crash at any point leaves at worst an object that no row needs, and a repeat removes it.

    Args:
        archive: the store.
        digest: of the object.
        older_than_s: what was put later stays, for its row may still be on its way.

    Returns:
        Whether it is gone.

    Raises:
        DamagedObject: It lends to others and is damaged.
        OSError: The store or the catalog cannot be written.
    """
    while not _turn_borrowers(archive, digest):
        pass
    with archive.database.write() as connection:
        if needed(connection, [digest]) or _borrowers(connection, digest):
            return False
        connection.execute(LOAN.delete().where(LOAN.c.digest == digest))
        connection.execute(PIXELS.delete().where(PIXELS.c.digest == digest))
    return archive.objects.remove(digest, older_than_s=older_than_s)


def needed(connection: sa.Connection, digests: Sequence[str]) -> set[str]:
    """Tell which objects rows of the catalog refer to."""
    return {
        digest
        for column, which in REFERENCES
        for digest in connection.execute(
            sa.select(column).where(column.in_(digests), which)
        ).scalars()
    }


def _borrowers(connection: sa.Connection, digest: str) -> set[str]:
    found = connection.execute(sa.select(LOAN.c.digest).where(LOAN.c.holder == digest)).scalars()
    return set(found)


def _turn_borrowers(archive: Archive, digest: Digest) -> bool:
    """Make one borrower whole and let the others borrow from it; tell whether none is left."""
    with archive.database.read() as connection:
        if needed(connection, [digest]):
            return True
        borrowers = _borrowers(connection, digest)
    if not borrowers:
        return True
    heir, *others = sorted(Digest(each) for each in borrowers)
    archive.objects.make_whole(heir)
    pixels = _pixels_of(archive.objects.get(heir))
    for other in others:
        content = archive.objects.get(other)
        own = _pixels_of(content)
        loan = Loan(holder=heir, held_at=pixels.start, start=own.start, length=own.length)
        archive.objects.put_split(content, loan)
    with archive.database.write() as connection:
        locked = sa.select(PIXELS.c.digest).where(PIXELS.c.digest == digest).with_for_update()
        connection.execute(locked)
        if _borrowers(connection, digest) != borrowers:
            return False  # another one came meanwhile
        insert_new(connection, PIXELS, {"digest": heir} | dataclasses.asdict(pixels))
        connection.execute(LOAN.delete().where(LOAN.c.digest == heir))
        connection.execute(LOAN.update().where(LOAN.c.holder == digest).values(holder=heir))
    return True


def _pixels_of(content: bytes) -> Pixels:
    pixels = find_pixels(read_header(content), content)
    if pixels is None:
        raise DamagedObject(
            "an object that borrows pixels has none",
            hint="`sightline verify --repair-from BACKUP` mends it.",
        )
    return pixels


def _find_loan(
    objects: ObjectStore, content: bytes, *, pixels: Pixels, lenders: Sequence[Lender]
) -> Loan | None:
    wanted = memoryview(content)[pixels.start : pixels.start + pixels.length]
    own = hashlib.sha256(content).hexdigest()
    for digest, start, length in lenders:
        if digest == own:
            return None  # the same object once more
        try:
            holder = memoryview(objects.get(Digest(digest)))
        except (DamagedObject, UnknownName):
            continue  # nothing is borrowed from what is broken
        if holder[start : start + length] == wanted:
            return Loan(
                holder=Digest(digest),
                held_at=start,
                start=pixels.start,
                length=pixels.length,
            )
    return None
