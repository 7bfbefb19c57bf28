"""Checking that the archive holds what its catalog says, bit for bit."""

from collections.abc import Callable, Iterable

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.pixels import REFERENCES, needed, remove_object
from sightline.catalog.archive_tables import HOLDING, INSTANCE, LOAN, PREDICTION, SHADOW
from sightline.store.verifying import verify_part
from sightline.values.flaw import Flaw
from sightline.values.identity import Digest

ORPHAN_AGE_S = 24 * 3600.0
"""An object without a row may be on its way into the catalog; after a day it is not."""

_OWNERS = (
    sa.select(INSTANCE.c.study_uid, INSTANCE.c.series_uid, INSTANCE.c.source).where(
        INSTANCE.c.digest == sa.bindparam("digest")
    ),
    sa.select(HOLDING.c.study_uid, HOLDING.c.series_uid, sa.literal("quarantine")).where(
        HOLDING.c.digest == sa.bindparam("digest")
    ),
    sa.select(PREDICTION.c.study_uid, PREDICTION.c.series_uid, PREDICTION.c.model_version).where(
        PREDICTION.c.picture_digest == sa.bindparam("digest")
    ),
    sa.select(SHADOW.c.study_uid, SHADOW.c.series_uid, SHADOW.c.model_version).where(
        SHADOW.c.seg_digest == sa.bindparam("digest")
    ),
)


def verify_archive_part(archive: Archive, part: str, on_read: Callable[[int], None]) -> list[Flaw]:
    """Check every object whose digest begins with `part`, and every row that needs one.

    Raises:
        OSError: The store or the catalog cannot be read.
    """
    found = verify_part(archive.objects, part, _wanted(archive, part), on_read=on_read)
    if not found:
        return []
    with archive.database.read() as connection:
        # What came while we read has its row by now.
        still_needed = needed(connection, list(found)) | _lent(connection, found)
        return [
            _flaw(connection, digest, kind)
            for digest, kind in found.items()
            if kind == "damaged" or (kind == "missing") == (digest in still_needed)
        ]


def remove_orphan(archive: Archive, digest: Digest) -> bool:
    """Remove an object that no row needs, if it is older than a day; tell whether it is gone.

    Raises:
        OSError: The store or the catalog cannot be written.
    """
    return remove_object(archive, digest, older_than_s=ORPHAN_AGE_S)


def _wanted(archive: Archive, part: str) -> set[str]:
    with archive.database.read() as connection:
        return {
            digest
            for column, which in (*REFERENCES, (LOAN.c.holder, sa.true()))
            for digest in connection.execute(
                sa.select(column).where(column >= part, column < part + "g", which).distinct()
            ).scalars()
        }


def _lent(connection: sa.Connection, digests: Iterable[str]) -> set[str]:
    lent = sa.select(LOAN.c.holder).where(LOAN.c.holder.in_(list(digests)))
    return set(connection.execute(lent).scalars())


def _flaw(connection: sa.Connection, digest: Digest, kind: str) -> Flaw:
    owner = None
    for owners in _OWNERS:
        owner = owner or connection.execute(owners.limit(1), {"digest": digest}).first()
    study_uid, series_uid, source = owner or ("", "", "")
    return Flaw(
        store="archive",
        kind=kind,  # type: ignore[arg-type]  # from verify_part
        what="object",
        digest=digest,
        study_uid=study_uid,
        series_uid=series_uid,
        source=source,
    )
