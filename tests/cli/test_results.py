"""`sightline results` lists objects and messages with where each was sent."""

from pathlib import Path

from sightline.archive.archive import Archive
from sightline.archive.outbox import MessageTo, due_messages, record_attempt
from sightline.settings import Settings
from tests.cli.conftest import Run
from tests.clinical_results import publish_one


def test_messages_are_listed_beside_objects_with_what_became_of_them(
    run: Run, tmp_path: Path
) -> None:
    archive = Archive.open(Settings.load(data_dir=tmp_path / "data"))
    to = [
        MessageTo(kind="hl7", destination="engine:2575"),
        MessageTo(kind="fhir", destination="https://ehr/fhir"),
    ]
    name = publish_one(archive, 1, "A", to)
    (due,) = due_messages(archive, "hl7")
    record_attempt(archive, due, problem="engine:2575 cannot be reached", wait_s=60)
    archive.close()
    done = run("results")
    assert done.returncode == 0, done.stderr
    kinds = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert kinds == ["SEG", "FHIR", "HL7"]
    (line,) = run("results", "--kind", "HL7").stdout.splitlines()
    waiting = "waiting engine:2575: engine:2575 cannot be reached"
    assert line.split("\t") == ["HL7", "", "model:nodule@1", name, waiting]
