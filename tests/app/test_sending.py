"""The worker goes on sending after its catalog failed, and while a peer hangs."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.app.worker import send_until, senders_of
from sightline.archive.archive import Archive
from sightline.archive.commitments import Commitment, Reference, owe
from sightline.archive.outbox import sent_messages
from sightline.catalog.archive_tables import COMMITMENT
from sightline.serve.messages import told_of_results
from sightline.settings import Settings
from tests.clinical_results import publish_one
from tests.counterparties import HOST, wait_until
from tests.told import FhirServer, Hl7Listener, say_nothing


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
    sender = threading.Thread(target=send_until, args=(stop, senders_of(archive, settings)[0]))
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


def test_a_peer_that_hangs_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    server = FhirServer()
    with Hl7Listener(say_nothing) as silent, server.serve() as serving:
        settings = Settings.load(
            data_dir=tmp_path / "data",
            results_hl7=f"{HOST}:{silent.port}",
            results_fhir=serving.url,
        )
        archive, stop = Archive.open(settings), threading.Event()
        publish_one(archive, 1, "A", told_of_results(settings))
        senders = [
            threading.Thread(target=send_until, args=(stop, send), daemon=True)
            for send in senders_of(archive, settings)
        ]
        for sender in senders:
            sender.start()
        try:
            wait_until(lambda: len(silent.messages) == 1)
            wait_until(lambda: "delivered" in {each.state for each in sent_messages(archive)})
            assert {(each.to.kind, each.state) for each in sent_messages(archive)} == {
                ("fhir", "delivered"),
                ("hl7", "waiting"),
            }
        finally:
            stop.set()
            silent.release()
            for sender in senders:
                sender.join()
            archive.close()
