"""The way back: with the secret, on record, and never with the identity in the record."""

from pathlib import Path

import pytest

from sightline.archive.patients import Occasion
from sightline.archive.retention import Due, retire
from sightline.archive.studies import study
from sightline.audit.anchor import Anchor
from sightline.deid.projects import open_project
from sightline.deid.reidentification import begin_escrow, reidentify, subject_of_release
from sightline.deid.rekeying import Rekeying
from sightline.deid.vault import Vault
from sightline.errors import Refused, UnknownName
from sightline.values.identity import Patient
from tests.deid.house import ANNA, PASSPHRASE, House, house

__all__ = ["house"]


def escrow(house: House, secret: Path, *, replace: bool = False) -> tuple[str, int]:
    return begin_escrow(
        house.book, house.hub, secret, passphrase=PASSPHRASE, replace=replace, occasion=ANNA
    )


def ask(
    house: House,
    subject: str,
    secret: Path,
    *,
    occasion: Occasion = ANNA,
    passphrase: str = PASSPHRASE,
) -> Patient:
    content = secret.read_bytes()
    return reidentify(house.book, subject, secret=content, passphrase=passphrase, occasion=occasion)


def test_a_subject_leads_back_and_the_log_says_who_asked(house: House, tmp_path: Path) -> None:
    escrow(house, tmp_path / "secret")
    house.pass_study(house.receive(1, "P77"))
    subject = house.subject("P77")
    patient = ask(house, subject, tmp_path / "secret")
    assert (patient.patient_id, patient.name, patient.birth_date) == (
        *("P77", "Odalind^P77", "19520314"),
    )
    (entry,) = house.audited("reidentification_*")
    assert entry.event.action == "reidentification_done"
    assert (entry.event.actor, entry.event.objects) == ("anna", (subject,))
    assert entry.event.reason == "incidental finding"
    verified = Anchor.open(house.settings).verify(house.archive.database)
    assert verified.faults == ()
    assert verified.anchored == verified.head  # signed before the identity is told


def test_it_works_when_the_archive_let_the_study_go(house: House, tmp_path: Path) -> None:
    escrow(house, tmp_path / "secret")
    uid = house.receive(1, "P77")
    house.pass_study(uid)
    retire(
        house.archive,
        Due(
            study_uid=uid,
            rule="old",
            last_received_at=0.0,
            instances=3,
            size_bytes=1,
            kept_because="",
            only_below_free_bytes=None,
        ),
    )
    with pytest.raises(UnknownName):
        study(house.archive, uid)
    assert ask(house, house.subject("P77"), tmp_path / "secret").patient_id == "P77"


@pytest.mark.parametrize(
    ("passphrase", "problem"), [("wrong passphrase", "does not open"), ("", "does not open")]
)
def test_a_failed_try_is_on_record(
    house: House, tmp_path: Path, passphrase: str, problem: str
) -> None:
    escrow(house, tmp_path / "secret")
    house.pass_study(house.receive(1, "P77"))
    with pytest.raises(Refused, match=problem):
        ask(house, house.subject("P77"), tmp_path / "secret", passphrase=passphrase)
    (entry,) = house.audited("reidentification_*")
    assert entry.event.action == "reidentification_failed"
    assert entry.event.actor == "anna"
    assert problem in entry.event.reason


def test_the_secret_of_another_hub_fails_on_record(house: House, tmp_path: Path) -> None:
    escrow(house, tmp_path / "secret")
    house.pass_study(house.receive(1, "P77"))
    other = House(tmp_path / "other")
    escrow(other, tmp_path / "other-secret")
    other.close()
    with pytest.raises(Refused, match="sealed to"):
        ask(house, house.subject("P77"), tmp_path / "other-secret")
    assert [entry.event.action for entry in house.audited("re*")] == ["reidentification_failed"]


@pytest.mark.parametrize("reason", ["saw Odalind today", "about P77", "ODALIND"])
def test_a_reason_that_names_the_patient_is_refused_and_not_kept(
    house: House, tmp_path: Path, reason: str
) -> None:
    escrow(house, tmp_path / "secret")
    house.pass_study(house.receive(1, "P77"))
    occasion = Occasion(actor="anna", reason=reason)
    with pytest.raises(Refused, match="quotes"):
        ask(house, house.subject("P77"), tmp_path / "secret", occasion=occasion)
    written = repr(house.audited("*")).lower()
    assert "odalind" not in written
    assert "p77" not in written


@pytest.mark.parametrize(
    "occasion", [Occasion(actor=" ", reason="x"), Occasion(actor="x", reason="")]
)
def test_nobody_asks_without_name_and_reason(
    house: House, tmp_path: Path, occasion: Occasion
) -> None:
    escrow(house, tmp_path / "secret")
    with pytest.raises(Refused, match="name and a reason"):
        ask(house, "S-AAAAAAAAAA", tmp_path / "secret", occasion=occasion)


def test_without_an_escrow_key_it_says_so(house: House, tmp_path: Path) -> None:
    house.pass_study(house.receive(1, "P77"))
    (tmp_path / "secret").write_text("{}")
    with pytest.raises(Refused, match="no escrow key"):
        ask(house, house.subject("P77"), tmp_path / "secret")
    assert len(house.audited("reidentification_failed")) == 1


@pytest.mark.parametrize("odd", ["../../hub.key", "S-aaaaaaaaaa", "Odalind", "", "S-AAAAAAAAAA/.."])
def test_what_is_no_subject_is_refused_and_not_quoted(
    house: House, tmp_path: Path, odd: str
) -> None:
    escrow(house, tmp_path / "secret")
    with pytest.raises(UnknownName, match="no subject"):
        ask(house, odd, tmp_path / "secret")
    (entry,) = house.audited("reidentification_*")
    assert entry.event.objects == ("not a subject",)


def test_who_was_named_before_the_key_is_sealed_from_the_archive(
    house: House, tmp_path: Path
) -> None:
    house.pass_study(house.receive(1, "P77"))
    house.receive(2, "P78")  # in the archive, not in the hub
    key_id, sealed = escrow(house, tmp_path / "secret")
    assert sealed == 1
    assert ask(house, house.subject("P77"), tmp_path / "secret").patient_id == "P77"
    with pytest.raises(Refused, match="no identity"):
        ask(house, house.subject("P78"), tmp_path / "secret")
    (entry,) = house.audited("escrow_*")
    assert entry.event.objects == (f"escrow:{key_id}",)


def test_the_secret_does_not_stay_in_the_data_directory(house: House) -> None:
    with pytest.raises(Refused, match="data directory"):
        escrow(house, house.settings.data_dir / "secret")
    assert house.audited("escrow_*") == []


def test_a_subject_of_a_release_leads_to_that_of_the_hub(house: House) -> None:
    for number in range(3):
        house.pass_study(house.receive(number, f"P{number}"))
    names = Rekeying(open_project(Vault.open(house.settings), "trial-7"))
    subject = house.subject("P1")
    found = subject_of_release(
        house.book, house.hub, project="trial-7", subject=names.subject(subject)
    )
    assert found == subject
    with pytest.raises(UnknownName, match="no subject"):
        subject_of_release(house.book, house.hub, project="trial-7", subject=subject)
    with pytest.raises(UnknownName, match="no project"):
        subject_of_release(house.book, house.hub, project="trial-8", subject=subject)
    assert not list((house.settings.vault_dir / "projects").glob("trial-8*"))
