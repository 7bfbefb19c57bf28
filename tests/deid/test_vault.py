"""The vault: one key a hub, kept, checked, never silently replaced."""

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.deid.key_file import KEY_FILE, NEXT_KEY_FILE, begin_next, read_keys, take_next
from sightline.deid.vault import FINGERPRINT_FILE, WORDS_FILE, Vault
from sightline.errors import BadSettings
from sightline.settings import Settings
from sightline.values.identity import Patient
from tests.deid.conftest import KEY, vault_at

ADA = Patient(patient_id="0123", issuer="NORTH", name="Doe^Ada")


def test_key_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = Vault.open(settings)
    key_file = settings.vault_dir / KEY_FILE
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.vault_dir.stat().st_mode) == 0o700
    assert [path.name for path in settings.vault_dir.iterdir()] == [KEY_FILE]
    assert Vault.open(settings).pseudonym(ADA) == first.pseudonym(ADA)
    other = Vault.open(Settings(data_dir=tmp_path / "other"))
    assert other.fingerprint != first.fingerprint


def test_many_processes_at_once_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from sightline.deid.vault import Vault;"
        f"print(Vault.at(Path({str(tmp_path / 'vault')!r})).fingerprint)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    found = {process.communicate(timeout=120)[0].split()[-1] for process in running}
    assert len(found) == 1


