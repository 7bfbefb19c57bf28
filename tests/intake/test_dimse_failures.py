"""A listener that is killed or starved acknowledges nothing that it could lose."""

import contextlib
import random
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import ASSOCIATION, INSTANCE
from sightline.errors import PeerFailed
from sightline.formats.dicom_elements import dataset_offset
from sightline.peers.dimse import send
from sightline.values.identity import Digest
from tests.instances import uid, write_series
from tests.intake.conftest import ListenerProcess

MAX_READY_SECONDS = 10.0


def datasets(archive: Archive) -> Iterator[tuple[str, bytes]]:
    """The UID and dataset of every instance of the catalog, checked against its digest."""
    with archive.database.read() as connection:
        rows = connection.execute(select(INSTANCE.c.uid, INSTANCE.c.digest)).all()
    for row in rows:
        content = archive.objects.get(Digest(row.digest))
        yield row.uid, content[dataset_offset(content) :]


def send_and_kill(listener: ListenerProcess, files: list[Path], after_s: float) -> int:
    """Send, kill the listener after `after_s`, and return how much was acknowledged."""
    acknowledged = 0

    def count(sent: int) -> None:
        nonlocal acknowledged
        acknowledged = sent

    killer = threading.Timer(after_s, listener.kill)
    killer.start()
    with contextlib.suppress(PeerFailed):
        send(listener.destination, files, calling_ae="TEST", on_progress=count)
    killer.join()
    return acknowledged


@pytest.mark.parametrize("kills", [20, pytest.param(1000, marks=pytest.mark.gate)])
def test_a_kill_loses_nothing_acknowledged_and_shows_nothing_cut_short(
    listener_process: ListenerProcess, archive: Archive, tmp_path: Path, kills: int
) -> None:
    chance = random.Random(2026)  # noqa: S311 - only moments are drawn
    files = write_series(tmp_path / "series", 40 * kills, size=256)
    safe: set[str] = set()
    for kill in range(kills):
        part = range(40 * kill, 40 * (kill + 1))
        chosen = [files[number] for number in part]
        count = send_and_kill(listener_process, chosen, chance.uniform(0.05, 0.5))
        safe |= {uid(number + 1) for number in part[:count]}
        started = time.monotonic()
        listener_process.start()
        assert time.monotonic() - started <= MAX_READY_SECONDS
    found = set()
    for name, dataset in datasets(archive):
        original = files[int(name.rsplit(".", 1)[1]) - 1].read_bytes()
        assert dataset == original[dataset_offset(original) :]
        found.add(name)
    assert safe
    assert safe <= found
    for digest in archive.objects.digests():
        assert archive.objects.get(digest)
    with archive.database.read() as connection:
        assert "" not in set(connection.execute(select(ASSOCIATION.c.ended)).scalars())


@pytest.mark.parametrize("max_file_bytes", [0, 4096, 30_000])
def test_a_disk_that_is_full_is_no_acknowledgement(
    listener_process: ListenerProcess, archive: Archive, tmp_path: Path, max_file_bytes: int
) -> None:
    refuse_and_recover(
        listener_process,
        archive,
        write_series(tmp_path / "series", 6, size=128),
        limit=(resource.RLIMIT_FSIZE, max_file_bytes),
    )


def test_no_file_descriptor_left_is_no_acknowledgement(
    listener_process: ListenerProcess, archive: Archive, tmp_path: Path
) -> None:
    only_the_connection = listener_process.highest_descriptor() + 2
    refuse_and_recover(
        listener_process,
        archive,
        write_series(tmp_path / "series", 6, size=128),
        limit=(resource.RLIMIT_NOFILE, only_the_connection),
    )


def refuse_and_recover(
    listener: ListenerProcess, archive: Archive, files: list[Path], *, limit: tuple[int, int]
) -> None:
    """Starve the listener, see that it takes nothing, feed it, and see that it takes all."""
    send(listener.destination, files[:2], calling_ae="TEST")
    normal = listener.limit(*limit)
    with pytest.raises(PeerFailed):
        send(listener.destination, files[2:], calling_ae="TEST")
    assert {name for name, _ in datasets(archive)} == {uid(1), uid(2)}
    assert len(list(archive.objects.digests())) == 2
    listener.limit(limit[0], normal)
    send(listener.destination, files, calling_ae="TEST")
    assert {name for name, _ in datasets(archive)} == {uid(number) for number in range(1, 7)}


def test_a_catalog_that_another_process_holds_is_waited_for_or_refused(
    listener_process: ListenerProcess, archive: Archive, tmp_path: Path
) -> None:
    files = write_series(tmp_path / "series", 1)
    with archive.database.write() as connection:
        connection.execute(INSTANCE.delete())
        release = threading.Timer(1.0, lambda: None)
        release.start()
        sender = threading.Thread(
            target=send, args=(listener_process.destination, files), kwargs={"calling_ae": "TEST"}
        )
        sender.start()
        release.join()
        assert sender.is_alive()
    sender.join()
    assert {name for name, _ in datasets(archive)} == {uid(1)}
