"""The objects of a hub under the names of its next key, beside those that it has.

Objects are named by what they hold, so old and new ones lie in one store until the catalog follows.
What was done is kept in a book, so that whoever is stopped goes on there.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from sightline.catalog.hub_tables import INSTANCE, SERIES
from sightline.deid.rekeying import Rekeying
from sightline.errors import BadFile, DamagedObject, Refused, UnknownName
from sightline.hub.hub import Hub
from sightline.hub.verifying import OBJECTS
from sightline.store.blobs import PARTS
from sightline.values.identity import Digest, SubjectId

Tell = Callable[[int, int], None]
"""Called with what is done, and of how much."""

BOOK_FILE = "rotation.book"

_WORDS = 4
_WHATEVER_ITS_AGE = float("-inf")


class Rekeyed(NamedTuple):
    """An object as it will be."""

    digest: Digest
    size_bytes: int


def rekey_objects(
    hub: Hub, names: Rekeying, book: Path, *, mark: str, tell: Tell
) -> dict[Digest, Rekeyed]:
    """Keep every instance of the hub under its next names too; return what became of each object.

    Args:
        hub: the store, as it is.
        names: of the next key.
        book: where what is done is noted.
        mark: tells the next key from others; a book of another key is begun anew.
        tell: called with the instances done.

    Raises:
        Refused: An instance cannot be read, or cannot be named anew.
        OSError: Something cannot be read or made durable.
    """
    done = _read(book, mark)
    rows = _instances(hub)
    found: dict[Digest, Rekeyed] = {}
    with book.open("a", encoding="ascii", buffering=1) as file:
        for number, (uid, digest, subject) in enumerate(rows, start=1):
            known = done.get((digest, subject))
            # Objects that no row needs may have been removed meanwhile.
            if known is None or hub.objects.age_s(known.digest) is None:
                known = _rekey(hub, names, uid=uid, digest=digest, subject=subject)
                file.write(f"{digest} {subject} {known.digest} {known.size_bytes}\n")
            found[digest] = known
            tell(number, len(rows))
    return found


def drop_other_objects(hub: Hub, *, tell: Tell) -> int:
    """Remove every object that no row of the hub names; return how many went.

    Raises:
        OSError: An object cannot be removed.
    """
    wanted = _wanted(hub)
    gone = 0
    for number, part in enumerate(PARTS, start=1):
        for digest in hub.objects.digests_of(part):
            if digest not in wanted:
                hub.objects.remove(digest, older_than_s=_WHATEVER_ITS_AGE)
                gone += 1
        tell(number, len(PARTS))
    hub.objects.blobs.remove_unfinished()
    return gone


def drop_unfinished_objects(hub: Hub, book: Path) -> None:
    """Remove what a rotation that will never end made, and its book.

    Raises:
        OSError: An object cannot be removed.
    """
    if not book.exists():
        return
    wanted = _wanted(hub)
    for known in _entries(book.read_text("ascii").split("\n")).values():
        if known.digest not in wanted:
            hub.objects.remove(known.digest, older_than_s=_WHATEVER_ITS_AGE)
    book.unlink()


def missing_objects(hub: Hub) -> set[str]:
    """Return the digests that rows name and the store does not have."""
    return _wanted(hub) - set(hub.objects.digests())


def _rekey(hub: Hub, names: Rekeying, *, uid: str, digest: Digest, subject: SubjectId) -> Rekeyed:
    try:
        content = names.content(hub.objects.get(digest), subject)
    except (BadFile, DamagedObject, UnknownName) as error:
        raise Refused(
            f"instance {uid} of the hub cannot be given new names: {error.problem}",
            hint="`sightline verify --repair-from BACKUP` mends it, or let its study pass the door "
            "again; then run this once more.",
        ) from error
    return Rekeyed(hub.objects.put(content), len(content))


def _instances(hub: Hub) -> list[tuple[str, Digest, SubjectId]]:
    query = sa.select(INSTANCE.c.uid, INSTANCE.c.digest, SERIES.c.subject_id).join(
        SERIES, SERIES.c.uid == INSTANCE.c.series_uid
    )
    with hub.database.read() as connection:
        rows = connection.execute(query.order_by(INSTANCE.c.uid)).all()
    return [(row.uid, Digest(row.digest), SubjectId(row.subject_id)) for row in rows]


def _wanted(hub: Hub) -> set[str]:
    with hub.database.read() as connection:
        return {
            digest
            for column in OBJECTS
            for digest in connection.execute(sa.select(column).distinct()).scalars()
        }


def _read(book: Path, mark: str) -> dict[tuple[Digest, SubjectId], Rekeyed]:
    """Read what was done; the last line may be cut off, and a book of another key is no use."""
    first, *lines = book.read_text("ascii").split("\n") if book.exists() else [""]
    if first != mark:
        book.write_text(f"{mark}\n", "ascii")
        return {}
    os.truncate(book, book.stat().st_size - len(lines[-1]))
    return _entries(lines[:-1])


def _entries(lines: list[str]) -> dict[tuple[Digest, SubjectId], Rekeyed]:
    done = {}
    for line in lines:
        words = line.split(" ")
        if len(words) == _WORDS and words[-1].isdigit():
            digest, subject, following, size_bytes = words
            done[Digest(digest), SubjectId(subject)] = Rekeyed(Digest(following), int(size_bytes))
    return done
