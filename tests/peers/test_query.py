"""Our C-FIND against Orthanc and DCMTK's archive."""

from pathlib import Path

import pytest

from sightline.errors import PeerFailed, UnknownName
from sightline.peers.dimse import Destination, parse_destination, send
from sightline.peers.query import IMAGE_KEYS, PATIENT_KEYS, STUDY_KEYS, RemoteStudy, asking
from tests.counterparties import HOST, Orthanc, free_port
from tests.instances import ROOT, SERIES, STUDY, part10_of, slice_of, uid, write_series
from tests.peers.archives import Dcmqrscp

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def pacs(orthanc: Orthanc, tmp_path: Path) -> Destination:
    """Give an Orthanc that knows us and holds one study of two series."""
    orthanc.knows("asking", ae_title="ASKING", port=1)
    files = write_series(tmp_path / "first", 4, size=2, PatientName="Müller^Jürgen")
    second = {"SeriesInstanceUID": f"{ROOT}.2", "SeriesNumber": 2, "Modality": "MR"}
    made = slice_of(1, size=2, PatientName="Müller^Jürgen", SOPInstanceUID=f"{ROOT}.2.1", **second)
    files.append(tmp_path / "second.dcm")
    files[-1].write_bytes(part10_of(made))
    destination = parse_destination(orthanc.destination)
    send(destination, files, calling_ae="TEST")
    return destination


def test_studies_series_and_instances(pacs: Destination) -> None:
    with asking(pacs, calling_ae="ASKING") as questions:
        (study,) = questions.studies({"PatientID": "PHANTOM-1"})
        assert study == RemoteStudy(
            uid=STUDY,
            patient_id="PHANTOM-1",
            date="20240131",
            accession_number="A1",
            description="Chest",
            modalities=("CT", "MR"),
            series=2,
            instances=5,
        )
        series = {each.uid: each for each in questions.series(STUDY)}
        assert {each: series[each].instances for each in series} == {SERIES: 4, f"{ROOT}.2": 1}
        assert series[SERIES].modality == "CT"
        found = questions.instances(STUDY, SERIES)
        assert {each.uid for each in found} == {uid(number) for number in range(1, 5)}
        assert {each.sop_class_uid for each in found} == {CT}
        assert questions.count(STUDY) == 5
        assert questions.count("1.2.3") == 0


def test_the_patient_root(pacs: Destination) -> None:
    with asking(pacs, calling_ae="ASKING", root="patient") as questions:
        (patient,) = questions.ask("PATIENT", {}, PATIENT_KEYS)
        assert patient.text("PatientName") == "Müller^Jürgen"
        keys = {"PatientID": "PHANTOM-1", "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}
        assert len(list(questions.ask("IMAGE", keys, IMAGE_KEYS))) == 4


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"PatientName": "Mül*"}, 1),
        ({"PatientName": "Mul*"}, 0),
        ({"StudyDate": "20240101-20240131"}, 1),
        ({"StudyDate": "20240201-"}, 0),
        ({"ModalitiesInStudy": "MR"}, 1),
        ({"StudyInstanceUID": f"1.2.3\\{STUDY}"}, 1),
        ({}, 1),
    ],
)
def test_keys_are_matched(pacs: Destination, where: dict[str, str], count: int) -> None:
    with asking(pacs, calling_ae="ASKING") as questions:
        assert len(questions.studies(where)) == count


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Ärger^Öl"),
        ("ISO_IR 144", "Жданов^Юлия"),
        ("ISO_IR 126", "Διονυσιος"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_answers_in_every_character_set(
    dcmqrscp: Dcmqrscp, tmp_path: Path, charset: str | list[str], name: str
) -> None:
    made = slice_of(1, size=2, SpecificCharacterSet=charset, PatientName=name)
    (tmp_path / "one.dcm").write_bytes(part10_of(made))
    send(dcmqrscp.destination, [tmp_path / "one.dcm"], calling_ae="ASKING")
    with asking(dcmqrscp.destination, calling_ae="ASKING") as questions:
        (found,) = questions.ask("STUDY", {}, (*PATIENT_KEYS, *STUDY_KEYS))
    assert found.text("PatientName") == name


def test_a_peer_without_counts_is_asked_for_its_series(dcmqrscp: Dcmqrscp, tmp_path: Path) -> None:
    send(dcmqrscp.destination, write_series(tmp_path / "in", 3, size=2), calling_ae="ASKING")
    with asking(dcmqrscp.destination, calling_ae="ASKING") as questions:
        (study,) = questions.studies({})
        assert questions.count(STUDY) in {study.instances, None}
        assert len(questions.instances(STUDY, SERIES)) == 3


def test_a_query_can_be_cancelled(orthanc: Orthanc, tmp_path: Path) -> None:
    orthanc.knows("asking", ae_title="ASKING", port=1)
    files = []
    for number in range(30):
        numbered = {"StudyInstanceUID": f"{ROOT}.7.{number}", "PatientID": f"P{number}"}
        series = {"SeriesInstanceUID": f"{ROOT}.8.{number}", "SOPInstanceUID": f"{ROOT}.9.{number}"}
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(part10_of(slice_of(1, size=2, **numbered, **series)))
    destination = parse_destination(orthanc.destination)
    send(destination, files, calling_ae="TEST")
    with asking(destination, calling_ae="ASKING") as questions:
        given = list(questions.ask("STUDY", {}, STUDY_KEYS, is_cancelled=lambda: True))
        assert len(given) == 1
        assert len(questions.studies({})) == 30  # the association is still good


def test_what_is_no_key(pacs: Destination) -> None:
    with asking(pacs, calling_ae="ASKING") as questions:
        with pytest.raises(UnknownName, match="'PatientsName' is no DICOM keyword"):
            questions.studies({"PatientsName": "X"})
        with pytest.raises(UnknownName, match="'abc' is no value of NumberOfStudyRelatedInstances"):
            questions.studies({"NumberOfStudyRelatedInstances": "abc"})


def test_orthanc_answers_only_whom_it_knows(pacs: Destination) -> None:
    with (
        pytest.raises(PeerFailed, match="ended the association without an answer") as failure,
        asking(pacs, calling_ae="STRANGER") as questions,
    ):
        questions.studies({})
    assert "AE title" in failure.value.hint


def test_a_peer_that_is_not_there_or_takes_no_queries(storescp: tuple[int, Path]) -> None:
    nowhere = Destination(ae_title="PEER", host=HOST, port=free_port())
    with pytest.raises(PeerFailed, match="cannot be reached"), asking(nowhere, calling_ae="A"):
        pass
    receiver = Destination(ae_title="PEER", host=HOST, port=storescp[0])
    with (
        pytest.raises(PeerFailed, match="nothing of what we propose"),
        asking(receiver, calling_ae="A"),
    ):
        pass
