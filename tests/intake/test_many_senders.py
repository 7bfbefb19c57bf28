"""Thirty-two associations with duplicates and conflicts: exact counts, nothing lost or deleted."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.quarantine import holdings
from sightline.archive.verifying import verify_archive_part
from sightline.catalog.archive_tables import INSTANCE, PATIENT, SERIES, STUDY
from sightline.errors import PeerFailed
from sightline.formats.dicom_elements import dataset_offset
from sightline.peers.dimse import send
from sightline.settings import Settings
from sightline.store.blobs import PARTS
from sightline.values.identity import Digest
from tests.instances import ROOT, part10_of, slice_of
from tests.intake.conftest import ListenerProcess

SENDERS = 32
INSTANCES_A_STUDY = 20


@pytest.fixture
def settings(tmp_path: Path, catalog_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # The listener's process reads the same environment.
    monkeypatch.setenv("SIGHTLINE_CATALOG_URL", catalog_url)
    return Settings.load(data_dir=tmp_path / "data", dimse_port=0)


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    opened = Archive.open(settings)
    yield opened
    opened.close()


def uid_of(number: int) -> str:
    return f"{ROOT}.60.{number}"


def write(folder: Path, number: int, *, content: int) -> Path:
    study = number // INSTANCES_A_STUDY
    made = slice_of(
        number,
        size=8,
        SOPInstanceUID=uid_of(number),
        StudyInstanceUID=f"{ROOT}.61.{study}",
        SeriesInstanceUID=f"{ROOT}.62.{study}",
        PatientID=f"P{study // 2}",
        StudyDescription=f"content {content}",
    )
    path = folder / f"{number}-{content}.dcm"
    path.write_bytes(part10_of(made))
    return path


def deal(folder: Path, objects: int) -> tuple[list[list[Path]], set[int], set[int]]:
    """Deal `objects` files to the senders: 85 % new, 10 % repeats, 5 % other content.

    Returns the files of each sender, the numbers of the instances, and of those in conflict.
    """
    chance = random.Random(2026)  # noqa: S311 - only the deal is drawn
    repeats, conflicts = objects // 10, objects // 20
    count = objects - repeats - conflicts
    first = [write(folder, number, content=0) for number in range(count)]
    in_conflict = set(chance.sample(range(count), conflicts))
    others = [write(folder, number, content=1) for number in sorted(in_conflict)]
    dealt = [*first, *chance.choices(first, k=repeats), *others]
    chance.shuffle(dealt)
    return [dealt[k::SENDERS] for k in range(SENDERS)], set(range(count)), in_conflict


def dataset_of(content: bytes) -> bytes:
    return content[dataset_offset(content) :]


@pytest.mark.parametrize("objects", [2000, pytest.param(20_000, marks=pytest.mark.gate)])
def test_counts_are_exact_and_nothing_is_lost(
    listener_process: ListenerProcess, archive: Archive, tmp_path: Path, objects: int
) -> None:
    (tmp_path / "in").mkdir()
    hands, numbers, in_conflict = deal(tmp_path / "in", objects)
    problems: list[PeerFailed] = []

    def run(files: list[Path]) -> None:
        try:
            send(listener_process.destination, files, calling_ae="TEST")
        except PeerFailed as error:
            problems.append(error)

    threads = [threading.Thread(target=run, args=(files,)) for files in hands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with archive.database.read() as connection:
        rows = connection.execute(sa.select(INSTANCE.c.uid, INSTANCE.c.digest)).all()
        counts = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            for table in (STUDY, SERIES, PATIENT)
        ]
        revisions = dict(connection.execute(sa.select(STUDY.c.uid, STUDY.c.revision)).all())
        expected = connection.execute(
            sa.select(INSTANCE.c.study_uid, sa.func.count()).group_by(INSTANCE.c.study_uid)
        ).all()
    assert {row.uid for row in rows} == {uid_of(number) for number in numbers}
    studies = len({number // INSTANCES_A_STUDY for number in numbers})
    assert counts == [studies, studies, -(-studies // 2)]
    assert revisions == dict(expected)
    held = holdings(archive)
    assert {each.instance_uid for each in held} == {uid_of(number) for number in in_conflict}
    assert len(held) == len(in_conflict)
    assert {each.reason for each in held} == {"other_content_same_uid"}
    kept = [archive.objects.get(Digest(row.digest)) for row in rows]
    kept += [archive.objects.get(each.digest) for each in held]
    sent = {path.read_bytes() for files in hands for path in files}
    assert sorted(map(dataset_of, kept)) == sorted(map(dataset_of, sent))
    flaws = [flaw for part in PARTS for flaw in verify_archive_part(archive, part, lambda _: None)]
    assert {flaw.kind for flaw in flaws} <= {"orphan"}
