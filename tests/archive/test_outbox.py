"""Messages are owed with the result, in the order of each patient, until they arrived."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.outbox import (
    MessageTo,
    count_waiting,
    due_messages,
    facts_of,
    record_attempt,
    record_delivered,
    sent_messages,
)
from sightline.archive.patients import Occasion, apply_change
from sightline.archive.results import prediction, publish
from sightline.errors import NotDicom, UnknownName
from sightline.values.arrival import OutgoingResult
from sightline.values.clinical import Merge, Person
from sightline.values.identity import LineageId, SeriesUid
from tests.clinical_results import publish_one
from tests.instances import ROOT

HL7 = MessageTo(kind="hl7", destination="engine:2575")
FHIR = MessageTo(kind="fhir", destination="https://ehr/fhir")
BOTH = (HL7, FHIR)


@pytest.fixture
def archive(tmp_path: Path, catalog_url: str) -> Iterator[Archive]:
    opened = Archive.at(tmp_path / "archive", catalog_url=catalog_url)
    yield opened
    opened.close()


def due(archive: Archive) -> list[str]:
    return [each.lineage_id for each in due_messages(archive, "hl7")]


def test_messages_are_owed_once_however_often_a_result_is_published(archive: Archive) -> None:
    for _ in range(3):
        name = publish_one(archive, 1, "A", BOTH)
    assert [(each.lineage_id, each.to, each.state) for each in sent_messages(archive)] == [
        (name, FHIR, "waiting"),
        (name, HL7, "waiting"),
    ]
    assert count_waiting(archive) == 2
    assert due(archive) == [name]
    assert [each.to for each in due_messages(archive, "fhir")] == [FHIR]


def test_nothing_is_owed_where_nobody_is_to_be_told(archive: Archive) -> None:
    publish_one(archive, 1, "A")
    assert sent_messages(archive) == []


def test_nothing_is_owed_of_what_was_not_published(archive: Archive) -> None:
    name = publish_one(archive, 1, "A")
    broken = OutgoingResult(content=b"junk", lineage_id=LineageId("result-9"))
    with pytest.raises(NotDicom):
        publish(archive, prediction(archive, name), [broken], destinations=[], messages=[HL7])
    assert sent_messages(archive) == []


def test_a_later_message_of_a_patient_waits_for_the_earlier_one(archive: Archive) -> None:
    names = [
        publish_one(archive, number, patient, BOTH)
        for number, patient in enumerate("AABA", start=1)
    ]
    assert due(archive) == [names[0], names[2]]
    first = due_messages(archive, "hl7")[0]
    record_attempt(archive, first, problem="AE", wait_s=60.0)
    # The first is not due, and the second may not overtake it; another patient is not held up.
    assert due(archive) == [names[2]]
    # Nor is another destination.
    assert [each.lineage_id for each in due_messages(archive, "fhir")] == [names[0], names[2]]
    record_attempt(archive, first, problem="AE", wait_s=0.0)
    record_delivered(archive, due_messages(archive, "hl7")[0])
    assert due(archive) == [names[1], names[2]]
    record_attempt(archive, due_messages(archive, "hl7")[0], problem="AR", wait_s=None)
    # What was given up is waited for no longer.
    assert due(archive) == [names[2], names[3]]
    states = {each.lineage_id: each.state for each in sent_messages(archive) if each.to == HL7}
    assert [states[name] for name in names] == ["delivered", "failed", "waiting", "waiting"]


def test_the_order_is_that_of_the_patient_after_merges(archive: Archive) -> None:
    first, second = publish_one(archive, 1, "A", BOTH), publish_one(archive, 2, "B", BOTH)
    assert due(archive) == [first, second]
    change = Merge(
        survivor=Person(patient_id="B", issuer=""), merged=Person(patient_id="A", issuer="")
    )
    with archive.database.write() as connection:
        apply_change(connection, change, Occasion(actor="test", reason="one person"))
    assert due(archive) == [first]
    facts = facts_of(archive, prediction(archive, first), [])
    assert facts.patient.patient_id == "B"


def test_a_message_says_what_was_publish_one(archive: Archive) -> None:
    name = publish_one(archive, 1, "A", BOTH)
    facts = facts_of(archive, prediction(archive, name), [LineageId("result-1-seg")])
    assert facts.patient.patient_id == "A"
    assert (facts.patient.name, facts.patient.sex) == ("Probe^One", "O")
    assert (facts.accession_number, facts.study_date, facts.modality) == ("A1", "20240131", "CT")
    (ours,) = facts.instances
    assert (ours.instance_uid, ours.modality) == (f"{ROOT}.1.9.1", "SEG")
    assert facts.finding.words == "One nodule"
    assert facts_of(archive, prediction(archive, name), [LineageId("other")]).instances == ()


def test_of_a_study_that_is_gone_nobody_is_told(archive: Archive) -> None:
    name = publish_one(archive, 1, "A", BOTH)
    gone = dataclasses.replace(prediction(archive, name), series_uid=SeriesUid("1.2.3"))
    with pytest.raises(UnknownName):
        facts_of(archive, gone, [])
