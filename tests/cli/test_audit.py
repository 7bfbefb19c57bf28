"""`sightline audit`: the log as its reader sees it."""

from pathlib import Path

from sightline.archive.archive import Archive
from sightline.audit.anchor import Anchor
from sightline.audit.chain import Event, append
from sightline.catalog.archive_tables import AUDIT
from sightline.settings import Settings
from tests.cli.conftest import Run


def test_list_and_verify(run: Run, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    archive = Archive.open(settings)
    event = Event(actor="cli:anna", action="tried", objects=("patient:1",), reason="a test")
    with archive.database.write() as connection:
        append(connection, event)
        append(connection, event)
    Anchor.open(settings).advance(archive.database)
    assert run("audit", "list").stdout.split("\t")[2:5] == ["cli:anna", "tried", "patient:1"]
    whole = run("audit", "verify")
    assert whole.returncode == 0, whole.stdout
    noted = whole.stdout.split("\t")[1].strip()
    assert noted.startswith("2:")
    assert run("audit", "verify", "--expect", noted).returncode == 0
    assert "not of the form" in run("audit", "verify", "--expect", "2").stderr
    with archive.database.write() as connection:
        connection.execute(AUDIT.delete().where(AUDIT.c.sequence == 2))
    archive.close()
    broken = run("audit", "verify", "--expect", noted)
    assert broken.returncode == 1
    assert broken.stdout.count("broken\t2\t") == 2
