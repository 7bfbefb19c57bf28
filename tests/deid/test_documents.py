"""Encapsulated PDF at the door: a report of the cleaned text, and nothing of the file."""

import importlib.util
import io
import random
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from sightline.archive.receiving import keep
from sightline.archive.studies import study as read_study
from sightline.deid.documents import is_legible
from sightline.deid.door import Passage, pass_door
from sightline.deid.hub_door import HubDoor
from sightline.deid.profile import load_profile
from sightline.deid.vault import Vault
from sightline.formats.text_sr import BASIC_TEXT_SR_STORAGE
from sightline.hub.admission import admit
from sightline.hub.reading import find_studies, reports_of
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.deid import hostile
from tests.deid.house import House
from tests.deid.profiles import profile_with_text
from tests.deid.reports.tuning import tuning_reports
from tests.deid.studies import content_of, read, study_in, written
from tests.deid.test_door import hostile_study
from tests.instances import part10_of, slice_of
from tests.pdfs import pdf
from tests.verification import dicom_errors

needs_pdfium = pytest.mark.skipif(
    importlib.util.find_spec("pypdfium2") is None, reason="sightline[pdf] is not installed"
)

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
WITHOUT_TEXT = load_profile("hub")
WITH_TEXT = WITHOUT_TEXT.model_copy(update={"free_text": True})
PAGES = (
    (
        "Radiology report of Mrs Odalind Kanari, born 14.03.1952, patient id KANARI-4711.",
        "CT of the chest on 31.01.2024: nodule of 8 mm in the right upper lobe, no change.",
        "The patient was told by Dr. Vogelsang; another examination in six months.",
    ),
    ("Second page: no lesion of the liver, no enlarged lymph nodes.", "Signed, Dr. Vogelsang"),
)
PLANTED = (
    b"kanari",
    b"odalind",
    b"vogelsang",
    b"14.03.1952",
    b"31.01.2024",
    b"kanari-4711",
    b"%pdf",
)


def document(content: bytes, **changes: object) -> bytes:
    """Return an Encapsulated PDF of a study whose header names its patient."""
    image = slice_of(1)
    dataset = Dataset()
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
        setattr(dataset, keyword, image.get(keyword, ""))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = "Kanari^Odalind", "KANARI-4711"
    dataset.PatientBirthDate = "19520314"
    dataset.SOPClassUID, dataset.SOPInstanceUID = ENCAPSULATED_PDF, "1.2.3.4.5"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = image.StudyInstanceUID, "1.2.3.4"
    dataset.ReferringPhysicianName, dataset.AccessionNumber = "Vogelsang^Kuno", "A-1"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "DOC", 7, 1
    dataset.Manufacturer, dataset.ConversionType = "", "WSD"
    dataset.ContentDate, dataset.ContentTime = "20240202", "101500"
    dataset.AcquisitionDateTime, dataset.BurnedInAnnotation = "", "YES"
    dataset.DocumentTitle = "Report of Odalind Kanari"
    dataset.ConceptNameCodeSequence = []
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return part10_of(dataset)


def passage_of(content: bytes, folder: Path, vault: Vault, *, is_open: bool = True) -> Passage:
    study = study_in([written(folder / "given.dcm", content)])
    return pass_door(study, vault, WITH_TEXT if is_open else WITHOUT_TEXT)


def reason_of(content: bytes, folder: Path, vault: Vault, *, is_open: bool = True) -> str:
    (held,) = passage_of(document(content), folder, vault, is_open=is_open).held
    return held.reason


def test_without_free_text_it_is_held(tmp_path: Path, vault: Vault) -> None:
    assert reason_of(pdf(*PAGES), tmp_path, vault, is_open=False) == "embedded_document"


@needs_pdfium
def test_a_report_of_the_cleaned_text_leaves(tmp_path: Path, vault: Vault) -> None:
    given = document(pdf(*PAGES))
    passage = passage_of(given, tmp_path, vault)
    content = content_of(passage)
    after, before = read(content), read(given)
    assert after.SOPClassUID == after.file_meta.MediaStorageSOPClassUID == BASIC_TEXT_SR_STORAGE
    assert (after.Modality, after.PatientIdentityRemoved) == ("SR", "YES")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert after[keyword].value == vault.uid(before[keyword].value)
    assert (after.SeriesNumber, after.InstanceNumber) == (7, 1)
    title, text = (item.TextValue for item in after.ContentSequence)
    assert title == "Report of [PATIENT]"
    assert "nodule of 8 mm in the right upper lobe" in text
    assert "no lesion of the liver" in text
    assert "Mrs [PATIENT], born [BIRTH DATE]" in text
    assert text.count("Dr. [NAME ") == 2
    assert [each for each in PLANTED if each in content.lower()] == []
    assert dicom_errors(content) == []
    assert after.ContentDate != "20240202"
    assert passage.study is not None
    assert passage.study.certificate.actions["document_cleaned"] == 1
    assert passage.study.certificate.actions["text_name_replaced"] == 2


