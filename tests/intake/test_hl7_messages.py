"""What HL7 v2 messages say, in our words."""

import dataclasses

import pytest

from sightline.errors import BadMessage
from sightline.formats.hl7 import parse
from sightline.intake.hl7_messages import read_message
from sightline.values.clinical import (
    Clinical,
    ClinicalRecord,
    Correction,
    Demographics,
    Merge,
    Person,
    Unmerge,
)
from tests.mllp import message

PID = "PID|1||7^^^NORTH^MR||Doe^Ada^B^Jr^Dr||19700102|F"
ADA = Person(
    patient_id="7",
    issuer="NORTH",
    demographics=Demographics(name="Doe^Ada^B^Dr^Jr", birth_date="19700102", sex="F"),
)


def read(kind: str, *segments: str) -> Clinical:
    content = message(kind, *segments, control_id="1", facility="NORTHHIS")
    return read_message(parse(content), {"NORTHHIS": "NORTH"}.__getitem__)


@pytest.mark.parametrize("trigger", ["A01", "A04", "A05", "A08"])
def test_a_person(trigger: str) -> None:
    assert read(f"ADT^{trigger}", PID) == Clinical(changes=(Correction(person=ADA),))


@pytest.mark.parametrize(
    ("pid", "patient_id", "issuer"),
    [
        ("PID|1||7", "7", "NORTH"),
        ("PID|1||7^^^SOUTH&1.2&ISO", "7", "SOUTH"),
        ("PID|1||123^^^STATE^SS~7^^^NORTH^MR", "7", "NORTH"),
        ("PID|1|7", "7", "NORTH"),
    ],
)
def test_which_number_names_a_person(pid: str, patient_id: str, issuer: str) -> None:
    (change,) = read("ADT^A08", pid).changes
    assert isinstance(change, Correction)
    assert (change.person.patient_id, change.person.issuer) == (patient_id, issuer)
    assert change.person.demographics == Demographics()


def test_several_merges_in_one_message() -> None:
    said = read("ADT^A40", PID, "MRG|8^^^NORTH", "PID|1||9^^^NORTH", "MRG|10^^^NORTH||||||Roe^Eve")
    first, second = said.changes
    assert isinstance(first, Merge)
    assert isinstance(second, Merge)
    assert (first.survivor, first.merged.patient_id) == (ADA, "8")
    assert (second.survivor.patient_id, second.merged.demographics.name) == ("9", "Roe^Eve")


def test_an_unmerge() -> None:
    (change,) = read("ADT^A37", PID, "PID|1||8^^^NORTH").changes
    assert isinstance(change, Unmerge)
    assert (change.one.patient_id, change.other.patient_id) == ("7", "8")


def test_an_order_with_its_indication() -> None:
    obr = "OBR|1|P1|F1|CT^CT chest|||||||||Cough for weeks|||||ACC1|" + "|" * 12 + "X^Rule out PE"
    said = read("ORM^O01", PID, "ORC|NW|P1|F1||||||20240201", obr, "NTE|1||Allergic", "ZDS|1.2.3")
    assert said.records == (
        ClinicalRecord(
            kind="order",
            source_key="F1",
            person=ADA,
            accession_number="ACC1",
            study_uid="1.2.3",
            date="20240201",
            title="CT chest",
            text="Rule out PE\nCough for weeks\nAllergic",
            status="NW",
        ),
    )


def test_two_orders_in_one_message() -> None:
    said = read(
        "OMI^O23", PID, "ORC|NW|P1|F1", "OBR|1", "IPC|A1", "ORC|NW|P2|F2", "OBR|2", "IPC|A2"
    )
    assert [(each.source_key, each.accession_number) for each in said.records] == [
        ("F1", "A1"),
        ("F2", "A2"),
    ]


def test_a_report() -> None:
    obr = "OBR|1|P1|F1|CT^CT chest|||20240202|||||||||||ACC1||||||RAD|F"
    said = read(
        "ORU^R01",
        PID,
        obr,
        "OBX|1|TX|GDT^Body||No\\.br\\nodules~Second|||||F",
        "OBX|2|HD|113014^Study Instance UID^DCM||1.2.3",
        "OBX|3|TX|IMP^Impression||Normal",
    )
    assert said.records == (
        ClinicalRecord(
            kind="report",
            source_key="F1",
            person=ADA,
            accession_number="ACC1",
            study_uid="1.2.3",
            date="20240202",
            title="CT chest",
            text="No\nnodules\nSecond\nNormal",
            status="F",
        ),
    )


def test_laboratory_values() -> None:
    said = read(
        "ORU^R01",
        PID,
        "OBR|1|P1|L1|CHEM^Chemistry|||20240202",
        "OBX|1|NM|CRP^C-reactive protein||12.5|mg/l|||||F|||20240203",
        "OBX|2|SN|DD^D-dimer||>^500|ng/ml",
        "OBX|3|CWE|BG^Blood group||A^A positive",
        "OBX|4|NM|NA^Sodium||",
    )
    found = [dataclasses.astuple(each)[5:10] for each in said.records]
    assert found == [
        ("20240203", "C-reactive protein", "12.5", "mg/l", "F"),
        ("20240202", "D-dimer", "> 500", "ng/ml", ""),
        ("20240202", "Blood group", "A positive", "", ""),
    ]
    assert [each.source_key for each in said.records] == ["L1/CRP/", "L1/DD/", "L1/BG/"]


@pytest.mark.parametrize(
    ("kind", "segments", "why"),
    [
        ("ADT^A03", (PID,), "not taken"),
        ("SIU^S12", (PID,), "not taken"),
        ("ADT^A08", (), "lacks a segment PID"),
        ("ADT^A40", (PID,), "lacks a segment MRG"),
        ("ADT^A40", ("MRG|8", PID), "lacks a PID before its MRG"),
        ("ADT^A37", (PID,), "lacks two identities"),
        ("ORM^O01", (PID,), "lacks an order"),
        ("ORU^R01", (PID, "OBR|1", "OBX|1|NM|X||"), "lacks an order or a result"),
    ],
)
def test_what_is_refused(kind: str, segments: tuple[str, ...], why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        read(kind, *segments)
