"""Every flipped bit is found, at read and by verification; what is missing or orphaned too."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.app.verifying import STATE_FILE, STEPS, remove_orphans, repair, verify
from sightline.archive.archive import Archive
from sightline.archive.quarantine import holdings
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.catalog.archive_tables import INSTANCE
from sightline.errors import DamagedObject
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.store.arrays import StoredArray
from sightline.store.objects import SPLIT, ObjectStore
from sightline.values.flaw import Flaw
from sightline.values.identity import Digest, StudyUid
from tests.app.stores import SOURCE, fill, flip, stored_files
from tests.instances import STUDY, part10_of, slice_of, uid


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings.load(data_dir=tmp_path / "data")
    fill(made, tmp_path)
    return made


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    opened = Archive.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def hub(settings: Settings) -> Iterator[Hub]:
    opened = Hub.open(settings)
    yield opened
    opened.close()


def flaws_of(settings: Settings, archive: Archive, hub: Hub) -> list[Flaw]:
    return verify(settings, archive, hub, on_read=lambda _bytes: None, on_step=lambda _step: None)


def names(flaws: list[Flaw]) -> set[tuple[str, str, str]]:
    return {(flaw.store, flaw.kind, flaw.digest) for flaw in flaws}


def file_of(objects: ObjectStore, name: str) -> Path:
    path = objects.blobs.path(name)
    assert path is not None
    return path


def is_found_at_read(settings: Settings, archive: Archive, hub: Hub, *, path: Path) -> bool:
    """Read what lies in a damaged file the way the product does."""
    try:
        if path.is_relative_to(hub.arrays_dir):
            folder = hub.arrays_dir / path.relative_to(hub.arrays_dir).parts[0]
            StoredArray.open(folder).read()
        else:
            is_hub = path.is_relative_to(settings.hub_dir)
            objects = hub.objects if is_hub else archive.objects
            objects.get(Digest(path.name.removesuffix(SPLIT)))
    except DamagedObject:
        return True
    return False


@pytest.mark.parametrize("bits", [100, pytest.param(1000, marks=pytest.mark.gate)])
def test_every_flipped_bit_is_found_at_read(
    settings: Settings, archive: Archive, hub: Hub, bits: int
) -> None:
    chance = random.Random(2026)  # noqa: S311 - only bits are drawn
    files = stored_files(settings)
    kinds = {"split": 0, "array": 0, "whole": 0}
    for number in range(bits):
        # Every file has its turn, small ones as often as large ones.
        path = files[number % len(files)]
        before = flip(path, chance)
        assert is_found_at_read(settings, archive, hub, path=path), path
        path.write_bytes(before)
        is_array = path.is_relative_to(hub.arrays_dir)
        kinds["array" if is_array else "split" if path.suffix == SPLIT else "whole"] += 1
    assert min(kinds.values()) > 0
    assert not any(is_found_at_read(settings, archive, hub, path=path) for path in files)


@pytest.mark.parametrize("bits", [100, pytest.param(1000, marks=pytest.mark.gate)])
def test_every_flipped_bit_is_found_by_verification(
    settings: Settings, archive: Archive, hub: Hub, bits: int
) -> None:
    chance = random.Random(7)  # noqa: S311 - only bits are drawn
    files = stored_files(settings)
    for first in range(0, bits, len(files) // 2):
        chosen = [files[number % len(files)] for number in range(first, first + len(files) // 2)]
        before = {path: flip(path, chance) for path in chosen}
        found = {flaw.digest for flaw in flaws_of(settings, archive, hub) if flaw.kind == "damaged"}
        for path, content in before.items():
            is_array = path.is_relative_to(hub.arrays_dir)
            parts = path.relative_to(hub.arrays_dir).parts if is_array else (path.name,)
            assert parts[0].removesuffix(SPLIT) in found, path
            path.write_bytes(content)
    assert flaws_of(settings, archive, hub) == []


def test_a_damaged_holder_damages_its_borrowers_and_a_backup_mends_all(
    settings: Settings, archive: Archive, hub: Hub, tmp_path: Path
) -> None:
    shutil.copytree(settings.data_dir, tmp_path / "backup")
    (held,) = holdings(archive)
    loan = archive.objects.loan_of(held.digest)
    assert loan is not None
    flip(file_of(archive.objects, loan.holder), random.Random(3))  # noqa: S311
    shutil.rmtree(next(hub.arrays_dir.iterdir()))
    flaws = flaws_of(settings, archive, hub)
    assert {flaw.kind for flaw in flaws} == {"damaged", "missing"}
    by_digest = {flaw.digest: flaw for flaw in flaws}
    assert {loan.holder, held.digest} < set(by_digest)
    assert by_digest[loan.holder].study_uid == STUDY
    assert by_digest[loan.holder].source == "dimse:SCANNER"
    assert by_digest[held.digest].source == "quarantine"
    after = repair(archive, hub, flaws, backup=tmp_path / "backup")
    assert all(flaw.mended for flaw in after)
    assert flaws_of(settings, archive, hub) == []
    # The pixels came back once, not twice.
    assert archive.objects.loan_of(held.digest) == loan


def test_loose_files_mend_as_well(
    settings: Settings, archive: Archive, hub: Hub, tmp_path: Path
) -> None:
    first = study(archive, StudyUid(STUDY)).instances[0]
    (tmp_path / "cd").mkdir()
    (tmp_path / "cd" / "IM0001").write_bytes(first.read())
    file_of(archive.objects, first.digest).unlink()
    flaws = flaws_of(settings, archive, hub)
    assert ("archive", "missing", first.digest) in names(flaws)
    assert all(flaw.mended for flaw in repair(archive, hub, flaws, backup=tmp_path / "cd"))
    assert flaws_of(settings, archive, hub) == []


def test_orphans_are_listed_and_removed_when_they_are_old(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    young, old = archive.objects.put(b"young"), archive.objects.put(b"old")
    os.utime(file_of(archive.objects, old), (0, 0))
    flaws = flaws_of(settings, archive, hub)
    assert names(flaws) == {("archive", "orphan", young), ("archive", "orphan", old)}
    after = remove_orphans(archive, flaws)
    assert {flaw.digest: flaw.mended for flaw in after} == {young: False, old: True}
    assert names(flaws_of(settings, archive, hub)) == {("archive", "orphan", young)}


def test_a_row_without_its_object(settings: Settings, archive: Archive, hub: Hub) -> None:
    with archive.database.write() as connection:
        changed = INSTANCE.update().where(INSTANCE.c.uid == uid(3)).values(digest="f" * 64)
        connection.execute(changed)
    flaws = flaws_of(settings, archive, hub)
    assert ("archive", "missing", "f" * 64) in names(flaws)
    assert {flaw.kind for flaw in flaws} == {"missing", "orphan"}


def test_an_interrupted_pass_goes_on_where_it_stopped(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    victim = study(archive, StudyUid(STUDY)).instances[0].digest
    path = file_of(archive.objects, victim)
    before = flip(path, random.Random(5))  # noqa: S311
    steps: list[int] = []

    def stop_there(step: int) -> None:
        steps.append(step)
        if step == 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(settings, archive, hub, on_read=lambda _bytes: None, on_step=stop_there)
    path.write_bytes(before)
    first: list[int] = []
    found = verify(settings, archive, hub, on_read=lambda _bytes: None, on_step=first.append)
    assert (first[0], first[-1]) == (300, STEPS - 1)
    assert victim in {flaw.digest for flaw in found}  # found before, and not forgotten
    assert not (settings.data_dir / STATE_FILE).exists()
    assert flaws_of(settings, archive, hub) == []


def test_what_arrives_during_a_pass_is_no_flaw(
    settings: Settings, archive: Archive, hub: Hub
) -> None:
    numbers = iter(range(1000, 1000 + STEPS))

    def receive(_step: int) -> None:
        if _step < 40:
            keep(archive, part10_of(slice_of(next(numbers))), SOURCE)

    found = verify(settings, archive, hub, on_read=lambda _bytes: None, on_step=receive)
    assert found == []
