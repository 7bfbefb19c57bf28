"""Destroying the key: nothing names anybody any more, and the hub goes on."""

import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.patients import Occasion
from sightline.archive.studies import study
from sightline.audit.anchor import Anchor
from sightline.catalog.hub_tables import EDGE, STUDY
from sightline.deid import destruction
from sightline.deid.certificates import CERTIFICATE_FILE
from sightline.deid.certifying import verify_hub
from sightline.deid.destruction import destroy, overwrite, plan_destruction, public_key_of
from sightline.deid.escrow import make_escrow_key
from sightline.deid.hub_door import HubDoor
from sightline.deid.projects import open_project
from sightline.deid.reidentification import reidentify
from sightline.deid.vault import DESTROYED_FILE, WORDS_FILE, Vault
from sightline.errors import BadSettings, KeyDestroyed, Refused
from sightline.hub.collections import Criteria, make_version
from sightline.hub.lineage import node_of, record, trace
from sightline.values.identity import InstanceUid, LineageId
from sightline.values.study import IdentifiedStudy
from tests.deid.house import ANNA, PASSPHRASE, SLICES, House, house
from tests.instances import write_series

__all__ = ["house"]


@pytest.fixture
def used(house: House, tmp_path: Path) -> House:
    """Give a hub of two studies, a result, a collection, an escrow key, a project and words."""
    vault = Vault.open(house.settings)
    make_escrow_key(house.settings.vault_dir, tmp_path / "secret", PASSPHRASE, replace=False)
    open_project(vault, "trial-7")
    (house.settings.vault_dir / WORDS_FILE).write_text("zenker\n")
    for number in (1, 2):
        house.pass_study(house.receive(number, f"P{number}"))
    make_version(house.hub, "chests", Criteria(modality="CT"))
    with house.hub.database.write() as connection:
        record(connection, node_of(LineageId("model-1"), "model", name="lungs@1"), [])
        result = node_of(LineageId("prediction-1"), "prediction", name="prediction-1")
        record(connection, result, [LineageId("model-1"), LineageId(series_of(house))])
    return house


def series_of(house: House) -> str:
    return house.door.hub_uid("1.2.826.0.1.3680043.10.1234.1.0")


def fingerprint(house: House) -> str:
    return plan_destruction(house.settings, house.hub).fingerprint


def destroyed(house: House) -> None:
    destroy(house.book, house.hub, confirmed=fingerprint(house), occasion=ANNA)


def vault_files(house: House) -> list[str]:
    return sorted(path.name for path in house.settings.vault_dir.rglob("*") if path.is_file())


def test_a_plan_changes_nothing(used: House) -> None:
    before = vault_files(used)
    planned = plan_destruction(used.settings, used.hub)
    assert planned.files[0] == "hub.key"
    assert len(planned.files) == len(before) == 6  # key, words, public half, project, 2 records
    assert (planned.links, planned.left) == (1, ())
    assert vault_files(used) == before
    assert HubDoor.open(used.settings).hub_uid("1.2") == used.door.hub_uid("1.2")
    assert used.audited("vault_*") == []


@pytest.mark.parametrize("confirmed", ["", "yes", "0" * 16])
def test_another_fingerprint_destroys_nothing(used: House, confirmed: str) -> None:
    with pytest.raises(Refused, match="fingerprint"):
        destroy(used.book, used.hub, confirmed=confirmed, occasion=ANNA)
    with pytest.raises(Refused, match="name and a reason"):
        destroy(
            used.book,
            used.hub,
            confirmed=fingerprint(used),
            occasion=Occasion(actor="", reason=""),
        )
    assert len(vault_files(used)) == 6


def test_nothing_is_left_and_the_log_says_so(used: House, tmp_path: Path) -> None:
    expected = fingerprint(used)
    destroyed(used)
    assert vault_files(used) == []
    assert list(used.settings.vault_dir.iterdir()) == []
    events = [entry.event for entry in used.audited("vault_*")]
    assert [event.action for event in events] == ["vault_destroying", "vault_destroyed"]
    assert {event.objects for event in events} == {(f"vault:{expected}",)}
    assert events[0].actor == "anna"
    assert Anchor.open(used.settings).verify(used.archive.database).faults == ()
    subject = _subjects(used)[0]
    with pytest.raises(Refused, match="no escrow key"):
        reidentify(
            used.book,
            subject,
            secret=(tmp_path / "secret").read_bytes(),
            passphrase=PASSPHRASE,
            occasion=ANNA,
        )


