"""Who is connected: a study is complete only when its senders have left."""

import sqlalchemy as sa

from sightline import clock
from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import ASSOCIATION


def open_association(archive: Archive, calling_ae: str, address: str, *, receiver: int = 0) -> int:
    """Record that a sender connected to a receiving process and return the row's id."""
    with archive.database.write() as connection:
        done = connection.execute(
            ASSOCIATION.insert().values(
                calling_ae=calling_ae,
                address=address,
                opened_at=clock.timestamp(),
                ended="",
                receiver=receiver,
            )
        )
        key = done.inserted_primary_key
        assert key is not None  # noqa: S101 - the insert above made it
        return int(key[0])


def close_association(archive: Archive, association: int, ended: str) -> None:
    """Record that a sender left; `ended` is `released`, `aborted` or `lost`."""
    with archive.database.write() as connection:
        connection.execute(
            ASSOCIATION.update()
            .where(ASSOCIATION.c.id == association)
            .values(closed_at=clock.timestamp(), ended=ended)
        )


def close_lost_associations(archive: Archive, *, receiver: int | None = None) -> int:
    """Close what a receiving process that died left open; return how many.

    Call it before one listens again: for all of them, or for the one that died.
    """
    is_of_it = sa.true() if receiver is None else ASSOCIATION.c.receiver == receiver
    with archive.database.write() as connection:
        done = connection.execute(
            ASSOCIATION.update()
            .where(ASSOCIATION.c.closed_at.is_(None), is_of_it)
            .values(closed_at=clock.timestamp(), ended="lost")
        )
        return int(done.rowcount)
