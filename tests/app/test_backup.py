"""A backup of a data directory at work brings everything back, equal in digests and rows."""

import random
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.app.backup import MANIFEST, Copied, back_up, restore
from sightline.app.lock import keeping_alone
from sightline.app.verifying import verify
from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.audit.anchor import Anchor
from sightline.audit.chain import Event, append
from sightline.catalog import archive_tables, hub_tables
from sightline.deid.hub_door import HubDoor
from sightline.errors import BadFile, BadSettings, Refused
from sightline.hub.collections import Criteria, make_version
from sightline.hub.consensus import make_consensus
from sightline.hub.hub import Hub
from sightline.hub.readings import history
from sightline.settings import Settings
from sightline.values.finding import Finding
from sightline.values.identity import StudyUid
from tests.app.stores import SOURCE, fill, flip, stored_files
from tests.instances import STUDY, part10_of, slice_of
from tests.readers import NARROW, NODULE, WIDE, add_predicted, admit_read


@pytest.fixture
def settings(tmp_path: Path, catalog_url: str) -> Settings:
    made = Settings.load(data_dir=tmp_path / "data", catalog_url=catalog_url)
    fill(made, tmp_path)
    HubDoor.open(made)
    archive = Archive.open(made)
    with archive.database.write() as connection:
        append(connection, Event(actor="cli", action="tested", objects=(), reason="a backup"))
    Anchor.open(made).advance(archive.database)
    archive.close()
    (made.data_dir / "sightline.toml").write_text("log_level = 'ERROR'\n")
    return made


def make(settings: Settings, target: Path, vault: Path | None = None) -> Copied:
    archive, hub = Archive.open(settings), Hub.open(settings)
    try:
        return back_up(settings, archive, hub, target=target, vault=vault, tell=lambda *_: None)
    finally:
        archive.close()
        hub.close()


def bring_back(settings: Settings, source: Path, vault: Path | None = None) -> Copied:
    return restore(settings, source, vault=vault, tell=lambda *_: None)


def everything(settings: Settings) -> dict[str, object]:
    """Every row of both catalogs, and every file of both stores."""
    archive, hub = Archive.open(settings), Hub.open(settings)
    found: dict[str, object] = {}
    for name, database, metadata in (
        ("archive", archive.database, archive_tables.METADATA),
        ("hub", hub.database, hub_tables.METADATA),
    ):
        with database.read() as connection:
            for table in metadata.sorted_tables:
                rows = connection.execute(sa.select(table)).all()
                found[f"{name}.{table.name}"] = sorted(map(repr, rows))
    archive.close()
    hub.close()
    for path in stored_files(settings):
        found[str(path.relative_to(settings.data_dir))] = path.read_bytes()
    return found


