"""The scorer of the de-identification benchmark, with the timer off: ours, and a tool that fails."""

import shutil
from pathlib import Path

import pydicom
import pytest
from benchmarks.bench_deid import claims, score_tools, write_work
from benchmarks.deid import score
from benchmarks.deid.planted import identifiers_in
from benchmarks.deid.speed import LOADS, write_load
from benchmarks.deid.story import write_story
from benchmarks.deid.tools import OURS


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_work(tmp_path_factory.mktemp("bench"), patients=2, visits=2, hostile=2)


def copied(source: Path, target: Path) -> score.Outcome:
    """Do what a tool does that changes nothing."""
    shutil.copytree(source, target)
    outputs = {path.name: path for path in target.iterdir()}
    return score.Outcome(outputs=outputs, beside=(), held={})


def test_ours_is_without_fault_in_every_column(work: Path) -> None:
    lines = {str(line["name"]): line for line in claims(score_tools(work, [OURS]))}
    assert len(lines) == 14
    for name, line in lines.items():
        wanted = 100 if line["unit"] == "%" else 0
        assert line["ours"] == wanted, name


def test_a_tool_that_changes_nothing_leaves_every_identifier(work: Path, tmp_path: Path) -> None:
    for part in ("planted", "hostile"):
        outcome = copied(work / part, tmp_path / part)
        left, planted = score.identifiers_left(work / part, outcome, identifiers_in)
        assert left == planted >= 103 * len(outcome.outputs)
    outcome = copied(work / "story", tmp_path / "story")
    find = score.story_identifiers(work / "story")
    left, planted = score.identifiers_left(work / "story", outcome, find)
    assert left == planted > 10 * len(outcome.outputs)
    for columns in (score.references, score.intervals, score.ages, score.pixels):
        kept, total = columns(work / "story", outcome)
        assert kept == total > 0
    assert score.new_errors(work / "story", outcome) == []


def test_each_fault_shows_in_its_column(work: Path, tmp_path: Path) -> None:
    outcome = copied(work / "story", tmp_path / "story")
    paths = sorted(outcome.outputs.values())
    image, report, other = paths[0], paths[12], paths[1]
    broken = pydicom.dcmread(image)
    broken.AcquisitionTime = f"{float(broken.AcquisitionTime) + 0.5:013.6f}"
    broken.PixelData = broken.PixelData[:-2] + b"??"
    broken.PatientAge = "001Y"
    del broken.Manufacturer
    broken.save_as(image)
    referring = pydicom.dcmread(report)
    for element in referring.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            element.value = "1.2.3"
    referring.save_as(report)
    for columns in (score.references, score.intervals, score.ages, score.pixels):
        kept, total = columns(work / "story", outcome)
        assert 0 < kept < total
    assert any("Manufacturer" in error for error in score.new_errors(work / "story", outcome))
    assert outcome.crashes(work / "story") == 0
    other.write_bytes(b"no DICOM")
    assert outcome.crashes(work / "story") == 1


def test_identifiers_are_found_in_every_encoding() -> None:
    for plain in (b"KANARI00042VOGEL", b"kanari00042vogel"):
        wanted = {"00042"}
        assert identifiers_in(plain) == wanted
        assert identifiers_in(plain[::-1]) == wanted
        assert identifiers_in(plain.decode().encode("utf-16-be")) == wanted
        assert identifiers_in(b"?" + plain.hex().encode()) == wanted
    assert identifiers_in(b"=c2VlbiBieSBLQU5BUkkwMDA0MlZPR0VM") == {"00042"}
    shell = bytes(128) + b"DICM" + bytes(16)
    assert identifiers_in(shell + b"KANARINE") == {"KANARI"}
    assert identifiers_in(shell) == set()


def test_work_is_the_same_each_time(work: Path, tmp_path: Path) -> None:
    again = write_story(tmp_path / "story", patients=2, visits=2)
    for path in sorted(again.iterdir()):
        assert path.read_bytes() == (work / "story" / path.name).read_bytes()


@pytest.mark.parametrize(("name", "size_kb"), [("small", 39), ("large", 530)])
def test_loads_have_the_sizes_they_are_named_for(tmp_path: Path, name: str, size_kb: int) -> None:
    folder = write_load(tmp_path / "load", LOADS[name], 3)
    assert {path.stat().st_size // 1000 for path in folder.iterdir()} == {size_kb}