@needs_pdfium
def test_nothing_beside_the_text_leaves(tmp_path: Path, vault: Vault) -> None:
    planted = "Hornisgrinde"
    content = pdf(
        *PAGES,
        metadata={"Author": planted, "Title": planted, "Keywords": planted},
        attachment=planted.encode() * 5,
        with_picture=True,
    )
    passed = content_of(passage_of(document(content), tmp_path, vault))
    assert planted.encode() not in passed
    assert b"EmbeddedFiles" not in passed
    assert "EncapsulatedDocument" not in read(passed)


@needs_pdfium
@pytest.mark.parametrize("syntax", [hostile.IMPLICIT, hostile.EXPLICIT, hostile.BIG])
def test_no_canary_around_it_survives(tmp_path: Path, vault: Vault, syntax: str) -> None:
    canaries = hostile.Canaries()
    tree = hostile.hostile(ENCAPSULATED_PDF, canaries) | {
        0x00420010: ("ST", b"Report of Kanari Vogel"),
        0x00420011: ("OB", pdf(*PAGES)),
        0x00420012: ("LO", b"application/pdf"),
    }
    content = hostile.part10(tree, syntax, canaries)
    study = hostile_study(tmp_path, content, ENCAPSULATED_PDF)
    passed = content_of(pass_door(study, vault, WITH_TEXT))
    assert hostile.survivors(passed) == []
    assert read(passed).ContentSequence[0].TextValue == "Report of [PATIENT]"


@pytest.mark.skipif(not needs_pdfium.args[0], reason="sightline[pdf] is installed")
def test_without_the_extra_it_is_held(tmp_path: Path, vault: Vault) -> None:
    assert reason_of(pdf(*PAGES), tmp_path, vault) == "embedded_document"


@needs_pdfium
def test_a_word_broken_at_a_line_end_is_found(tmp_path: Path, vault: Vault) -> None:
    lines = ("The nodule of the right upper lobe was shown to Mrs Odal-", "ind Kanari again today.")
    text = read(content_of(passage_of(document(pdf(lines)), tmp_path, vault)))
    assert text.ContentSequence[1].TextValue.endswith("shown to Mrs [PATIENT] again today.")


@needs_pdfium
@pytest.mark.parametrize("pages", [((),), (PAGES[0], ())])
def test_a_scan_is_held(tmp_path: Path, vault: Vault, pages: tuple[tuple[str, ...], ...]) -> None:
    content = pdf(*pages, with_picture=True)
    assert reason_of(content, tmp_path, vault) == "document_without_text"


@needs_pdfium
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%PDF-1.7 cut short",
        b"Not a PDF at all",
        pdf(("Too few",)),
        pdf(("Vjg pqfwng qh vjg tkijv wrrgt nqdg ycu ujqyp vq Otu Mcpctk cickp vqfca.",)),
        pdf(("The patient has no nodule in the upper lobe. " * 20,) * 80),
    ],
)
def test_what_cannot_be_read_with_certainty_is_held(
    tmp_path: Path, vault: Vault, content: bytes
) -> None:
    assert reason_of(content, tmp_path, vault) in {"document_unreadable", "document_without_text"}


@pytest.mark.parametrize("media_type", ["text/XML", "model/stl", ""])
def test_another_kind_of_document_is_held(tmp_path: Path, vault: Vault, media_type: str) -> None:
    given = document(pdf(*PAGES), MIMETypeOfEncapsulatedDocument=media_type)
    (held,) = passage_of(given, tmp_path, vault).held
    assert held.reason == "embedded_document"


@needs_pdfium
def test_damaged_files_pass_or_are_held(tmp_path: Path, vault: Vault) -> None:
    chance = random.Random(5)  # noqa: S311 - damage is drawn
    whole = pdf(*PAGES)
    outcomes = set()
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 3, 20))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        del content[chance.choice((len(content), chance.randrange(len(content)))) :]
        passage = passage_of(document(bytes(content)), tmp_path, vault)
        outcomes.add(passage.held[0].reason if passage.held else "passed")
        if passage.study is not None:
            passed = passage.study.instances[0].content.lower()
            assert [each for each in PLANTED[:3] if each in passed] == []
    assert outcomes <= {"passed", "document_unreadable", "document_without_text"}
    assert "passed" in outcomes


def test_words_are_told_from_letters() -> None:
    assert all(is_legible(each.text) for each in tuning_reports(60))
    shifted = str.maketrans("abcdefghijklmnopqrstuvwxyz", "cdefghijklmnopqrstuvwxyzab")
    assert not any(is_legible(each.text.lower().translate(shifted)) for each in tuning_reports(60))
    assert not is_legible("")
    assert not is_legible(
        "Il torace non mostra lesioni focali del parenchima polmonare; il cuore ha dimensioni "
        "normali, non versamento pleurico."
    )


@needs_pdfium
def test_the_hub_shows_it_among_the_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_DEID_PROFILE", str(profile_with_text(tmp_path)))
    house = House(tmp_path)
    given = document(pdf(*PAGES))
    keep(house.archive, given, Source(name="test"))
    uid = StudyUid(pydicom.dcmread(io.BytesIO(given)).StudyInstanceUID)
    passage = HubDoor.open(Settings(data_dir=house.settings.data_dir)).pass_study(
        read_study(house.archive, uid)
    )
    assert passage.study is not None
    admit(house.hub, passage.study)
    (found,) = reports_of(house.hub, find_studies(house.hub)[0].uid)
    assert "nodule of 8 mm" in found.words
    house.close()
