"""`sightline quarantine`: what is held, by study and reason, and instance by instance."""

from pathlib import Path

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.studies import record_door, study
from sightline.deid.hub_door import HubDoor
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.cli.conftest import Run
from tests.instances import STUDY, part10_of, slice_of, uid


def fill(data_dir: Path) -> None:
    """Keep a study in the archive and take it to the door."""
    settings = Settings(data_dir=data_dir)
    archive = Archive.open(settings)
    for number, burned_in in enumerate(("NO", "YES", "YES"), start=1):
        content = part10_of(slice_of(number, BurnedInAnnotation=burned_in))
        keep(archive, content, Source(name="test"))
    found = study(archive, StudyUid(STUDY))
    passage = HubDoor.open(settings).pass_study(found)
    record_door(archive, found, state="released", held=passage.held)
    archive.close()


def test_list_show_release_retry(run: Run, tmp_path: Path) -> None:
    fill(tmp_path / "data")
    listed = run("quarantine", "list")
    assert listed.returncode == 0, listed.stderr
    rows = [line.split("\t") for line in listed.stdout.splitlines()]
    assert sorted(row[3] for row in rows) == [uid(2), uid(3)]
    assert {row[4] for row in rows} == {"burned_in_text_declared"}
    assert run("quarantine", "list", "--reason", "waveform").stdout == ""
    number, picture = rows[0][0], tmp_path / "picture.png"
    shown = run("quarantine", "show", number, "--picture", picture)
    assert shown.returncode == 0, shown.stderr
    assert "reason\tburned_in_text_declared" in shown.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    decided = ("--by", "Dr Probe", "--reason", "no text in it")
    assert run("quarantine", "release", number).returncode == 2
    released = run("quarantine", "release", number, *decided)
    assert released.stdout == f"{number} released: burned_in_text_declared\n"
    assert len(run("quarantine", "list").stdout.splitlines()) == 1
    assert run("quarantine", "delete", rows[1][0], *decided).returncode == 1
    assert run("quarantine", "retry", STUDY, *decided).stdout == "1 looked at again\n"
    done = run("quarantine", "actions").stdout.splitlines()
    assert [line.split("\t")[2] for line in done] == ["quarantine_retried", "quarantine_released"]
