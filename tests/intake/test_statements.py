"""Files of statements: what a line may say, and whom it is about."""

import json
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.studies import series_of_study, study
from sightline.errors import BadFile
from sightline.formats.sr import COMPREHENSIVE_3D_SR_STORAGE
from sightline.formats.statement_sr import read_statement
from sightline.intake.files import import_path
from sightline.intake.statements import read_statements, state, state_all
from sightline.phantoms.people import visit
from sightline.phantoms.series import SeriesNames
from sightline.phantoms.xray import chest_xray, write_xray

HEADER = "series_uid,author,target,classes,present,name,number,unit"


@pytest.fixture
def series_uid(archive: Archive, tmp_path: Path) -> str:
    folder = tmp_path / "dicom"
    uid = write_xray(chest_xray(1, size=16).picture, folder / "1.dcm", visit=visit(1))
    import_path(archive, folder)
    return uid


def rows(tmp_path: Path, *lines: str) -> list[object]:
    path = tmp_path / "values.csv"
    path.write_text("\n".join((HEADER, *lines)), encoding="utf-8")
    return list(read_statements(path, author="Reader^Default"))


def test_a_table_says_classes_none_of_them_and_numbers(tmp_path: Path) -> None:
    one, none, number = rows(
        tmp_path,
        "1.2,Reader^A,finding,lesion; cyst,cyst,,,",
        "1.2,,finding,lesion;cyst,,,,",
        "1.2,,volume,,,,12.5,ml",
    )
    assert (one.statement().classes, one.statement().present) == (("lesion", "cyst"), ("cyst",))
    assert (none.statement().present, none.author) == ((), "Reader^Default")
    said = number.statement()
    assert (said.kind, said.classes, said.numbers, said.units) == (
        "numbers",
        ("volume",),
        (12.5,),
        ("ml",),
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (",A,t,a,a,,,", "it names no series"),
        ("1.2,,,a,a,,,", "target"),
        ("1.2,A,t,,x,,,", "x is not among"),
        ("1.2,A,t,a,a,,3,", "exactly one of present, number and places"),
        ("1.2,A,t,,,,many,", "number"),
    ],
)
def test_a_line_that_says_not_one_thing_is_named(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(BadFile, match=rf"line 2 of values.csv: .*{problem}") as caught:
        rows(tmp_path, "1.2,A,t,a,a,,,", line)
    assert caught.value.hint


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    for content in (b"\xff\xfe\xff", b"{}", b"[1]", b"[{]"):
        path.write_bytes(content)
        with pytest.raises(BadFile):
            read_statements(path)


def test_the_object_says_what_was_said(archive: Archive, series_uid: str, tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    place = {"class_name": "nodule", "centre_mm": [1, 2, 0], "size_mm": [3, 4, 5]}
    said = {"series_uid": series_uid, "author": "Plain", "target": "nodules"}
    path.write_text(json.dumps([said | {"classes": ["nodule"], "places": [place]}]))
    (row,) = read_statements(path)
    arrival = state(archive, row)
    kept = next(
        each
        for each in study(archive, arrival.study_uid).instances
        if each.sop_class_uid == COMPREHENSIVE_3D_SR_STORAGE
    )
    found = read_statement(kept.read())
    assert found is not None
    assert (found.series_uid, found.number) == (series_uid, 1)
    assert found.statement.places == row.statement().places
    assert found.statement.author.rstrip("^") == "Plain"
    assert state(archive, row).outcome == "duplicate"


def test_a_study_with_one_image_series_is_enough_to_name(
    archive: Archive, series_uid: str, tmp_path: Path
) -> None:
    path = tmp_path / "values.json"
    said = {"author": "A^B", "target": "finding", "classes": ["lesion"], "present": []}
    by_number = said | {"accession_number": visit(1).accession_number}
    unknown = said | {"accession_number": "NOBODY"}
    path.write_text(json.dumps([by_number, unknown]))
    report = state_all(archive, read_statements(path))
    assert (report.new, [line for line, _ in report.refused]) == (1, [2])

    write_xray(
        chest_xray(2, size=16).picture,
        tmp_path / "more" / "2.dcm",
        visit=visit(1),
        names=SeriesNames(number=7),
    )
    import_path(archive, tmp_path / "more")
    report = state_all(archive, read_statements(path))
    assert [reason for line, reason in report.refused if line == 1] == [
        f"study accession number {visit(1).accession_number} has 2 image series"
    ]
    assert len(series_of_study(archive, visit(1).study_uid)) == 3
    assert series_uid
