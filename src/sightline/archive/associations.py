"""Who is connected: a study is complete only when its senders have left."""

from sightline import clock
from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import ASSOCIATION


def open_association(archive: Archive, calling_ae: str, address: str) -> int:
    """Record that a sender connected and return the row's id."""
    with archive.database.write() as connection:
        done = connection.execute(
            ASSOCIATION.insert().values(
                calling_ae=calling_ae, address=address, opened_at=clock.timestamp(), ended=""
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


def close_lost_associations(archive: Archive) -> int:
    """Close what a listener that died left open; call it before listening. Returns how many."""
    with archive.database.write() as connection:
        done = connection.execute(
            ASSOCIATION.update()
            .where(ASSOCIATION.c.closed_at.is_(None))
            .values(closed_at=clock.timestamp(), ended="lost")
        )
        return int(done.rowcount)
