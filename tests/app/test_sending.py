"""The worker goes on sending after its catalog failed."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.app.worker import send_until
from sightline.archive.archive import Archive
from sightline.archive.commitments import Commitment, Reference, owe
from sightline.catalog.archive_tables import COMMITMENT
from sightline.settings import Settings
from tests.counterparties import wait_until


def rename(archive: Archive, before: str, after: str) -> None:
    with archive.database.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE {before} RENAME TO {after}"))


def attempts(archive: Archive) -> int:
    with archive.database.read() as connection:
        return connection.execute(sa.select(COMMITMENT.c.attempts)).scalar_one()


def test_a_catalog_that_fails_for_a_moment_does_not_end_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.load(data_dir=tmp_path / "data")
    archive, stop = Archive.open(settings), threading.Event()
    request = Commitment(
        transaction_uid="1.2.3",
        references=(Reference(sop_class_uid="1.2", instance_uid="1.2.3.4"),),
    )
    owe(archive, "NOBODY", request, wait_s=0.0)
    rename(archive, "outbox", "elsewhere")
    sender = threading.Thread(target=send_until, args=(stop, archive, settings))
    sender.start()
    try:
        wait_until(lambda: "sending_failed" in capsys.readouterr().out)
        assert attempts(archive) == 0
        rename(archive, "elsewhere", "outbox")
        wait_until(lambda: attempts(archive) == 1)
    finally:
        stop.set()
        sender.join()
        archive.close()
