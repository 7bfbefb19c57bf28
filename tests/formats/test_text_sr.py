"""Basic Text SR of reports that were no DICOM, and the words of structured reports."""

import io

import pydicom
import pytest

from sightline.errors import NotDicom
from sightline.formats.sr_words import read_words
from sightline.formats.text_sr import write_text_sr
from sightline.values.clinical import RecordKind
from sightline.values.identity import HubStudyUid, SubjectId
from sightline.values.report import DeidentifiedReport
from tests.deid.studies import results_of
from tests.formats.sources import KINDS
from tests.verification import dicom_errors


def report(kind: RecordKind = "report", **more: str) -> DeidentifiedReport:
    said = {"date": "20200206", "title": "CT", "text": "Größe 8 mm", "unit": "", "status": "F"}
    return DeidentifiedReport(
        study_uid=HubStudyUid("2.25.1"),
        subject_id=SubjectId("S-AAAAAAAAAA"),
        kind=kind,
        replaced={},
        **(said | more),
    )


def written(made: DeidentifiedReport, study_date: str = "20200204") -> bytes:
    return write_text_sr(made, instance_uid="2.25.3", series_uid="2.25.2", study_date=study_date)


@pytest.mark.parametrize("kind", ["order", "report", "observation"])
@pytest.mark.parametrize("more", [{}, {"date": "", "title": ""}, {"text": "a\r\nb\x00\x1b$B"}])
def test_every_kind_is_valid_and_the_same_again(kind: RecordKind, more: dict[str, str]) -> None:
    content = written(report(kind, **more))
    assert dicom_errors(content) == []
    assert content == written(report(kind, **more))
    assert b"\x1b" not in content.partition(b"DICM")[2]


def test_dates_of_what_has_none() -> None:
    for study_date, expected in (("20200204", "20200204"), ("", "19000101")):
        dataset = pydicom.dcmread(io.BytesIO(written(report(date=""), study_date)))
        assert (dataset.ContentDate, dataset.StudyDate) == (expected, study_date)


@pytest.mark.parametrize(("status", "flag"), [("P", "PRELIMINARY"), ("F", "FINAL"), ("", "FINAL")])
def test_what_is_not_final_says_so(status: str, flag: str) -> None:
    dataset = pydicom.dcmread(io.BytesIO(written(report(status=status))))
    assert dataset.PreliminaryFlag == flag


def test_words_are_lines_of_the_tree() -> None:
    assert read_words(written(report("observation", text="12.5", unit="mg/l"))).splitlines() == [
        "Relevant Diagnostic Tests and/or Laboratory Data",
        "  Document Title: CT",
        "  Finding: 12.5 mg/l",
    ]
    many = read_words(written(report(text="Größe 8 mm\r\nsonst nichts")))
    assert many.splitlines()[2:] == ["  Narrative Summary: Größe 8 mm", "  sonst nichts"]


def test_measurements_have_words_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    _, content = results_of(KINDS["axial CT"](tmp_path_factory.mktemp("series")))
    words = read_words(content)
    assert "Volume: 3.5 ml" in words
    assert "Long axis: 20.0 mm" in words


def test_a_tree_without_end_ends() -> None:
    dataset = pydicom.dcmread(io.BytesIO(written(report())))
    for _ in range(60):
        item = pydicom.Dataset()
        item.ValueType, item.ContentSequence = "CONTAINER", dataset.ContentSequence
        dataset.ContentSequence = [item]
    with io.BytesIO() as file:
        dataset.save_as(file)
        assert read_words(file.getvalue()).startswith("Diagnostic Imaging Report")


@pytest.mark.parametrize("content", [b"", b"DICM", bytes(200)])
def test_what_is_no_dicom_is_refused(content: bytes) -> None:
    with pytest.raises(NotDicom):
        read_words(content)
