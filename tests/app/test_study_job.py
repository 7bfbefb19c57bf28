"""The road of a study in a hub whose key was destroyed: it ends at the door, and no job fails."""

import pytest

from sightline.app.retention import RULES_FILE, list_due
from sightline.archive.patients import Occasion
from sightline.archive.quarantine import holdings
from sightline.archive.receiving import keep
from sightline.deid.destruction import destroy, plan_destruction
from sightline.deid.recording import Book
from sightline.errors import KeyDestroyed
from sightline.hub.collections import Criteria, make_version
from sightline.values.arrival import Source
from tests.app.test_identity import LATER, OF_A, SLICES, House, house
from tests.notes import note

__all__ = ["house"]

RULES = "{version: 1, rules: [{name: all, older_than_days: 1}], keep: {in_collections: %s}}"


@pytest.fixture
def anonymous(house: House) -> House:
    """Give a hub of one study and a collection of it, and no key any more."""
    house.receive(OF_A, "A")
    house.pass_door(OF_A)
    make_version(house.hub, "all", Criteria(modality="CT"))
    destroy(
        Book(house.settings, house.archive),
        house.hub,
        confirmed=plan_destruction(house.settings, house.hub).fingerprint,
        occasion=Occasion(actor="anna", reason="study ended"),
    )
    return house


def test_what_comes_is_held_with_a_reason(anonymous: House) -> None:
    anonymous.receive(LATER, "B")
    anonymous.pass_door(LATER)
    held = holdings(anonymous.archive, study_uid=LATER)
    assert [each.reason for each in held] == SLICES * ["key_destroyed"]
    assert all("destroyed" in each.detail for each in held)


def test_a_rejection_stays_in_the_archive(anonymous: House) -> None:
    rejected = [f"{OF_A}.0.1"]
    content = note(
        "113001", study_uid=OF_A, patient_id="A", uid=f"{OF_A}.9", named={OF_A: rejected}
    )
    keep(anonymous.archive, content, Source(name="dimse:PACS"))
    anonymous.pass_door(OF_A)
    assert len(anonymous.contents(OF_A)) == SLICES
    assert "instances_rejected" in anonymous.audited()


def test_retention_asks_for_a_rule_instead_of_guessing(anonymous: House) -> None:
    rules = anonymous.settings.data_dir / RULES_FILE
    rules.write_text(RULES % "true")
    with anonymous.archive.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE study SET last_received_at = 0, completed_revision = revision"
        )
    with pytest.raises(KeyDestroyed, match="in collections") as refused:
        list_due(anonymous.settings, anonymous.archive, anonymous.hub)
    assert "in_collections: false" in refused.value.hint
    rules.write_text(RULES % "false")
    assert len(list_due(anonymous.settings, anonymous.archive, anonymous.hub)) == 1
