"""Projects: a key each, the same wherever the vault is shared, and nothing in common."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sightline.deid.hub_door import copy_vault
from sightline.deid.projects import PROJECTS_DIR, find_project, open_project
from sightline.deid.vault import Vault
from sightline.errors import BadSettings, Refused, UnknownName
from sightline.values.identity import Patient
from tests.deid.conftest import vault_at

ADA = Patient(patient_id="S-AAAAAAAAAA")


def test_a_project_is_the_same_for_ever_and_on_every_machine(tmp_path: Path, vault: Vault) -> None:
    first = open_project(vault, "trial-7")
    copy_vault(tmp_path / "vault", tmp_path / "elsewhere")
    for again in (vault, Vault.at(tmp_path / "vault"), Vault.at(tmp_path / "elsewhere")):
        project = open_project(again, "trial-7")
        assert project.fingerprint == first.fingerprint
        assert project.pseudonym(ADA) == first.pseudonym(ADA)


def test_projects_share_nothing_with_each_other_or_the_hub(vault: Vault) -> None:
    names = ("trial-7", "trial-8", "Trial-7")
    keys = [vault, *(open_project(vault, name) for name in names)]
    for of in (Vault.pseudonym, lambda key, ada: key.uid(ada.patient_id)):
        assert len({of(key, ADA) for key in keys}) == len(keys)


def test_the_salt_makes_the_key_not_the_name_alone(tmp_path: Path, vault: Vault) -> None:
    first = open_project(vault, "trial-7").fingerprint
    (tmp_path / "vault" / PROJECTS_DIR / "trial-7.json").unlink()
    assert open_project(vault, "trial-7").fingerprint != first


def test_another_hub_with_the_same_salt_shares_nothing(tmp_path: Path, vault: Vault) -> None:
    first = open_project(vault, "trial-7")
    other = vault_at(tmp_path / "other", bytes(32))
    (tmp_path / "other" / PROJECTS_DIR).mkdir()
    name = f"{PROJECTS_DIR}/trial-7.json"
    (tmp_path / "other" / name).write_bytes((tmp_path / "vault" / name).read_bytes())
    assert open_project(other, "trial-7").fingerprint != first.fingerprint


def test_many_processes_agree_on_one_salt(vault: Vault) -> None:
    assert vault.folder is not None
    code = (
        "from pathlib import Path; from sightline.deid.vault import Vault;"
        "from sightline.deid.projects import open_project;"
        f"print(open_project(Vault.at(Path({str(vault.folder)!r})), 'trial-7').fingerprint)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    found = {process.communicate(timeout=120)[0].split()[-1] for process in running}
    assert found == {open_project(vault, "trial-7").fingerprint}


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a b", "ä", "x" * 65, "a\n"])
def test_what_cannot_be_a_name_is_refused(vault: Vault, name: str) -> None:
    with pytest.raises(Refused, match="no name of a project"):
        open_project(vault, name)


@pytest.mark.parametrize(
    "change", [{"salt": "00"}, {"salt": "zz"}, {"name": "trial-8"}, {"version": 2}, {"format": "x"}]
)
def test_a_damaged_salt_is_an_error(
    tmp_path: Path, vault: Vault, change: dict[str, object]
) -> None:
    open_project(vault, "trial-7")
    path = tmp_path / "vault" / PROJECTS_DIR / "trial-7.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadSettings, match="damaged"):
        open_project(vault, "trial-7")


def test_a_project_is_found_only_where_it_was_made(vault: Vault) -> None:
    made = open_project(vault, "trial-7")
    assert find_project(vault, "trial-7").fingerprint == made.fingerprint
    with pytest.raises(UnknownName, match="no project") as unknown:
        find_project(vault, "trial-8")
    assert "trial-7" in unknown.value.hint
