"""`sightline vault`, `reidentify`, `deid verify` and `export --project` as a user calls them."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.audit.chain import entries
from sightline.deid.hub_door import HubDoor
from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.cli.conftest import Run
from tests.instances import STUDY, part10_of, slice_of, write_series

WHO = ("--by", "anna", "--reason", "incidental finding")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def subject(settings: Settings, tmp_path: Path) -> str:
    """Fill archive and hub with one study and a collection; write the passphrase's file."""
    (tmp_path / "passphrase").write_text("correct horse battery\n")
    archive, hub = Archive.open(settings), Hub.open(settings)
    for number in (1, 2):
        keep(archive, part10_of(slice_of(number)), Source(name="test"))
    passage = HubDoor.open(settings).pass_study(study(archive, StudyUid(STUDY)))
    assert passage.study is not None
    admit(hub, passage.study)
    make_version(hub, "chests", Criteria(modality="CT"))
    archive.close()
    hub.close()
    return passage.study.subject_id


def actions(settings: Settings) -> list[str]:
    archive = Archive.open(settings)
    found = [entry.event.action for entry in entries(archive.database)]
    archive.close()
    return found


def test_escrow_and_the_way_back(
    run: Run, settings: Settings, subject: str, tmp_path: Path
) -> None:
    given = ("--secret", tmp_path / "secret", "--passphrase-file", tmp_path / "passphrase", *WHO)
    made = run(
        *("vault", "escrow-key", tmp_path / "secret", "--passphrase-file", tmp_path / "passphrase"),
        *WHO,
    )
    assert made.returncode == 0, made.stderr
    assert "1 identities of the archive" in made.stdout
    found = run("reidentify", subject, *given)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[:3] == [
        *("patient_id\tPHANTOM-1", "issuer\t", "name\tProbe^One")
    ]
    assert "Probe" not in found.stderr
    (tmp_path / "passphrase").write_text("another passphrase\n")
    failed = run("reidentify", subject, *given)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "does not open" in failed.stderr
    assert "hint:" in failed.stderr
    assert actions(settings) == [
        *("escrow_key_made", "reidentification_done", "reidentification_failed")
    ]
    log = run("audit", "list")
    assert subject in log.stdout
    assert "Probe" not in log.stdout
    assert "PHANTOM" not in log.stdout
    assert run("audit", "verify").returncode == 0


def test_without_escrow_it_says_so(run: Run, subject: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}")
    failed = run(
        *("reidentify", subject, "--secret", tmp_path / "secret"),
        *("--passphrase-file", tmp_path / "passphrase", *WHO),
    )
    assert failed.returncode == 1
    assert "no escrow key" in failed.stderr
    missing = run("reidentify", subject, "--secret", tmp_path / "nowhere", *WHO)
    assert missing.returncode == 1
    assert "Bring the medium" in missing.stderr


def test_verify_finds_what_is_wrong(
    run: Run, settings: Settings, subject: str, tmp_path: Path
) -> None:
    whole = run("deid", "verify")
    assert (whole.returncode, whole.stdout) == (0, "1 studies, 2 instances, 0 faults\n"), subject
    hub = Hub.open(settings)
    with hub.database.read() as connection:
        uid = connection.execute(sa.text("SELECT uid FROM study")).scalar_one()
        digest = connection.execute(sa.text("SELECT digest FROM instance LIMIT 1")).scalar_one()
    hub.close()
    assert run("deid", "verify", uid).returncode == 0
    (path,) = (settings.hub_dir / "objects").rglob(f"*{digest[4:]}")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    broken = run("deid", "verify", uid)
    assert broken.returncode == 1
    assert broken.stdout.startswith("wrong\t2.25.")
    write_series(tmp_path / "in", 2)
    assert run("deid", tmp_path / "in", tmp_path / "out").returncode == 0
    assert run("deid", "verify", tmp_path / "out").returncode == 0
    key = run("vault", "public-key").stdout.strip()
    elsewhere = {"SIGHTLINE_DATA_DIR": str(tmp_path / "elsewhere")}
    outside = run("deid", "verify", tmp_path / "out", "--public-key", key, **elsewhere)
    assert outside.returncode == 0, outside.stdout
    keyless = run("deid", "verify", tmp_path / "out", **elsewhere)
    assert keyless.returncode == 1
    assert "--public-key" in keyless.stderr
    assert not (tmp_path / "elsewhere" / "vault").exists()
    assert run("deid", "verify", "2.25.1").returncode == 1


