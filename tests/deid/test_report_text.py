"""Structured reports and comments: their text is cleaned, their structure and numbers stay."""

import dataclasses
import io
from pathlib import Path

import pydicom
import pytest

from sightline.deid.attributes import Attribute
from sightline.deid.contract import RULES, Context, Rule
from sightline.deid.door import pass_door
from sightline.deid.known_identifiers import KnownIdentifiers
from sightline.deid.profile import Profile, load_profile
from sightline.deid.vault import Vault
from sightline.testing.rules import IDENTIFIER, RuleConformance
from sightline.values.study import DeidentifiedStudy
from tests.deid.rules import CONTEXT, KEEP, cleaned
from tests.deid.studies import read, results_of, study_in, values_of, written
from tests.formats.sources import KINDS
from tests.verification import dicom_errors

KNOWN = KnownIdentifiers(names=("Größmann^Jörg", IDENTIFIER.decode()))
OPEN = dataclasses.replace(CONTEXT, charset="latin-1", known=KNOWN)
CLOSED = CONTEXT
WITHOUT_TEXT = load_profile("hub")
WITH_TEXT = WITHOUT_TEXT.model_copy(update={"free_text": True})
GERMAN = (
    "Herr Größmann, 12.03.2021:\r\n2 Rundherde, 8 mm; größenkonstant seit dem 4.5.2020.\r\n"
    "gez. Dr. Kowalczyk, 14:30 Uhr"
)


class TestReportTextThatPasses(RuleConformance):
    @pytest.fixture(params=["report_text", "story"])
    def candidate(self, request: pytest.FixtureRequest) -> Rule:
        return RULES.get(str(request.param))

    @pytest.fixture
    def applies_to(self) -> list[Attribute]:
        return [each for each in KEEP.attributes.values() if each.rule in {"report_text", "story"}]

    @pytest.fixture
    def context(self) -> Context:
        return OPEN


def report_with(folder: Path, text: str, charset: str) -> bytes:
    """Return a structured report of ours with one more item of text, in a character set."""
    series = KINDS["axial CT"](folder / "series")
    _, content = results_of(series)
    dataset = read(content)
    dataset.SpecificCharacterSet = charset
    dataset.PatientName = "Größmann^Jörg" if charset != "ISO_IR 6" else "Groessmann^Joerg"
    item = pydicom.Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = "TEXT"
    name = pydicom.Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121071", "DCM", "Finding"
    item.ConceptNameCodeSequence = [name]
    item.TextValue = text
    dataset.ContentSequence.append(item)
    with io.BytesIO() as file:
        dataset.save_as(file)
        return file.getvalue()


def passed(folder: Path, content: bytes, vault: Vault, *, profile: Profile = WITH_TEXT) -> bytes:
    study = study_in([written(folder / "given.dcm", content)])
    passage = pass_door(study, vault, profile)
    assert passage.held == ()
    assert isinstance(passage.study, DeidentifiedStudy)
    return passage.study.instances[0].content


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
def test_text_of_a_report_passes_cleaned_in_utf_8(
    tmp_path: Path, vault: Vault, charset: str
) -> None:
    content = report_with(tmp_path, GERMAN, charset)
    after = passed(tmp_path, content, vault)
    dataset = read(after)
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    text = dataset.ContentSequence[-1].TextValue
    assert text.startswith("Herr [PATIENT], [MOVED ")
    assert "\r\n2 Rundherde, 8 mm; größenkonstant seit dem [MOVED " in text
    assert text.endswith("], 14:30 Uhr")
    for word in ("Größmann", "Kowalczyk", "2021", "Jörg"):
        assert word.encode() not in after
        assert word.encode("latin-1") not in after
    assert set(dicom_errors(after)) <= set(dicom_errors(content))


def test_structure_numbers_and_codes_stay(tmp_path: Path, vault: Vault) -> None:
    content = report_with(tmp_path, GERMAN, "ISO_IR 192")
    before, after = read(content), read(passed(tmp_path, content, vault))
    for keyword in ("ValueType", "RelationshipType", "NumericValue"):
        assert list(_values(after, keyword)) == list(_values(before, keyword))


def _values(dataset: pydicom.Dataset, keyword: str) -> list[str]:
    return [value for item in dataset.ContentSequence for value in values_of(item, keyword)]


def test_text_in_ascii_needs_no_character_set(tmp_path: Path, vault: Vault) -> None:
    content = report_with(tmp_path, "Two nodules, seen by Dr. Kowalczyk", "ISO_IR 6")
    after = read(passed(tmp_path, content, vault))
    assert "SpecificCharacterSet" not in after
    assert after.ContentSequence[-1].TextValue.startswith("Two nodules, seen by Dr. [NAME ")


def test_where_free_text_is_off_it_does_not_pass(tmp_path: Path, vault: Vault) -> None:
    content = report_with(tmp_path, GERMAN, "ISO_IR 192")
    after = read(passed(tmp_path, content, vault, profile=WITHOUT_TEXT))
    assert after.ContentSequence[-1].TextValue == "removed"
    assert "SpecificCharacterSet" not in after


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("ImageComments", b"Dr. Kowalczyk: chest", None),
        ("ImageComments", b"chest", b"chest"),
        ("PatientComments", b"chest", None),
        ("AdditionalPatientHistory", b"", b""),
    ],
)
def test_off_it_is_as_descriptions_are(keyword: str, value: bytes, expected: bytes | None) -> None:
    assert cleaned(keyword, value, CLOSED) == expected


def test_several_values_are_cleaned_each() -> None:
    after = cleaned("Allergies", b"penicillin\\Jod, Dr. Kowalczyk", OPEN) or b""
    assert after.startswith(b"penicillin\\Jod, Dr. [NAME ")


def test_a_value_that_becomes_too_long_goes() -> None:
    assert cleaned("PatientState", b"12.03.2021, " * 5, OPEN) is None


def test_a_multi_byte_character_set_is_read() -> None:
    japanese = dataclasses.replace(OPEN, charset="shift_jis")
    after = cleaned("ImageComments", "肝臓 12.03.2021".encode("shift_jis"), japanese) or b""
    assert after.decode().startswith("肝臓 [MOVED ")
