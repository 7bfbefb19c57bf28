"""A watched folder: whole files are taken once, growing ones left, nothing lost by a kill."""

import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.search import Window, search_instances
from sightline.archive.search_keys import Keys
from sightline.errors import BadFile, BadSettings
from sightline.intake.files import import_path
from sightline.intake.watched import REASON_SUFFIX, REFUSED, TAKEN, WatchedFolder
from tests.counterparties import wait_until
from tests.instances import part10_of, slice_of, uid, write_series

QUIET_S = 0.3

_WATCH = """
import signal, sys, threading
from pathlib import Path
from sightline.archive.archive import Archive
from sightline.intake.watched import WatchedFolder

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
watched = WatchedFolder(Archive.at(Path(sys.argv[1])), Path(sys.argv[2]), quiet_s=0.05)
watched.start()
stop.wait()
watched.stop()
"""


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest.fixture
def watched(archive: Archive, inbox: Path) -> Iterator[WatchedFolder]:
    running = WatchedFolder(archive, inbox, quiet_s=QUIET_S)
    running.start()
    yield running
    running.stop()


def instances(archive: Archive) -> set[str]:
    return {each.uid for each in search_instances(archive, Keys(), Window()).found}


def waiting(inbox: Path) -> list[Path]:
    done = (inbox / TAKEN, inbox / REFUSED)
    files = (path for path in inbox.rglob("*") if path.is_file())
    return [path for path in files if not any(path.is_relative_to(each) for each in done)]


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_files_are_taken_or_refused_with_a_reason(
    watched: WatchedFolder, archive: Archive, inbox: Path
) -> None:
    assert watched is not None
    write_series(inbox / "ct" / "deep", 3)
    with zipfile.ZipFile(inbox / "more.zip", "w") as packed:
        packed.writestr("a", part10_of(slice_of(4)))
        packed.writestr("b", part10_of(slice_of(5))[:-100])
    (inbox / "notes.txt").write_text("call the scanner room")
    (inbox / "cut.dcm").write_bytes(part10_of(slice_of(6))[:400])
    wait_until(lambda: not waiting(inbox), seconds=30)
    assert instances(archive) == {uid(number) for number in (1, 2, 3, 4)}
    assert names(inbox / TAKEN) == {f"ct/deep/{number:04}.dcm" for number in (1, 2, 3)}
    refused = {"more.zip", "notes.txt", "cut.dcm"}
    assert names(inbox / REFUSED) == refused | {name + REASON_SUFFIX for name in refused}
    reason = (inbox / REFUSED / f"more.zip{REASON_SUFFIX}").read_text()
    assert reason.startswith("more.zip/b: a broken DICOM file")
    assert "no DICOM" in (inbox / REFUSED / f"notes.txt{REASON_SUFFIX}").read_text()


def test_a_file_that_grows_is_left_until_it_is_whole(
    watched: WatchedFolder, archive: Archive, inbox: Path
) -> None:
    assert watched is not None
    content = part10_of(slice_of(1, size=64))
    with (inbox / "slow.dcm").open("wb") as file:
        for at in range(0, len(content), len(content) // 12):
            file.write(content[at : at + len(content) // 12])
            file.flush()
            assert (inbox / "slow.dcm").exists()
            time.sleep(QUIET_S / 4)
    wait_until(lambda: not waiting(inbox), seconds=30)
    assert names(inbox / REFUSED) == set()
    assert instances(archive) == {uid(1)}


def test_a_file_that_changes_while_it_is_read_enters_nothing(archive: Archive, inbox: Path) -> None:
    inbox.mkdir()
    path = inbox / "a.dcm"
    path.write_bytes(part10_of(slice_of(1)))
    with pytest.raises(BadFile, match="changes while it is read"):
        import_path(archive, path, is_unchanged=lambda: False)
    assert instances(archive) == set()


@pytest.mark.parametrize("name", [".hidden.dcm", "a.dcm.part", "b.TMP", "c.filepart"])
def test_unfinished_names_are_left_until_they_are_renamed(
    archive: Archive, inbox: Path, name: str
) -> None:
    inbox.mkdir()
    running = WatchedFolder(archive, inbox, quiet_s=0.0)
    (inbox / name).write_bytes(part10_of(slice_of(1)))
    assert running.take_due() == 0
    (inbox / name).rename(inbox / "whole.dcm")
    assert running.take_due() == 1
    assert instances(archive) == {uid(1)}


def test_links_are_not_followed(archive: Archive, inbox: Path, tmp_path: Path) -> None:
    inbox.mkdir()
    (tmp_path / "secret.dcm").write_bytes(part10_of(slice_of(1)))
    (inbox / "link.dcm").symlink_to(tmp_path / "secret.dcm")
    (inbox / "folder").symlink_to(tmp_path)
    running = WatchedFolder(archive, inbox, quiet_s=0.0)
    running.take_due()
    assert instances(archive) == set()
    assert (inbox / REFUSED / "link.dcm").is_symlink()
    assert (tmp_path / "secret.dcm").exists()


def test_the_same_name_twice_keeps_both(archive: Archive, inbox: Path) -> None:
    inbox.mkdir()
    running = WatchedFolder(archive, inbox, quiet_s=0.0)
    for number in (1, 2):
        (inbox / "a.dcm").write_bytes(part10_of(slice_of(number)))
        running.take_due()
    assert names(inbox / TAKEN) == {"a.dcm", "a.dcm.2"}


def test_an_archive_that_cannot_be_written_leaves_the_files(archive: Archive, inbox: Path) -> None:
    inbox.mkdir()
    (inbox / "a.dcm").write_bytes(part10_of(slice_of(1)))
    running = WatchedFolder(archive, inbox, quiet_s=0.0)
    archive.objects.blobs.folder.rename(archive.objects.blobs.folder.with_name("away"))
    archive.objects.blobs.folder.touch()
    with pytest.raises(BadSettings):
        running.take_due()
    assert names(inbox) == {"a.dcm"}
    archive.objects.blobs.folder.unlink()
    archive.objects.blobs.folder.with_name("away").rename(archive.objects.blobs.folder)
    assert running.take_due() == 1


def test_a_folder_that_cannot_be_made_is_an_error(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSettings, match="watched folder"):
        WatchedFolder(archive, tmp_path / "file" / "in", quiet_s=1.0).start()


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.gate)])
def test_kills_lose_and_double_nothing(archive: Archive, inbox: Path, kills: int) -> None:
    chance = random.Random(7)  # noqa: S311 - only moments are drawn
    inbox.mkdir()
    write_series(inbox / "ct", 10 * kills)
    command = [sys.executable, "-c", _WATCH, str(archive.objects.blobs.folder.parent), str(inbox)]
    for _ in range(kills):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(0.8 + chance.uniform(0.0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        whole = names(inbox / "ct") | names(inbox / TAKEN / "ct")
        assert len(whole) == 10 * kills
    last = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: not waiting(inbox), seconds=120)
    finally:
        last.terminate()
        last.wait()
    assert instances(archive) == {uid(number) for number in range(1, 10 * kills + 1)}
    assert len(names(inbox / TAKEN)) == 10 * kills
    assert names(inbox / REFUSED) == set()
