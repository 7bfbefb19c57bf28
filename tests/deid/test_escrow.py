"""Sealed identities: the vault alone reads none, the secret alone has none."""

import json
import re
import shutil
import stat
from pathlib import Path

import pytest

from sightline.deid.door import pass_door
from sightline.deid.escrow import (
    PUBLIC_FILE,
    RECORDS_DIR,
    EscrowSecret,
    has_records,
    keep_identity,
    make_escrow_key,
    open_identity,
    public_key,
    unlock,
)
from sightline.deid.vault import Vault
from sightline.errors import BadFile, BadSettings, Refused
from sightline.values.identity import Patient, SubjectId
from tests.deid.conftest import StudyOf, vault_at
from tests.deid.house import PASSPHRASE
from tests.instances import part10_of, slice_of

ADA = Patient(
    patient_id="0123", issuer="NORTH", name="Roe^Ada Ĳ 山田", birth_date="19520314", sex="F"
)
BEN = Patient(patient_id="0124", issuer="NORTH", name="Doe^Ben")
S_ADA, S_BEN = SubjectId("S-AAAAAAAAAA"), SubjectId("S-BBBBBBBBBB")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    make_escrow_key(folder, tmp_path / "secret", PASSPHRASE, replace=False)
    return folder


def secret_in(path: Path, passphrase: str = PASSPHRASE) -> EscrowSecret:
    return unlock(path.read_bytes(), passphrase)


def records(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / RECORDS_DIR).rglob("*") if path.is_file())


def test_the_secret_opens_what_was_sealed(folder: Path, tmp_path: Path) -> None:
    for subject, patient in ((S_ADA, ADA), (S_BEN, BEN)):
        keep_identity(folder, subject, patient)
    secret = secret_in(tmp_path / "secret")
    assert open_identity(folder, S_ADA, secret) == ADA
    assert open_identity(folder, S_BEN, secret) == BEN


