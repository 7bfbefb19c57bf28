"""The copy of a vault is all of it, and for its owner alone."""

import stat
from pathlib import Path

from sightline.deid.escrow import keep_identity, make_escrow_key
from sightline.deid.hub_door import copy_vault
from sightline.deid.projects import open_project
from sightline.deid.vault import WORDS_FILE, Vault
from sightline.values.identity import Patient, SubjectId
from tests.deid.house import PASSPHRASE


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_copy_holds_projects_and_sealed_identities_too(tmp_path: Path, vault: Vault) -> None:
    folder, copy = tmp_path / "vault", tmp_path / "copy"
    make_escrow_key(folder, tmp_path / "secret", PASSPHRASE, replace=False)
    keep_identity(folder, SubjectId("S-AAAAAAAAAA"), Patient(patient_id="1"))
    open_project(vault, "trial-7")
    (folder / WORDS_FILE).write_text("zenker\n")
    copy_vault(folder, copy)
    assert files(copy) == files(folder)
    assert len(files(copy)) == 5
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    for name in files(copy):
        assert stat.S_IMODE((copy / name).stat().st_mode) == 0o600


def test_a_later_copy_writes_only_what_is_new(tmp_path: Path, vault: Vault) -> None:
    folder, copy = tmp_path / "vault", tmp_path / "copy"
    copy_vault(folder, copy)
    before = (copy / "hub.key").stat()
    open_project(vault, "trial-7")
    (folder / WORDS_FILE).write_text("zenker\n")
    copy_vault(folder, copy)
    (folder / WORDS_FILE).write_text("zenker gtv\n")
    copy_vault(folder, copy)
    assert files(copy) == files(folder)
    after = (copy / "hub.key").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_there_may_be_no_vault_yet(tmp_path: Path) -> None:
    copy_vault(tmp_path / "none", tmp_path / "copy")
    assert files(tmp_path / "copy") == {}
