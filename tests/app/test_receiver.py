"""Several receiving processes share one port; one that is killed is missed by nobody for long."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import ASSOCIATION, INSTANCE
from sightline.errors import PeerFailed
from sightline.formats.dicom_elements import dataset_offset
from sightline.peers.dimse import echo, parse_destination, send
from tests.app.conftest import Sightline
from tests.counterparties import wait_until
from tests.instances import SERIES, part10_of, slice_of
from tests.intake.raw_dicom import associated, store


@pytest.fixture
def shared(sightline: Sightline) -> Sightline:
    """Give a server with two receiving processes, both of them ready."""
    sightline.receivers = 2
    sightline.start()
    wait_until(lambda: sightline.log().count("listening") >= 2, seconds=60)
    return sightline


def write(folder: Path, sender: int, count: int) -> list[Path]:
    series = f"{SERIES}.{sender}"
    folder.mkdir()
    files = []
    for number in range(1, count + 1):
        dataset = slice_of(number, SeriesInstanceUID=series, SOPInstanceUID=f"{series}.{number}")
        files.append(folder / f"{number:03}.dcm")
        files[-1].write_bytes(part10_of(dataset))
    return files


def catalog(sightline: Sightline, query: sa.Select[tuple[str]]) -> list[str]:
    archive = Archive.at(sightline.data_dir / "archive")
    try:
        with archive.database.read() as connection:
            return list(connection.execute(query).scalars())
    finally:
        archive.close()


def receivers_of(sightline: Sightline) -> set[int]:
    """Process ids of the receivers that run."""
    assert sightline.process is not None
    children = Path(f"/proc/{sightline.process.pid}/task/{sightline.process.pid}/children")
    found = set()
    for child in children.read_text().split():
        command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"receive" in command:
            found.add(int(child))
    return found


def test_processes_share_the_port_and_a_dead_one_is_replaced(
    shared: Sightline, tmp_path: Path
) -> None:
    peer = parse_destination(shared.destination)
    parts = [write(tmp_path / str(sender), sender, 12) for sender in range(6)]

    def store_part(files: list[Path]) -> int:
        return send(peer, files, calling_ae="TEST").instances

    with ThreadPoolExecutor(len(parts)) as senders:
        assert sum(senders.map(store_part, parts)) == 72
    assert len(catalog(shared, sa.select(INSTANCE.c.uid))) == 72
    assert set(catalog(shared, sa.select(ASSOCIATION.c.receiver))) == {1, 2}

    before = receivers_of(shared)
    assert len(before) == 2
    (extra,) = write(tmp_path / "extra", 9, 1)
    content = extra.read_bytes()
    with associated(shared.dimse_port, CTImageStorage, ExplicitVRLittleEndian) as connection:
        dataset = content[dataset_offset(content) :]
        assert store(connection, CTImageStorage, f"{SERIES}.9.1", dataset) == 0
        assert "" in catalog(shared, sa.select(ASSOCIATION.c.ended))
        for process in before:
            os.kill(process, signal.SIGKILL)
        assert connection.recv(1) == b""
    wait_until(lambda: len(receivers_of(shared) - before) == 2, seconds=30)
    wait_until(lambda: "" not in catalog(shared, sa.select(ASSOCIATION.c.ended)), seconds=30)
    assert "lost" in catalog(shared, sa.select(ASSOCIATION.c.ended))
    wait_until(lambda: answers(shared), seconds=30)


def answers(sightline: Sightline) -> bool:
    try:
        return echo(parse_destination(sightline.destination), calling_ae="TEST") < 2.0
    except PeerFailed:
        return False


def test_receivers_end_with_their_parent_and_free_the_port(shared: Sightline) -> None:
    running = receivers_of(shared)
    shared.kill(with_worker=False)
    shared.start()
    wait_until(lambda: not any(Path(f"/proc/{each}").exists() for each in running))
    wait_until(lambda: answers(shared), seconds=30)
    assert receivers_of(shared).isdisjoint(running)