def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of a fresh machine with the same kind of catalog."""
    url = ""
    if settings.catalog_url:
        server, _, name = settings.catalog_url.rpartition("/")
        url = f"{server}/{name}_again"
        engine = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}_again"))
        engine.dispose()
    return Settings.load(data_dir=tmp_path / "again", catalog_url=url)


def read_and_predict(settings: Settings, folder: Path) -> None:
    """Let two readers mark a series, make one of them, and let a model draw on it."""
    hub = Hub.open(settings)
    series = admit_read(hub, folder, 7, {"R-A": WIDE, "R-B": NARROW})
    make_consensus(hub, [series], "majority", classes=NODULE)
    chosen = make_version(hub, "nodules", Criteria(author="consensus:majority"))
    finding = Finding(priority=0, words="nothing", measurements=())
    add_predicted(hub, chosen, history(hub, series)[-1].mask_digest, finding=finding)
    hub.close()


def test_a_restore_equals_what_was_backed_up(settings: Settings, tmp_path: Path) -> None:
    read_and_predict(settings, tmp_path)
    before = everything(settings)
    copied = make(settings, tmp_path / "backup", tmp_path / "key")
    assert (copied.already, copied.damaged) == (0, ())
    # The original is damaged, and then gone.
    for path in stored_files(settings)[::2]:
        flip(path, random.Random(1))  # noqa: S311
    key = (settings.vault_dir / "hub.key").read_bytes()
    shutil.rmtree(settings.data_dir)
    again = elsewhere(settings, tmp_path)
    assert bring_back(again, tmp_path / "backup", tmp_path / "key").copied == copied.copied
    assert everything(again) == before
    assert (again.vault_dir / "hub.key").read_bytes() == key
    assert (again.vault_dir / "hub.key").stat().st_mode & 0o777 == 0o600
    HubDoor.open(again)
    archive, hub = Archive.open(again), Hub.open(again)
    audited = Anchor.open(again).verify(archive.database)
    assert (audited.faults, audited.head.sequence) == ((), 1)
    found = verify(again, archive, hub, on_read=lambda _: None, on_step=lambda _: None)
    archive.close()
    hub.close()
    assert found == []


def test_the_second_backup_copies_only_what_is_new(settings: Settings, tmp_path: Path) -> None:
    first = make(settings, tmp_path / "backup")
    archive = Archive.open(settings)
    keep(archive, part10_of(slice_of(77, size=256)), SOURCE)
    archive.close()
    second = make(settings, tmp_path / "backup")
    assert (second.copied, second.already) == (1, first.copied)


def test_what_is_received_meanwhile_does_no_harm(settings: Settings, tmp_path: Path) -> None:
    stop = threading.Event()
    kept: list[str] = []

    def receive() -> None:
        archive = Archive.open(settings)
        number = 5000
        while not stop.is_set():
            number += 1
            kept.append(keep(archive, part10_of(slice_of(number)), SOURCE).uid)
        archive.close()

    thread = threading.Thread(target=receive)
    thread.start()
    while len(kept) < 5:
        stop.wait(0.01)
    surely = list(kept)
    make(settings, tmp_path / "backup")
    stop.set()
    thread.join()
    assert len(kept) > len(surely)
    again = elsewhere(settings, tmp_path)
    bring_back(again, tmp_path / "backup")
    archive, hub = Archive.open(again), Hub.open(again)
    instances = {each.uid for each in study(archive, StudyUid(STUDY)).instances}
    found = verify(again, archive, hub, on_read=lambda _: None, on_step=lambda _: None)
    archive.close()
    hub.close()
    assert set(surely) <= instances
    # Every row has its object; objects that came after the rows were copied wait for theirs.
    assert {flaw.kind for flaw in found} <= {"orphan"}


def test_damage_is_not_copied_over_a_good_backup(settings: Settings, tmp_path: Path) -> None:
    archive = Archive.open(settings)
    digest = study(archive, StudyUid(STUDY)).instances[3].digest
    path = archive.objects.blobs.path(digest)
    assert path is not None
    archive.close()
    before = flip(path, random.Random(4))  # noqa: S311
    copied = make(settings, tmp_path / "backup")
    assert digest in copied.damaged
    copy = tmp_path / "backup" / "archive" / "objects" / digest[:2] / digest
    assert not copy.exists()
    path.write_bytes(before)
    assert make(settings, tmp_path / "backup").damaged == ()
    flip(path, random.Random(4))  # noqa: S311
    make(settings, tmp_path / "backup")
    assert copy.read_bytes() == before


def test_the_key_stays_apart(settings: Settings, tmp_path: Path) -> None:
    make(settings, tmp_path / "backup")
    key = (settings.vault_dir / "hub.key").read_bytes()
    files = [path for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    assert not any(key.strip() in path.read_bytes() for path in files)
    with pytest.raises(Refused, match="lie in the backup"):
        make(settings, tmp_path / "backup", tmp_path / "backup" / "vault")
    with pytest.raises(Refused, match="lie in each other"):
        make(settings, settings.data_dir / "backup")


def test_nothing_is_overwritten_and_nothing_unfinished_is_restored(
    settings: Settings, tmp_path: Path
) -> None:
    make(settings, tmp_path / "backup")
    with pytest.raises(Refused, match="holds archive already"):
        bring_back(settings, tmp_path / "backup")
    (tmp_path / "backup" / MANIFEST).unlink()
    other = Settings.load(data_dir=tmp_path / "again", catalog_url=settings.catalog_url)
    with pytest.raises(BadFile, match="no finished backup"):
        bring_back(other, tmp_path / "backup")
    assert not (tmp_path / "again").exists()


def test_a_restored_hub_without_its_key_is_refused(settings: Settings, tmp_path: Path) -> None:
    make(settings, tmp_path / "backup")
    again = elsewhere(settings, tmp_path)
    bring_back(again, tmp_path / "backup")
    with pytest.raises(BadSettings, match="key of the hub is missing"):
        HubDoor.open(again)


def test_one_at_a_time(settings: Settings) -> None:
    with (
        keeping_alone(settings),
        pytest.raises(Refused, match="is at work"),
        keeping_alone(settings),
    ):
        pass


def test_a_copied_catalog_is_an_ordinary_one(tmp_path: Path) -> None:
    made = Settings.load(data_dir=tmp_path / "data")
    fill(made, tmp_path)
    make(made, tmp_path / "backup")
    copy = sqlite3.connect(tmp_path / "backup" / "archive" / "catalog.db")
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