def test_the_vault_alone_shows_nothing(folder: Path, tmp_path: Path) -> None:
    keep_identity(folder, S_ADA, ADA)
    keep_identity(folder, S_BEN, BEN)
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    # Among so many digits of keys a short number stands somewhere by chance.
    said = re.sub(rb"[0-9a-f]{32,}", b"", content)
    for word in (b"Roe", b"Ada", b"0123", b"NORTH", b"19520314"):
        assert word not in said
        assert word.hex().encode() not in content
    # Nor does its length: a long name looks like a short one.
    assert len({path.stat().st_size for path in records(folder)}) == 1
    secret = json.loads((tmp_path / "secret").read_text())
    raw = secret_in(tmp_path / "secret").private.private_bytes_raw().hex()
    assert raw not in json.dumps(secret)
    assert raw not in repr(secret_in(tmp_path / "secret"))
    for path in (*records(folder), folder / PUBLIC_FILE, tmp_path / "secret"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_equal_identities_are_not_sealed_alike(folder: Path) -> None:
    keep_identity(folder, S_ADA, ADA)
    keep_identity(folder, S_BEN, ADA)
    first, second = (json.loads(path.read_text()) for path in records(folder))
    assert first["sealed"] != second["sealed"]
    assert first["ephemeral"] != second["ephemeral"]


def test_an_identity_is_sealed_once(folder: Path, tmp_path: Path) -> None:
    keep_identity(folder, S_ADA, ADA)
    (path,) = records(folder)
    before = path.read_bytes()
    keep_identity(folder, S_ADA, BEN)
    assert path.read_bytes() == before
    assert open_identity(folder, S_ADA, secret_in(tmp_path / "secret")) == ADA


def test_without_a_key_nothing_is_kept(tmp_path: Path) -> None:
    vault_at(tmp_path / "vault")
    keep_identity(tmp_path / "vault", S_ADA, ADA)
    keep_identity(None, S_ADA, ADA)
    assert public_key(tmp_path / "vault") is None
    assert not has_records(tmp_path / "vault")
    assert [path.name for path in (tmp_path / "vault").iterdir()] == ["hub.key"]


def test_the_door_seals_whom_it_names(tmp_path: Path, vault: Vault, study_of: StudyOf) -> None:
    assert vault.folder is not None
    make_escrow_key(vault.folder, tmp_path / "secret", PASSPHRASE, replace=False)
    held = pass_door(study_of([part10_of(slice_of(1, BurnedInAnnotation="YES"))]), vault)
    assert held.study is None
    assert records(vault.folder) == []  # nobody was named
    passed = pass_door(study_of([part10_of(slice_of(1))], patient=ADA), vault)
    assert passed.study is not None
    secret = secret_in(tmp_path / "secret")
    assert open_identity(vault.folder, passed.study.subject_id, secret) == ADA
    assert passed.study.subject_id == vault.pseudonym(ADA)


def test_the_door_stays_shut_where_the_key_is_damaged(vault: Vault, study_of: StudyOf) -> None:
    assert vault.folder is not None
    (vault.folder / PUBLIC_FILE).write_text("{}")
    with pytest.raises(BadSettings, match="damaged"):
        pass_door(study_of([part10_of(slice_of(1))]), vault)


@pytest.mark.parametrize("wrong", ["", "correct horse batterx", PASSPHRASE + " "])
def test_another_passphrase_does_not_open(folder: Path, tmp_path: Path, wrong: str) -> None:
    assert has_records(folder)
    with pytest.raises(Refused, match="does not open"):
        secret_in(tmp_path / "secret", wrong)


def test_another_secret_does_not_open(folder: Path, tmp_path: Path) -> None:
    keep_identity(folder, S_ADA, ADA)
    make_escrow_key(tmp_path / "other", tmp_path / "other-secret", PASSPHRASE, replace=False)
    other = secret_in(tmp_path / "other-secret")
    with pytest.raises(Refused, match="sealed to escrow key") as refused:
        open_identity(folder, S_ADA, other)
    assert secret_in(tmp_path / "secret").key_id in refused.value.problem
    # Not even where the record is laid where that secret looks for it.
    keyed = folder / RECORDS_DIR
    shutil.move(next(keyed.iterdir()), keyed / other.key_id)
    with pytest.raises(BadFile, match="damaged"):
        open_identity(folder, S_ADA, other)


def test_the_record_of_one_subject_opens_for_no_other(folder: Path, tmp_path: Path) -> None:
    keep_identity(folder, S_ADA, ADA)
    keep_identity(folder, S_BEN, BEN)
    first, second = records(folder)
    second.write_bytes(first.read_bytes())
    with pytest.raises(BadFile, match="damaged"):
        open_identity(folder, S_BEN, secret_in(tmp_path / "secret"))


def test_every_flipped_byte_of_a_record_or_secret_is_found(folder: Path, tmp_path: Path) -> None:
    keep_identity(folder, S_ADA, ADA)
    secret = secret_in(tmp_path / "secret")
    (path,) = records(folder)
    content = path.read_bytes()
    for place in range(0, len(content), 13):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            assert open_identity(folder, S_ADA, secret) == ADA
        except BadFile:
            continue
        assert json.loads(path.read_bytes()) == json.loads(content)
    path.write_bytes(content)
    file = tmp_path / "secret"
    document = json.loads(file.read_text())
    for name, odd in (("salt", "zz"), ("sealed", ""), ("n", 2**40), ("n", "x"), ("version", 2)):
        with pytest.raises((BadFile, Refused)):
            unlock(json.dumps(document | {name: odd}).encode(), PASSPHRASE)
    for odd_file in (b"", b"[]", b"{}", path.read_bytes()):
        with pytest.raises(BadFile):
            unlock(odd_file, PASSPHRASE)


def test_a_new_key_is_made_on_purpose_alone_and_the_old_records_stay(
    folder: Path, tmp_path: Path
) -> None:
    keep_identity(folder, S_ADA, ADA)
    with pytest.raises(Refused, match="already"):
        make_escrow_key(folder, tmp_path / "second", PASSPHRASE, replace=False)
    assert not (tmp_path / "second").exists()
    make_escrow_key(folder, tmp_path / "second", PASSPHRASE, replace=True)
    keep_identity(folder, S_BEN, BEN)
    assert open_identity(folder, S_ADA, secret_in(tmp_path / "secret")) == ADA
    assert open_identity(folder, S_BEN, secret_in(tmp_path / "second")) == BEN
    with pytest.raises(Refused, match="sealed to"):
        open_identity(folder, S_ADA, secret_in(tmp_path / "second"))
    keep_identity(folder, S_ADA, ADA)  # comes again
    assert open_identity(folder, S_ADA, secret_in(tmp_path / "second")) == ADA


def test_a_secret_overwrites_nothing_and_short_passphrases_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    with pytest.raises(Refused, match="there already"):
        make_escrow_key(tmp_path / "v", tmp_path / "secret", PASSPHRASE, replace=False)
    with pytest.raises(Refused, match="shorter"):
        make_escrow_key(tmp_path / "v", tmp_path / "new", "short", replace=False)
    assert (tmp_path / "secret").read_text() == "mine"
    assert public_key(tmp_path / "v") is None
