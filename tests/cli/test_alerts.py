"""`sightline alerts`: what waits, and who acknowledged it."""

from pathlib import Path

from sightline.archive.archive import Archive
from sightline.settings import Settings
from sightline.values.finding import Finding
from tests.cli.conftest import Run
from tests.clinical_results import publish_one


def test_list_and_acknowledge(run: Run, tmp_path: Path) -> None:
    archive = Archive.open(Settings(data_dir=tmp_path / "data"))
    critical = Finding(priority=2, words="air", measurements=(), acknowledge_min=10.0)
    publish_one(archive, 1, "PHANTOM-1", finding=critical)
    archive.close()
    (line,) = run("alerts", "list").stdout.splitlines()
    assert line.split("\t")[2:4] == ["air", "nodule@1"]
    assert run("alerts", "acknowledge", "1", "--by", "Dr A").returncode == 0
    assert run("alerts", "list").stdout == ""
    assert "acknowledged by Dr A" in run("alerts", "list", "--closed").stdout
    again = run("alerts", "acknowledge", "1", "--by", "Dr B")
    assert again.returncode == 1
    assert "acknowledged already by Dr A" in again.stderr
