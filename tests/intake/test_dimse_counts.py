"""Many senders at once, with repeats and contradictions: every count is exact."""

import random
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sightline.archive.archive import Archive
from sightline.archive.quarantine import holdings
from sightline.catalog.archive_tables import HOLDING, INSTANCE
from sightline.intake.dimse import Listener
from sightline.peers.dimse import Destination, send
from sightline.settings import Settings
from sightline.values.identity import Digest
from tests.counterparties import HOST
from tests.instances import part10_of, slice_of, uid

REPEATED, CONTRADICTED = 0.10, 0.05


@pytest.mark.parametrize(
    ("senders", "each_sends"), [(8, 30), pytest.param(32, 625, marks=pytest.mark.gate)]
)
def test_counts_are_exact(
    archive: Archive, settings: Settings, tmp_path: Path, senders: int, each_sends: int
) -> None:
    chance = random.Random(3)  # noqa: S311 - it mixes, it guards nothing
    originals = {
        uid(number): part10_of(slice_of(number, size=32)) for number in range(senders * each_sends)
    }
    names = list(originals)
    repeated = chance.sample(names, int(REPEATED * len(names)))
    contradicted = chance.sample(names, int(CONTRADICTED * len(names)))
    arrivals = [*originals.values(), *(originals[name] for name in repeated)]
    first, second = write(tmp_path / "first", arrivals, chance), []
    for name in contradicted:
        number = int(name.rsplit(".", 1)[1])
        second.append(part10_of(slice_of(number, size=32, RescaleIntercept=0)))

    listener = Listener(archive, settings)
    listener.start()
    try:
        send_all(listener.port, split(first, senders))
        send_all(listener.port, split(write(tmp_path / "second", second, chance), senders))
    finally:
        listener.stop()

    with archive.database.read() as connection:
        instances = connection.execute(select(INSTANCE.c.uid, INSTANCE.c.digest)).all()
        held = connection.execute(select(func.count()).select_from(HOLDING)).scalar_one()
    assert {row.uid for row in instances} == set(originals)
    assert held == len(contradicted)
    assert {each.instance_uid for each in holdings(archive)} == set(contradicted)
    kept = {row.digest for row in instances} | {each.digest for each in holdings(archive)}
    assert set(archive.objects.digests()) == kept
    assert all(archive.objects.get(Digest(digest)) for digest in kept)


def write(folder: Path, contents: list[bytes], chance: random.Random) -> list[Path]:
    """Write files in a random order."""
    folder.mkdir()
    chance.shuffle(contents)
    files = []
    for number, content in enumerate(contents):
        files.append(folder / f"{number:06}.dcm")
        files[-1].write_bytes(content)
    return files


def split(files: list[Path], parts: int) -> list[list[Path]]:
    return [part for start in range(parts) if (part := files[start::parts])]


def send_all(port: int, parts: list[list[Path]]) -> None:
    """Send all parts at once, each by an association of its own."""
    destination = Destination(ae_title="SIGHTLINE", host=HOST, port=port)
    sent: list[int] = []

    def run(files: list[Path]) -> None:
        sent.append(send(destination, files, calling_ae="TEST").instances)

    threads = [threading.Thread(target=run, args=(files,)) for files in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) == sum(map(len, parts))