def _subjects(house: House) -> list[str]:
    with house.hub.database.read() as connection:
        return list(connection.execute(sa.select(STUDY.c.subject_id)).scalars())


def test_the_door_holds_what_comes_and_no_key_is_made_anew(used: House, tmp_path: Path) -> None:
    destroyed(used)
    for door in (used.door, HubDoor.open(used.settings)):  # the one that was open, too
        passage = door.pass_study(_identified(used, 3))
        assert passage.study is None
        assert [each.reason for each in passage.held] == SLICES * ["key_destroyed"]
        for ask in (lambda d: d.hub_uid("1.2"), lambda d: d.names_of([InstanceUid("1.2")])):
            with pytest.raises(KeyDestroyed, match="destroyed"):
                ask(door)
        write_series(tmp_path / "in", 1)
        with pytest.raises(KeyDestroyed):
            door.pass_folder(
                tmp_path / "in", tmp_path / "out", processes=1, tell=lambda _done, _total: None
            )
        assert not list(tmp_path.glob(f"out/**/{CERTIFICATE_FILE}"))
    with pytest.raises(KeyDestroyed):
        Vault.open(used.settings)
    assert vault_files(used) == []


def _identified(house: House, number: int) -> IdentifiedStudy:
    return study(house.archive, house.receive(number, f"P{number}"))


def test_the_hub_goes_on(used: House) -> None:
    public_key = public_key_of(used.settings)
    destroyed(used)
    assert public_key_of(used.settings) == public_key
    found = verify_hub(used.hub, public_key)
    assert (found.studies, found.instances, found.faults) == (2, 2 * SLICES, ())
    version = make_version(used.hub, "chests-2", Criteria(modality="CT"))
    assert len(version.members) == 2
    assert [step.node.id for step in trace(used.hub, _subjects(used)[0], "down").steps]


def test_no_result_leads_to_its_series_any_more_but_to_its_model(used: House) -> None:
    series = series_of(used)
    destroyed(used)
    up = [step.node.id for step in trace(used.hub, "prediction-1", "up").steps]
    assert up == ["model-1"]
    assert "prediction-1" not in {step.node.id for step in trace(used.hub, series, "down").steps}
    with used.hub.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(EDGE)).scalar()


def test_files_that_are_not_ours_stay_and_are_named(used: House) -> None:
    (used.settings.vault_dir / "README").write_text("kept by hand")
    assert plan_destruction(used.settings, used.hub).left == ("README",)
    destroyed(used)
    assert vault_files(used) == ["README"]


def test_a_crash_at_any_file_leaves_no_new_key_and_another_call_ends_it(
    used: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fingerprint(used)
    for allowed in (0, 1, 3):
        left = [allowed]

        def dying(path: Path, left: list[int] = left) -> None:
            if not left[0]:
                raise OSError("power is gone")
            left[0] -= 1
            overwrite(path)

        with monkeypatch.context() as patch:
            patch.setattr(destruction, "overwrite", dying)
            with pytest.raises(OSError, match="power"):
                destroyed(used)
        with pytest.raises(KeyDestroyed):
            Vault.open(used.settings)
        assert fingerprint(used) == expected
    destroyed(used)
    assert vault_files(used) == []


def test_a_file_is_written_over_before_it_goes(tmp_path: Path) -> None:
    path, twin = tmp_path / "key", tmp_path / "twin"
    path.write_bytes(b"secret of the hub" * 9)
    os.link(path, twin)  # shows what became of the bytes on the disk
    overwrite(path)
    assert not path.exists()
    assert len(twin.read_bytes()) == 17 * 9
    assert b"secret" not in twin.read_bytes()


def test_a_damaged_mark_is_an_error(used: House) -> None:
    destroyed(used)
    for odd in ("", "{}", '{"format": "x"}'):
        (used.settings.hub_dir / DESTROYED_FILE).write_text(odd)
        with pytest.raises(BadSettings, match="damaged"):
            public_key_of(used.settings)
