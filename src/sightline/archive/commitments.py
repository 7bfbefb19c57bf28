"""Storage commitment reports that are owed to peers: kept until they are told."""

import dataclasses

import sqlalchemy as sa

from sightline import clock
from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import COMMITMENT


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """An instance that we shall answer for."""

    sop_class_uid: str
    instance_uid: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Commitment:
    """One request: its transaction and what it names."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Owed:
    """A report that somebody waits for.

    Attributes:
        title: the AE title that asked.
        attempts: how often it could not be told on an association of our own.
    """

    id: int
    title: str
    commitment: Commitment
    attempts: int


def owe(archive: Archive, title: str, commitment: Commitment, *, wait_s: float) -> int:
    """Remember a request before it is answered; return the id of what is owed.

    Args:
        archive: what answers for the instances.
        title: the AE title that asks.
        commitment: the request.
        wait_s: how long whoever took it may need to report by itself.

    Raises:
        OSError: The catalog cannot be written.
    """
    references = [[each.sop_class_uid, each.instance_uid] for each in commitment.references]
    with archive.database.write() as connection:
        done = connection.execute(
            COMMITMENT.insert().values(
                title=title,
                transaction_uid=commitment.transaction_uid,
                references=references,
                attempts=0,
                next_attempt_at=clock.timestamp() + wait_s,
            )
        )
        key = done.inserted_primary_key
        assert key is not None  # noqa: S101 - the insert above made it
        return int(key[0])


def due_reports(archive: Archive) -> list[Owed]:
    """List the reports that are to be told now, those that wait longest first."""
    due = (
        sa.select(COMMITMENT)
        .where(COMMITMENT.c.next_attempt_at <= clock.timestamp())
        .order_by(COMMITMENT.c.next_attempt_at)
    )
    with archive.database.read() as connection:
        rows = connection.execute(due).all()
    return [
        Owed(
            id=row.id,
            title=row.title,
            commitment=Commitment(
                transaction_uid=row.transaction_uid,
                references=tuple(
                    Reference(sop_class_uid=sop_class_uid, instance_uid=instance_uid)
                    for sop_class_uid, instance_uid in row.references
                ),
            ),
            attempts=row.attempts,
        )
        for row in rows
    ]


def settle(archive: Archive, owed: int) -> None:
    """Forget what is owed: it was told, or nobody can be told."""
    with archive.database.write() as connection:
        connection.execute(COMMITMENT.delete().where(COMMITMENT.c.id == owed))


def postpone(archive: Archive, owed: int, *, wait_s: float, attempts: int) -> None:
    """Have a report be told in `wait_s` seconds; `attempts` were made to tell it."""
    with archive.database.write() as connection:
        connection.execute(
            COMMITMENT.update()
            .where(COMMITMENT.c.id == owed)
            .values(next_attempt_at=clock.timestamp() + wait_s, attempts=attempts)
        )


def hurry_all(archive: Archive) -> None:
    """Have all be told now: whoever was about to report has ended."""
    with archive.database.write() as connection:
        connection.execute(COMMITMENT.update().values(next_attempt_at=clock.timestamp()))
