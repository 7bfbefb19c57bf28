"""A disk that fails is no acknowledgement, and intake heals by itself when the fault is gone."""

import contextlib
import errno
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.outbox import due_deliveries
from sightline.archive.verifying import verify_archive_part
from sightline.catalog.archive_tables import INSTANCE, OUTBOX
from sightline.errors import PeerFailed
from sightline.formats.dicom_elements import dataset_offset
from sightline.peers.dimse import send
from sightline.serve.outbox import deliver_due
from sightline.settings import Settings
from sightline.store.blobs import PARTS
from sightline.values.identity import Digest
from tests.counterparties import Orthanc, free_port
from tests.instances import SERIES, uid, write_series
from tests.intake.conftest import ListenerProcess

FAULTS = [
    ("write", errno.EIO),
    ("write", errno.ENOSPC),
    ("pwrite64", errno.EIO),
    ("pwrite64", errno.ENOSPC),
    ("fsync", errno.EIO),
    ("fsync", errno.ENOSPC),
    ("rename", errno.EIO),
    ("open", errno.EMFILE),
    ("open", errno.EIO),
]


@pytest.fixture
def failing(
    settings: Settings, shim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[ListenerProcess, Path]]:
    """Give a listener whose disk fails while the file beside says so."""
    told = tmp_path / "fault"
    running = ListenerProcess(settings.data_dir, free_port())
    with monkeypatch.context() as environment:
        environment.setenv("LD_PRELOAD", str(shim))
        environment.setenv("FAULT_FILE", str(told))
        environment.setenv("FAULT_ROOT", str(settings.archive_dir))
        running.start()
    yield running, told
    told.unlink(missing_ok=True)
    running.stop()


def held(archive: Archive) -> dict[str, bytes]:
    """The dataset of every instance, checked against its digest."""
    with archive.database.read() as connection:
        rows = connection.execute(sa.select(INSTANCE.c.uid, INSTANCE.c.digest)).all()
    contents = {row.uid: archive.objects.get(Digest(row.digest)) for row in rows}
    return {name: content[dataset_offset(content) :] for name, content in contents.items()}


@pytest.mark.parametrize("faults", [16, pytest.param(160, marks=pytest.mark.gate)])
def test_a_failing_disk_is_no_acknowledgement_and_heals(
    failing: tuple[ListenerProcess, Path], archive: Archive, tmp_path: Path, faults: int
) -> None:
    listener, told = failing
    chance = random.Random(2026)  # noqa: S311 - only kinds are drawn
    files = write_series(tmp_path / "series", 3 * faults, size=64)
    wanted = {uid(number): path.read_bytes() for number, path in enumerate(files, start=1)}
    refused = 0
    for fault in range(faults):
        call, number = FAULTS[fault % len(FAULTS)]
        before, during, after = files[3 * fault : 3 * fault + 3]
        send(listener.destination, [before], calling_ae="TEST")
        told.write_text(f"{call} {number}\n")
        time.sleep(chance.uniform(0, 0.02))
        acknowledged = False
        with contextlib.suppress(PeerFailed):
            send(listener.destination, [during], calling_ae="TEST")
            acknowledged = True
        told.unlink()
        name = uid(3 * fault + 2)
        if acknowledged:
            assert name in held(archive), (call, number)
        else:
            refused += 1
        # It heals without a restart, and takes what it had refused.
        send(listener.destination, [during, after], calling_ae="TEST")
    found = held(archive)
    assert set(found) == set(wanted)
    for name, dataset in found.items():
        assert dataset == wanted[name][dataset_offset(wanted[name]) :]
    flaws = [flaw for part in PARTS for flaw in verify_archive_part(archive, part, lambda _: None)]
    assert {flaw.kind for flaw in flaws} <= {"orphan"}
    assert refused >= 0.9 * faults  # the faults were real


def test_a_pacs_that_is_down_is_waited_for(
    archive: Archive,
    listener_process: ListenerProcess,
    orthanc: Orthanc,
    tmp_path: Path,
    pass_time: Callable[[], None],
) -> None:
    send(
        listener_process.destination,
        write_series(tmp_path / "series", 2),
        calling_ae="TEST",
    )
    rows = [
        {
            "instance_uid": uid(number),
            "destination": f"NOBODY@127.0.0.1:{free_port()}",
            "state": "waiting",
            "attempts": 0,
            "next_attempt_at": 0.0,
            "problem": "",
        }
        for number in (1, 2)
    ]
    with archive.database.write() as connection:
        connection.execute(OUTBOX.insert(), rows)
    for attempt in range(1, 4):
        assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=30) == 0
        assert due_deliveries(archive) == []  # each waits its turn
        pass_time()
        assert [each.attempts for each in due_deliveries(archive)] == [attempt, attempt]
    with archive.database.write() as connection:  # it is up again
        connection.execute(OUTBOX.update().values(destination=orthanc.destination))
    assert deliver_due(archive, calling_ae="SIGHTLINE", max_attempts=30) == 2
    assert set(orthanc.instances()) == {uid(1), uid(2)}
    assert all(name.startswith(SERIES) for name in orthanc.instances())


@pytest.fixture
def pass_time(archive: Archive) -> Callable[[], None]:
    """Give a function that lets every wait be over."""

    def forward() -> None:
        with archive.database.write() as connection:
            connection.execute(OUTBOX.update().values(next_attempt_at=0.0))

    return forward
