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


def test_list_and_show(run: Run, tmp_path: Path) -> None:
    fill(tmp_path / "data")
    listed = run("quarantine", "list")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.split("\t")[:3] == [STUDY, "2", "burned_in_text_declared"]
    assert run("quarantine", "list", "--reason", "waveform").stdout == ""
    shown = run("quarantine", "show", STUDY).stdout
    assert sorted(line.split("\t")[1] for line in shown.splitlines()) == [uid(2), uid(3)]