def test_missing_key_of_a_used_hub_is_an_error(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    Vault.open(settings)
    (settings.vault_dir / KEY_FILE).unlink()
    with pytest.raises(BadSettings, match="missing"):
        Vault.open(settings)
    assert not (settings.vault_dir / KEY_FILE).exists()


def test_key_of_another_hub_is_an_error(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    Vault.open(settings)
    vault_at(settings.vault_dir, bytes(32))
    with pytest.raises(BadSettings, match="not the one"):
        Vault.open(settings)


@pytest.mark.parametrize("damage", [b"", b"sightline-vault 1\n", b"\xff" * 90, b"x" * 200])
def test_damaged_key_is_an_error(tmp_path: Path, damage: bytes) -> None:
    settings = Settings(data_dir=tmp_path)
    Vault.open(settings)
    (settings.vault_dir / KEY_FILE).write_bytes(damage)
    with pytest.raises(BadSettings, match="damaged"):
        Vault.open(settings)


def test_one_flipped_digit_of_the_key_is_found(tmp_path: Path) -> None:
    vault_at(tmp_path)
    path = tmp_path / KEY_FILE
    path.write_text(path.read_text().replace("0a0b", "0a0c"))
    with pytest.raises(BadSettings, match="damaged"):
        Vault.at(tmp_path)


def test_hub_that_was_removed_begins_anew(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    Vault.open(settings)
    (settings.vault_dir / KEY_FILE).unlink()
    (settings.hub_dir / FINGERPRINT_FILE).unlink()
    assert Vault.open(settings).pseudonym(ADA).startswith("S-")


def test_key_stands_in_no_representation(vault: Vault) -> None:
    assert KEY.hex() not in repr(vault)
    assert repr(KEY) not in repr(vault)


def test_blanks_around_an_id_mean_nothing_zeros_do(vault: Vault) -> None:
    same = {vault.pseudonym(Patient(patient_id=each)) for each in ("123", " 123", "123 ", "123  ")}
    assert len(same) == 1
    others = {
        vault.pseudonym(Patient(patient_id=each)) for each in ("0123", "1 23", "12 3", "abc", "ABC")
    }
    assert len(others) == 5
    assert not others & same
    assert vault.pseudonym(Patient(patient_id="3", issuer="12")) not in {
        vault.pseudonym(Patient(patient_id="23", issuer="1")),
        vault.pseudonym(Patient(patient_id="3")),
    }


def test_name_and_birth_date_do_not_change_the_subject(vault: Vault) -> None:
    married = Patient(patient_id="0123", issuer="NORTH", name="Roe^Ada", birth_date="19700101")
    assert vault.pseudonym(married) == vault.pseudonym(ADA)
    assert vault.date_offset_days(married) == vault.date_offset_days(ADA)


def test_200_patients_have_their_own_offsets(vault: Vault) -> None:
    patients = [Patient(patient_id=f"P{number}") for number in range(200)]
    offsets = [vault.date_offset_days(patient) for patient in patients]
    assert len(set(offsets)) >= 190
    assert min(offsets) >= 1
    assert max(offsets) <= 3650
    assert len({vault.pseudonym(patient) for patient in patients}) == 200


def test_another_key_shares_nothing(tmp_path: Path, vault: Vault) -> None:
    other = vault_at(tmp_path / "other", bytes(range(1, 33)))
    patients = [Patient(patient_id=f"P{number}") for number in range(50)]
    assert not {vault.pseudonym(p) for p in patients} & {other.pseudonym(p) for p in patients}
    assert vault.uid("1.2.3") != other.uid("1.2.3")
    assert vault.reader("Roe^Jane") != other.reader("Roe^Jane")


def test_reader_is_the_same_however_written(vault: Vault) -> None:
    names = ("Roe^Jane", "ROE^JANE", "roe^jane^^^", " Roe ^ Jane ", "Roe Jane")
    assert len({vault.reader(name) for name in names}) == 1
    assert vault.reader("Roe^John") != vault.reader("Roe^Jane")
    assert vault.reader("") == vault.reader("^^") == ""


@given(original=st.text(max_size=80))
def test_uid_is_valid_and_stable(original: str) -> None:
    vault = Vault(KEY)
    uid = vault.uid(original)
    assert uid == Vault(KEY).uid(original)
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert 0 < int(uid.removeprefix("2.25.")) < 1 << 128
    assert not uid.removeprefix("2.25.").startswith("0")


@given(patient_id=st.text(max_size=70), issuer=st.text(max_size=20))
def test_pseudonym_is_stable_and_tells_nothing(patient_id: str, issuer: str) -> None:
    patient = Patient(patient_id=patient_id, issuer=issuer)
    subject = Vault(KEY).pseudonym(patient)
    assert subject == Vault(KEY).pseudonym(patient)
    assert len(subject) == 12
    assert subject[2:].isalnum()
    assert 1 <= Vault(KEY).date_offset_days(patient) <= 3650


def layered(*numbers: int) -> Vault:
    vault = Vault(bytes(32))
    for number in numbers:
        vault = Vault(bytes([number]) * 32, inner=vault)
    return vault


def test_a_key_around_a_key_names_what_that_one_named() -> None:
    one, two = layered(), layered(1)
    subject = Patient(patient_id=one.pseudonym(ADA))
    assert two.pseudonym(ADA) == two.layer.pseudonym(subject) != one.pseudonym(ADA)
    assert two.uid("1.2.3") == two.layer.uid(one.uid("1.2.3"))
    assert two.reader("Roe^Jane") == two.layer.reader(one.reader("Roe^Jane"))
    assert two.reader("^^") == ""
    assert two.date_moves(ADA) == (one.date_offset_days(ADA), two.layer.date_offset_days(subject))
    assert two.date_offset_days(ADA) == sum(two.date_moves(ADA))
    number = f"{one.person_number(ADA, 'roe'):05}"
    assert two.person_number(ADA, "roe") == two.layer.person_number(subject, number)


def test_the_inner_keys_give_none_of_the_names_of_the_outer() -> None:
    vaults = [layered(), layered(1), layered(1, 2), layered(2), layered(1).layer]
    for name in (
        *(lambda vault: vault.pseudonym(ADA), lambda vault: vault.uid("1.2.3")),
        *(lambda vault: vault.reader("Roe"), lambda vault: vault.fingerprint),
        lambda vault: vault.date_offset_days(ADA),
    ):
        assert len({name(vault) for vault in vaults}) == len(vaults)
    # What is for another purpose comes from the outermost key alone.
    assert layered(1, 2).derived("signature") == layered(2).derived("signature")
    assert len({vault.derived("signature") for vault in vaults[:3]}) == 3


def test_the_next_key_is_made_once_and_then_taken(tmp_path: Path) -> None:
    vault_at(tmp_path)
    begin_next(tmp_path)
    following = read_keys(tmp_path / NEXT_KEY_FILE)
    assert following[0] == KEY
    assert stat.S_IMODE((tmp_path / NEXT_KEY_FILE).stat().st_mode) == 0o600
    begin_next(tmp_path)
    assert read_keys(tmp_path / NEXT_KEY_FILE) == following
    assert Vault.at(tmp_path).fingerprint == Vault(KEY).fingerprint
    for _ in range(2):
        take_next(tmp_path)
        assert read_keys(tmp_path / KEY_FILE) == following
    vault = Vault.at(tmp_path)
    assert vault.inner is not None
    assert vault.inner.pseudonym(ADA) == Vault(KEY).pseudonym(ADA)
    begin_next(tmp_path)
    assert read_keys(tmp_path / NEXT_KEY_FILE)[:2] == following


def test_a_next_key_of_another_vault_is_not_taken(tmp_path: Path) -> None:
    vault_at(tmp_path, bytes(32))
    begin_next(tmp_path)
    vault_at(tmp_path)
    begin_next(tmp_path)
    assert read_keys(tmp_path / NEXT_KEY_FILE)[0] == KEY


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("vault 2", "vault 1"),
        lambda text: text.replace("vault 2", "vault 3"),
        lambda text: "\n".join(text.split("\n")[:2] + text.split("\n")[3:]),
        lambda text: text[:-9],
        lambda text: text.replace("0a0b", "0a0c"),
    ],
)
def test_a_damaged_key_of_two_is_found(tmp_path: Path, damage: Callable[[str], str]) -> None:
    vault_at(tmp_path)
    begin_next(tmp_path)
    take_next(tmp_path)
    text = (tmp_path / KEY_FILE).read_text()
    (tmp_path / KEY_FILE).write_text(damage(text))
    with pytest.raises(BadSettings, match="damaged"):
        Vault.at(tmp_path)


def test_words_of_the_site_are_read(tmp_path: Path) -> None:
    vault_at(tmp_path)
    (tmp_path / WORDS_FILE).write_text("Zenker\nhypopharynx gtv\n")
    assert Vault.at(tmp_path).words == {"zenker", "hypopharynx", "gtv"}
