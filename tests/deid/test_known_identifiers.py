"""What instances, messages and the archive say of a patient."""

from pathlib import Path

from sightline.archive.archive import Archive
from sightline.archive.clinical import Letter, take
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.archive.ties import load_rules
from sightline.deid.dataset import Element
from sightline.deid.known_identifiers import (
    KnownIdentifiers,
    known_of_elements,
    known_of_message,
)
from sightline.deid.patient_records import known_of_archive
from sightline.formats.hl7 import parse
from sightline.intake.hl7_messages import read_message
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.instances import ROOT, part10_of, slice_of

MESSAGE = (
    b"MSH|^~\\&|RIS|NORTH|||20240202||ORU^R01|1|P|2.5.1\r"
    b"PID|1||4711^^^N^MR~A123456789^^^KV^NI||Kowalczyk^Ada||19560312|F|||Rosenweg 7^^Talheim^^74388||"
    b"0711 123456|||||||123-45-6789\r"
    b"PV1|1|I|||||77^Lindner^Karl\r"
    b"OBR|1|P1|F1|CT^CT chest|||20240202|||||||||78^Huber^Eva||ACC1||||||RAD|F\r"
    b"OBX|1|TX|GDT^Body||nodule|||||F\r"
)


def test_elements_are_read_at_every_depth_in_their_character_set() -> None:
    inner = {0x0040A123: Element("PN", "Grün^Eva".encode("latin-1"))}
    elements = {
        0x00100010: Element("PN", b"Kowalczyk^Ada"),
        0x00100020: Element("LO", b"4711 "),
        0x00080080: Element("LO", b"Klinikum Talheim\0"),
        0x00101040: Element("LO", b"Rosenweg 7, 74388 Talheim"),
        0x00280010: Element("US", b"\x01\x02"),
        0x0040A730: Element("SQ", b"", (inner,)),
    }
    assert known_of_elements(elements, "latin-1") == KnownIdentifiers(
        names=("Kowalczyk^Ada",),
        people=("Grün^Eva",),
        ids=("4711",),
        addresses=("Rosenweg 7", "74388 Talheim"),
        institutions=("Klinikum Talheim",),
    )


def test_a_message_names_the_patient_and_those_around() -> None:
    known = known_of_message(parse(MESSAGE))
    assert known.names == ("Kowalczyk^Ada^",)
    assert known.people == ("Lindner^Karl^", "Huber^Eva^")
    assert set(known.ids) >= {"4711", "A123456789", "123-45-6789", "F1", "ACC1"}
    assert known.birth_dates == ("19560312",)
    assert known.addresses == ("Rosenweg 7",)
    assert known.places == ("Talheim", "74388")
    assert known.phones == ("0711 123456",)


def test_the_archive_knows_what_its_messages_and_studies_said(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    archive = Archive.open(settings)
    uid = f"{ROOT}.6.1"
    dataset = slice_of(
        1,
        size=4,
        StudyInstanceUID=uid,
        SeriesInstanceUID=f"{uid}.0",
        SOPInstanceUID=f"{uid}.0.1",
        PatientID="4711",
        IssuerOfPatientID="N",
        PatientName="Kowalczyk^Ada",
        AccessionNumber="ACC1",
        ReferringPhysicianName="Oberle^Max",
    )
    keep(archive, part10_of(dataset), Source(name="test"))
    letter = Letter(content=MESSAGE, sender="RIS@NORTH", control_id="1", kind="ORU^R01")
    said = read_message(parse(MESSAGE), lambda _: "N")
    take(archive, letter, lambda: said, rules=load_rules(settings))
    known = known_of_archive(archive, study(archive, StudyUid(uid)).patient)
    archive.close()
    assert {"Oberle^Max", "Lindner^Karl^", "Huber^Eva^"} <= set(known.people)
    assert {"4711", "ACC1", "A123456789"} <= set(known.ids)
    assert known.addresses == ("Rosenweg 7",)
