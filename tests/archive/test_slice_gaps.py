"""Whether slices are missing, from tables of places, from phantoms and from real series."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.slice_gaps import StudyGaps, Verdict, judge, look_for_gaps
from sightline.formats.dicom_place import HEAD_BYTES, SlicePlace, read_place
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.instances import STUDY, part10_of, slice_of

AXIAL, SAGITTAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def at(*heights: float, orientation: tuple[float, ...] = AXIAL) -> list[SlicePlace]:
    return [SlicePlace(position_mm=(-10, 5, each), orientation=orientation) for each in heights]


def part(number: int, of: int) -> SlicePlace:
    return SlicePlace(frames=10, concatenation="1.2", part=number, parts=of)


@pytest.mark.parametrize(
    ("places", "verdict"),
    [
        (at(0, 2, 4, 6), "gap-free"),
        (at(6, 2, 0, 4), "gap-free"),
        (at(0, 2, 6, 8), "gaps"),
        (at(0, 2, 8, 10, 12), "gaps"),
        (at(0, 2.004, 3.996, 6), "gap-free"),
        (at(0, 1, 2.5, 4.2, 6.5), "unknown"),  # made with unequal steps
        (at(0, 5), "unknown"),
        (at(0, 2, 4) + at(0, 2, 4), "gap-free"),  # two phases
        (at(0, 2, 4) + at(0, 2), "gaps"),
        (at(0, 2, 4) + at(0, 2, 4, orientation=SAGITTAL), "unknown"),
        ([*at(0, 2, 4), SlicePlace()], "unknown"),
        ([SlicePlace()] * 5, "unknown"),
        ([SlicePlace(frames=60)], "gap-free"),
        ([part(1, 2), part(2, 2)], "gap-free"),
        ([part(1, 3), part(3, 3)], "gaps"),
    ],
)
def test_a_table_of_series(places: list[SlicePlace], verdict: Verdict) -> None:
    assert judge(places) == verdict


@settings(deadline=None)
@given(
    count=st.integers(4, 60),
    spacing_mm=st.floats(0.3, 10),
    start_mm=st.floats(-500, 500),
    data=st.data(),
)
def test_any_inner_slice_that_is_missing_is_seen(
    count: int, spacing_mm: float, start_mm: float, data: st.DataObject
) -> None:
    heights = [start_mm + spacing_mm * number for number in range(count)]
    assert judge(at(*heights)) == "gap-free"
    missing = data.draw(st.integers(1, count - 2))
    left = [*heights[:missing], *heights[missing + 1 :]]
    if count > 4:  # of three that are left, two steps may each be the usual one
        assert judge(at(*left)) == "gaps"


def test_a_study_with_a_hole(tmp_path: Path) -> None:
    archive = Archive.at(tmp_path / "archive")
    for number in (1, 2, 3, 5):
        keep(archive, part10_of(slice_of(number, size=2)), Source(name="test"))
    assert look_for_gaps(archive, StudyUid(STUDY)) == StudyGaps(gap_free=0, with_gaps=1)
    keep(archive, part10_of(slice_of(4, size=2)), Source(name="test"))
    assert look_for_gaps(archive, StudyUid(STUDY)) == StudyGaps(gap_free=1, with_gaps=0)
    archive.close()


@pytest.mark.parametrize(
    ("folder", "verdict"),
    [
        ("hippocampus/TestVolumes/Study1", "gap-free"),
        ("ct_organs", "gap-free"),
    ],
)
def test_real_series_have_no_gap(test_data: Path, folder: str, verdict: Verdict) -> None:
    places: dict[Path, list[SlicePlace]] = {}
    for path in (test_data / folder).rglob("*"):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            places.setdefault(path.parent, []).append(read_place(path.read_bytes()[:HEAD_BYTES]))
    stacks = [series for series in places.values() if len(series) > 4]
    assert stacks
    assert {judge(series) for series in stacks} == {verdict}
