"""`sightline pull` and `sightline reconcile` against a real Orthanc."""

from pathlib import Path

from sightline.peers.dimse import parse_destination, send
from tests.cli.conftest import Run
from tests.counterparties import Orthanc
from tests.instances import ROOT, STUDY, part10_of, slice_of, uid, write_series


def fill(orthanc: Orthanc, folder: Path) -> None:
    """Put a study of 4 and one of 1 there."""
    orthanc.knows("us", ae_title="SIGHTLINE", port=1)
    other = slice_of(
        1,
        size=4,
        StudyDate="20200101",
        StudyInstanceUID=f"{ROOT}.5",
        SeriesInstanceUID=f"{ROOT}.5.1",
        SOPInstanceUID=f"{ROOT}.5.1.1",
    )
    files = write_series(folder, 4, size=4)
    (folder / "other.dcm").write_bytes(part10_of(other))
    send(parse_destination(orthanc.destination), [*files, folder / "other.dcm"], calling_ae="TEST")


def test_pull_what_is_asked_for(run: Run, orthanc: Orthanc, tmp_path: Path) -> None:
    fill(orthanc, tmp_path / "files")
    named = {"SIGHTLINE_PEERS": f'{{"main": "{orthanc.destination}"}}'}
    tried = run("pull", "main", "--where", "StudyDate=20240101-", "--dry-run", **named)
    assert tried.stdout == f"{STUDY}\t20240131\t4\t0\t4\n", tried.stderr
    assert run("studies").stdout == ""
    done = run("pull", "main", "--where", "StudyDate=20240101-", **named)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (f"{STUDY}\t4\t4\t\n1 studies found, 1 lacked something: 4 of 4 came\n")
    again = run("pull", orthanc.destination, "--where", "StudyDate=20240101-")
    assert again.stdout == "1 studies found, 0 lacked something: 0 of 0 came\n"


def test_a_pull_that_brings_nothing_says_so(run: Run, orthanc: Orthanc, tmp_path: Path) -> None:
    fill(orthanc, tmp_path / "files")
    where = ("--where", f"StudyInstanceUID={STUDY}")
    done = run("pull", orthanc.destination, *where, "--by", "move")  # nobody listens
    assert done.returncode == 1
    assert "0 of 4 came" in done.stdout
    unknown = run("pull", "nobody", *where)
    assert unknown.returncode == 1
    assert "no peer is called 'nobody'" in unknown.stderr
    assert "has no value" in run("pull", orthanc.destination, "--where", "PatientID").stderr


def test_reconcile_until_nothing_differs(run: Run, orthanc: Orthanc, tmp_path: Path) -> None:
    fill(orthanc, tmp_path / "files")
    (tmp_path / "some").mkdir()
    for number in (1, 2):
        content = (tmp_path / f"files/{number:04}.dcm").read_bytes()
        (tmp_path / f"some/{number}.dcm").write_bytes(content)
    run("import", tmp_path / "some")
    peer = orthanc.destination
    first = run("reconcile", peer, "--since", "2024-01-01")
    assert first.returncode == 1
    assert first.stdout.splitlines() == [
        f"study\t{STUDY}\t4\t2\t1 series differ",
        f"series\t{ROOT}.1.1\t4\t2\t2 missing",
        f"instance\t{uid(3)}\t1\t0\tmissing",
        f"instance\t{uid(4)}\t1\t0\tmissing",
        "1 studies differ, 2 instances are missing here",
    ]
    assert run("reconcile", peer, "--since", "20240101", "--pull", "--dry-run").returncode == 1
    assert "4\t2" in run("reconcile", peer, "--since", "20240101").stdout
    mended = run("reconcile", peer, "--since", "20240101", "--pull")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert mended.stdout.endswith("0 studies differ, 0 instances are missing here\n")
    older = run("reconcile", peer, "--since", "20190101")
    assert older.returncode == 1
    assert f"study\t{ROOT}.5\t1\t0\tnot here" in older.stdout
    assert run("reconcile", peer, "--since", "yesterday").returncode == 2
