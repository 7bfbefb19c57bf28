"""Orders, reports and values on their way into the hub, where they are instances of their study."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest
import sqlalchemy as sa

from sightline.archive.receiving import keep
from sightline.archive.record_changes import changes_to_start, count_unseen, mark_change_started
from sightline.catalog.hub_tables import CERTIFICATE, INSTANCE, STUDY
from sightline.deid.certifying import verify_hub
from sightline.deid.destruction import public_key_of
from sightline.errors import UnknownName
from sightline.formats.text_sr import BASIC_TEXT_SR_STORAGE
from sightline.hub.collections import Criteria, make_version
from sightline.hub.exporting import export
from sightline.hub.reading import find_studies, reports_of
from sightline.values.arrival import Source
from sightline.web.app import create_app
from sightline.web.server import WebServer
from tests.app.conftest import Sightline
from tests.app.test_identity import House
from tests.deid.profiles import profile_with_text
from tests.instances import ROOT, part10_of, slice_of
from tests.notes import note
from tests.verification import dicom_errors

STUDY_A, STUDY_B = f"{ROOT}.9.1", f"{ROOT}.9.2"
PATIENT = "PID|||4711-22^^^^MR||Kowalczyk^Ada||19560312|F"
REPORT = (
    "Mrs Kowalczyk (4711-22, ACC-4711) was seen by Dr. Lindner on 02/02/2024.",
    "8 mm nodule in the right upper lobe.",
)
# Long enough that no digest and no UID holds one by chance.
PLANTED = ("Kowalczyk", "Lindner", "4711-22", "ACC-4711", "20240202", "02/02/2024", "19560312")


def report(*words: str, accession: str = "ACC-4711", status: str = "F") -> tuple[str, ...]:
    order = f"OBR|1||F-1|CT^CT chest of Ada Kowalczyk|||20240202|||||||||||{accession}||||||RAD|{status}"
    lines = (f"OBX|{n}|TX|R^Report||{each}||||||{status}" for n, each in enumerate(words, 1))
    return (PATIENT, order, *lines)


def image(study: str, accession: str, number: int = 1, **more: object) -> bytes:
    attributes: dict[str, object] = {
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.0",
        "SOPInstanceUID": f"{study}.0.{number}",
        "PatientID": "4711-22",
        "PatientName": "Kowalczyk^Ada",
        "AccessionNumber": accession,
        "StudyDate": "20240131",
    }
    return part10_of(slice_of(number, **(attributes | more)))


def with_text(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Put a profile in force that lets free text pass."""
    profile = profile_with_text(folder)
    patch.setenv("SIGHTLINE_DEID_PROFILE", str(profile))
    return profile


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Give a house with two studies of a patient, and free text let through."""
    with_text(tmp_path, monkeypatch)
    made = filled(tmp_path)
    yield made
    made.close()


def filled(folder: Path) -> House:
    made = House(folder)
    for study, accession in ((STUDY_A, "ACC-4711"), (STUDY_B, "ACC-4712")):
        for number in (1, 2, 3):
            keep(made.archive, image(study, accession, number), Source(name="test"))
    return made


def reports(house: House, study: str = STUDY_A) -> list[pydicom.Dataset]:
    found = [each for each in house.contents(study) if each.Modality == "SR"]
    return sorted(found, key=lambda each: each.ConceptNameCodeSequence[0].CodeValue)


def words(dataset: pydicom.Dataset) -> list[str]:
    return [item.TextValue for item in dataset.ContentSequence]


def test_a_report_becomes_an_instance_of_its_study(house: House) -> None:
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_door(STUDY_A)
    house.pass_records(STUDY_A)
    (found,) = reports(house)
    (an_image, *_) = (each for each in house.contents(STUDY_A) if each.Modality == "CT")
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "StudyDate"):
        assert found[keyword].value == an_image[keyword].value
    assert found.SOPClassUID == BASIC_TEXT_SR_STORAGE
    assert found.PatientIdentityRemoved == "YES"
    title, text = words(found)
    assert title == "CT chest of [PATIENT]"
    assert text.startswith("Mrs [PATIENT] ([ID], [ID]) was seen by Dr. [NAME ")
    assert text.endswith("8 mm nodule in the right upper lobe.")
    moved = dt.date.fromisoformat(found.ContentDate) - dt.date.fromisoformat(found.StudyDate)
    assert moved.days == 2  # as the report was of the images
    content = bytes_of_the_report(house)
    assert dicom_errors(content) == []
    assert survivors(content) == []
    assert house.hub_study(STUDY_A)[1] == an_image.StudyDate


def survivors(content: bytes) -> list[str]:
    """List what is left of the identifiers in the report, its order and its patient."""
    return [each for each in PLANTED if each.lower().encode() in content.lower()]


def bytes_of_the_report(house: House) -> bytes:
    with house.hub.database.read() as connection:
        query = sa.select(INSTANCE.c.digest).where(
            INSTANCE.c.sop_class_uid == BASIC_TEXT_SR_STORAGE
        )
        return house.hub.objects.get(connection.execute(query).scalar_one())


def test_without_the_line_of_the_profile_none_passes(tmp_path: Path) -> None:
    made = filled(tmp_path)
    made.tell("ORU^R01", *report(*REPORT))
    made.pass_door(STUDY_A)
    made.pass_records(STUDY_A)
    assert len(made.contents(STUDY_A)) == 3
    assert reports(made) == []
    made.close()


def test_orders_and_values_pass_too(house: House) -> None:
    house.tell(
        "ORM^O01",
        PATIENT,
        "ORC|NW|O-1",
        "OBR|1|O-1||CT^CT chest|||||||||Cough, Dr. Lindner asks|||||ACC-4711",
    )
    house.tell(
        "ORU^R01",
        PATIENT,
        "OBR|1||L-1|CRP^Blood|||20240130",
        "OBX|1|NM|CRP^C-reactive protein||12.5|mg/l|||||F|||20240130",
    )
    house.pass_door(STUDY_A)
    house.pass_records(STUDY_A, STUDY_B)
    both = [each for study in (STUDY_A, STUDY_B) for each in reports(house, study)]
    said = {each.ConceptNameCodeSequence[0].CodeValue: words(each) for each in both}
    assert said["121062"][0] == "CT chest"
    assert said["121062"][1].startswith("Cough, Dr. [NAME ")
    assert said["30954-2"] == ["C-reactive protein", "12.5 mg/l"]


def test_a_late_report_is_noticed_and_only_then(house: House) -> None:
    house.tell("ORU^R01", *report(*REPORT))
    assert changes_to_start(house.archive) == []  # its images will take it with them
    assert count_unseen(house.archive) == 1
    house.pass_door(STUDY_A)
    house.pass_records(STUDY_A)
    assert count_unseen(house.archive) == 0
    ((_, revision),) = changes_to_start(house.archive)
    mark_change_started(house.archive, STUDY_A, revision)  # type: ignore[arg-type]  # a study's UID
    assert changes_to_start(house.archive) == []

    house.tell("ORU^R01", *report("Corrected: 9 mm nodule."))
    assert changes_to_start(house.archive) == [(STUDY_A, revision + 1)]
    assert count_unseen(house.archive) == 1


def test_a_corrected_report_takes_the_place_of_the_first(house: House) -> None:
    house.pass_door(STUDY_A)
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_records(STUDY_A)
    (before,) = reports(house)
    house.tell("ORU^R01", *report("Corrected: 9 mm nodule.", status="C"))
    house.pass_records(STUDY_A)
    (after,) = reports(house)
    assert after.SOPInstanceUID == before.SOPInstanceUID
    assert words(after)[1] == "Corrected: 9 mm nodule."
    found = verify_hub(house.hub, public_key_of(house.settings))
    assert (found.faults, found.instances) == ((), 4)


@pytest.mark.parametrize("status", ["X", "D", "W"])
def test_a_report_that_is_taken_back_is_withdrawn(house: House, status: str) -> None:
    house.pass_door(STUDY_A)
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_records(STUDY_A)
    house.tell("ORU^R01", *report(*REPORT, status=status))
    house.pass_records(STUDY_A)
    assert reports(house) == []
    assert house.audited() == ["instances_withdrawn"]


def test_a_report_of_another_study_after_all_goes_there(house: House) -> None:
    house.pass_door(STUDY_A, STUDY_B)
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_records(STUDY_A, STUDY_B)
    seen = changes_to_start(house.archive)
    house.tell("ORU^R01", *report(*REPORT, accession="ACC-4712"))
    assert {uid for uid, _ in changes_to_start(house.archive)} == {STUDY_A, STUDY_B}
    assert len(seen) == 1
    house.pass_records(STUDY_A, STUDY_B)
    assert reports(house, STUDY_A) == []
    assert len(reports(house, STUDY_B)) == 1


def test_a_merge_gives_a_report_to_the_survivor(house: House) -> None:
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_door(STUDY_A)
    house.pass_records(STUDY_A)
    house.say("A40", "PID|||4800^^^^MR", "MRG|4711-22^^^^MR")
    house.pass_door(STUDY_A)
    house.pass_records(STUDY_A)
    (found,) = reports(house)
    assert found.PatientID == house.subject("4800")
    assert house.hub_study(STUDY_A)[0] == house.subject("4800")


def test_reports_of_images_that_the_pacs_took_back_are_withdrawn(house: House) -> None:
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_door(STUDY_A)
    house.pass_records(STUDY_A)
    named = {STUDY_A: [f"{STUDY_A}.0.{number}" for number in (1, 2, 3)]}
    content = note(
        "113001", study_uid=STUDY_A, patient_id="4711-22", uid=f"{STUDY_A}.9", named=named
    )
    keep(house.archive, content, Source(name="test"))
    house.pass_door(STUDY_A)
    house.pass_records(STUDY_A)
    assert house.contents(STUDY_A) == []


def test_a_report_passes_though_its_images_are_held(house: House) -> None:
    study = f"{ROOT}.9.3"
    content = image(study, "ACC-4713", BurnedInAnnotation="YES")
    keep(house.archive, content, Source(name="test"))
    house.tell("ORU^R01", *report(*REPORT, accession="ACC-4713"))
    house.pass_door(study)
    house.pass_records(study)
    (found,) = house.contents(study)
    assert (found.Modality, house.hub_study(study)[1]) == ("SR", found.StudyDate)


def test_whom_the_images_name_is_found_in_the_report(house: House) -> None:
    study = f"{ROOT}.9.4"
    content = image(study, "ACC-4714", NameOfPhysiciansReadingStudy="Brambilla^Ornella")
    keep(house.archive, content, Source(name="test"))
    house.tell("ORU^R01", *report("Shown to brambilla, no change.", accession="ACC-4714"))
    house.pass_records(study)
    assert "brambilla" not in words(reports(house, study)[0])[1].lower()


def test_the_certificate_counts_what_was_cleaned(house: House) -> None:
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_door(STUDY_A)
    house.pass_records(STUDY_A)
    with house.hub.database.read() as connection:
        query = sa.select(CERTIFICATE.c.content).order_by(CERTIFICATE.c.id)
        found = list(connection.execute(query).scalars())
    of_reports = found[-1]
    assert of_reports["actions"] == {
        "report_cleaned": 1,
        "text_date_replaced": 1,
        "text_id_replaced": 2,
        "text_name_replaced": 1,
        "text_patient_replaced": 2,
    }
    assert list(of_reports["outputs"]) == [reports(house)[0].SOPInstanceUID]
    assert of_reports["profile"] == found[0]["profile"]
    assert survivors(json.dumps(found).encode()) == []


def test_people_read_them_by_study_and_subject(house: House) -> None:
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_door(STUDY_A, STUDY_B)
    house.pass_records(STUDY_A, STUDY_B)
    subject = house.subject("4711-22")
    both = find_studies(house.hub, subject)
    assert {each.uid for each in both} == {house.vault.uid(each) for each in (STUDY_A, STUDY_B)}
    (one,) = find_studies(house.hub, house.vault.uid(STUDY_A))
    assert [(each.modality, each.instances) for each in one.series] == [("CT", 3), ("SR", 1)]
    (found,) = reports_of(house.hub, one.uid)
    assert found.words.splitlines()[:2] == [
        "Diagnostic Imaging Report",
        "  Document Title: CT chest of [PATIENT]",
    ]
    with pytest.raises(UnknownName):
        find_studies(house.hub, "S-NOBODY")
    settings = house.settings.model_copy(update={"web_port": 0})
    server = WebServer(settings, create_app(settings, house.archive, house.hub))
    server.start()
    try:
        page = httpx.get(f"{server.url}/subjects/{subject}")
        missing = httpx.get(f"{server.url}/subjects/nobody")
    finally:
        server.stop()
    assert "8 mm nodule in the right upper lobe." in page.text
    assert "Kowalczyk" not in page.text
    assert missing.status_code == 404


@pytest.mark.parametrize("is_public", [False, True])
def test_an_export_carries_them_and_a_public_one_does_not(
    house: House, tmp_path: Path, is_public: bool
) -> None:
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_door(STUDY_A, STUDY_B)
    house.pass_records(STUDY_A, STUDY_B)
    chosen = make_version(house.hub, "chests", Criteria(modality="CT"))
    folder = tmp_path / "out"
    done = export(house.hub, chosen, folder, is_public=is_public, on_progress=lambda _: None)
    texts = [path.read_text() for path in folder.rglob("*.txt")]
    assert (done.reports, done.instances) == ((0, 6) if is_public else (1, 7))
    assert len(texts) == done.reports
    assert all("8 mm nodule" in each and "Kowalczyk" not in each for each in texts)
    listed = json.loads((folder / "manifest.json").read_bytes())["files"]
    assert sum(name.endswith(".txt") for name in listed) == done.reports


def test_a_study_known_by_its_report_alone_gets_the_words_of_its_images(house: House) -> None:
    house.tell("ORU^R01", *report(*REPORT))
    house.pass_records(STUDY_A)
    house.pass_door(STUDY_A)
    house.pass_records(STUDY_A)
    with house.hub.database.read() as connection:
        row = connection.execute(sa.select(STUDY)).one()
    (image_of, *_) = (each for each in house.contents(STUDY_A) if each.Modality == "CT")
    assert row.description == image_of.StudyDescription


def test_a_late_report_follows_through_the_worker(
    sightline: Sightline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_text(tmp_path, monkeypatch)
    sightline.start()
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(image(STUDY_A, "ACC-4711"))
    sightline.run("import", str(folder))
    sightline.run("wait")
    assert sightline.run("hub", "series").count("SR") == 0
    table = tmp_path / "report.hl7"
    head = "MSH|^~\\&|RIS|HOUSE|SIGHTLINE||20240202||ORU^R01|1|P|2.5.1||||||UNICODE UTF-8"
    table.write_text("\r".join((head, *report(*REPORT))))
    sightline.run("import-clinical", str(table))
    sightline.run("wait")
    (line,) = (each for each in sightline.run("hub", "series").splitlines() if "SR" in each)
    said = sightline.run("hub", "reports", line.split("\t")[0])
    assert "8 mm nodule in the right upper lobe." in said
    assert "Kowalczyk" not in said
