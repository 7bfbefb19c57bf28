"""`sightline deid`: a folder in, a folder out, and a line for whatever stayed."""

from pathlib import Path

from tests.cli.conftest import Run
from tests.instances import part10_of, slice_of, write_series


def test_deid_writes_what_passes_and_lists_what_does_not(run: Run, tmp_path: Path) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    write_series(given, 3)
    (given / "held.dcm").write_bytes(part10_of(slice_of(9, BurnedInAnnotation="YES")))
    (given / "notes.txt").write_text("nothing")
    done = run("deid", given, out)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("\t")[0] for line in lines[:-1]] == [
        *("passed", "held: burned_in_text_declared", "not DICOM")
    ]
    assert lines[-1] == "3 instances passed, 1 held, 1 files are no DICOM."
    assert len(list(out.rglob("*.dcm"))) == 3
    assert len(list(out.rglob("certificate.json"))) == 1
    assert "Probe" not in done.stdout + done.stderr


def test_deid_refuses_to_write_into_its_source(run: Run, tmp_path: Path) -> None:
    write_series(tmp_path / "in", 1)
    done = run("deid", tmp_path / "in", tmp_path / "in" / "out")
    assert done.returncode == 1
    assert "hint:" in done.stderr


def test_lost_key_is_an_error_with_a_way_out(run: Run, tmp_path: Path) -> None:
    write_series(tmp_path / "in", 1)
    assert run("deid", tmp_path / "in", tmp_path / "out").returncode == 0
    (tmp_path / "data" / "vault" / "hub.key").unlink()
    done = run("deid", tmp_path / "in", tmp_path / "out")
    assert done.returncode == 1
    assert "Restore the vault folder from its backup" in done.stderr


def test_explain_tells_why_and_shows_values_only_when_asked(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(part10_of(slice_of(1, PatientName="Amberbrook^Odalind")))
    done = run("deid", "explain", path)
    assert done.returncode == 0, done.stderr
    told = dict(line.split("\t")[:2] for line in done.stdout.splitlines())
    assert (told["PatientName"], told["Rows"]) == ("changed", "kept")
    assert "Amberbrook" not in done.stdout
    only = run("deid", "explain", path, "--only", "changed", "--values")
    assert "Amberbrook^Odalind" in only.stdout
    assert "Rows" not in only.stdout
    assert run("deid", "explain", tmp_path / "nowhere.dcm").returncode == 2


def test_a_profile_is_printed_changed_and_used(run: Run, tmp_path: Path) -> None:
    printed = run("deid", "profile", "hub")
    assert printed.stdout.startswith("# What may leave")
    site = tmp_path / "site.yaml"
    site.write_text(printed.stdout.replace("name: hub", "name: site"))
    write_series(tmp_path / "in", 1)
    out = tmp_path / "out"
    done = run("deid", tmp_path / "in", out, SIGHTLINE_DEID_PROFILE=str(site))
    assert done.returncode == 0, done.stderr
    (certificate,) = out.rglob("certificate.json")
    assert '"profile": "site sha256:' in certificate.read_text()
    unknown = run("deid", "profile", "nosuch")
    assert unknown.returncode == 1
    assert "Name one of basic, hub" in unknown.stderr