def test_releases_are_by_project_and_on_record(
    run: Run, settings: Settings, subject: str, tmp_path: Path
) -> None:
    for project in ("trial-7", "trial-8"):
        done = run("export", "chests", tmp_path / project, "--project", project, *WHO)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("2 instances of 1 series of chests@1")
    folders = {
        next(path for path in (tmp_path / project).iterdir() if path.is_dir()).name
        for project in ("trial-7", "trial-8")
    }
    assert len(folders | {subject}) == 3
    assert actions(settings) == 2 * ["collection_released"]
    nameless = run("export", "chests", tmp_path / "x", "--project", "trial-7")
    assert nameless.returncode == 1
    assert "--by NAME and --reason TEXT" in nameless.stderr
    assert run("export", "chests", tmp_path / "plain").returncode == 0
    alone = run("export", "chests", tmp_path / "alone", "--remove-faces")
    assert alone.returncode == 2
    assert "--public" in alone.stderr
    assert (tmp_path / "plain" / subject).is_dir()
    joinable = run("export", "chests", tmp_path / "public", "--public", *WHO)
    assert joinable.returncode == 2
    assert "--project NAME" in joinable.stderr
    assert not (tmp_path / "public").exists()
    public = run(
        *("export", "chests", tmp_path / "public", "--public", "--project", "trial-7", *WHO)
    )
    assert public.returncode == 0, public.stderr


def test_rotate_gives_new_names_and_names_what_is_left_to_do(
    run: Run, settings: Settings, subject: str, tmp_path: Path
) -> None:
    assert run("export", "chests", tmp_path / "x", "--project", "trial-7", *WHO).returncode == 0
    key = run("vault", "public-key").stdout
    planned = run("vault", "rotate", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "would be rotated\t2 instances of 1 subjects" in planned.stdout
    nameless = run("vault", "rotate")
    assert nameless.returncode == 1
    assert "--by NAME and --reason TEXT" in nameless.stderr
    hub = Hub.open(settings)
    busy = run("vault", "rotate", *WHO)
    hub.close()
    assert busy.returncode == 1
    assert "Stop `sightline up`" in busy.stderr
    assert run("trace", subject, "--down").returncode == 0
    done = run("vault", "rotate", *WHO)
    assert done.returncode == 0, done.stderr
    assert "rotated\t2 instances of 1 subjects" in done.stdout
    assert "yours to do\tproject trial-7" in done.stdout
    assert "yours to do\tbackups of the hub" in done.stdout
    assert f"--public-key {key.strip()}" in done.stdout
    assert run("trace", subject, "--down").returncode == 1
    assert run("vault", "public-key").stdout != key
    assert run("deid", "verify").stdout == "1 studies, 2 instances, 0 faults\n"
    assert run("verify").returncode == 0
    assert actions(settings)[-2:] == ["vault_rotating", "vault_rotated"]
    log = run("audit", "verify")
    assert log.returncode == 0


def test_destroy_asks_for_the_fingerprint_and_names_what_is_left_to_do(
    run: Run, settings: Settings, subject: str, tmp_path: Path
) -> None:
    planned = run("vault", "destroy", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "would be destroyed\tvault/hub.key" in planned.stdout
    fingerprint = planned.stdout.splitlines()[0].split("\t")[1]
    refused = run("vault", "destroy", "--confirm", "yes", *WHO)
    assert refused.returncode == 1
    assert "--dry-run" in refused.stderr
    key = run("vault", "public-key").stdout
    done = run("vault", "destroy", "--confirm", fingerprint, *WHO)
    assert done.returncode == 0, done.stderr
    assert "destroyed\tvault/hub.key" in done.stdout
    assert "yours to do\tbackups of the vault folder" in done.stdout
    assert not (settings.vault_dir / "hub.key").exists()
    write_series(tmp_path / "in", 1)
    for refused in (
        run("deid", tmp_path / "in", tmp_path / "out"),
        run("export", "chests", tmp_path / "x", "--project", "trial-7", *WHO),
    ):
        assert refused.returncode == 1
        assert "the key of this hub was destroyed" in refused.stderr
    assert run("vault", "public-key").stdout == key
    assert run("deid", "verify").returncode == 0
    assert run("export", "chests", tmp_path / "plain").returncode == 0
    assert run("trace", subject, "--down").returncode == 0
