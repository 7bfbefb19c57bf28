import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.search import Window, search_instances, search_series, search_studies
from sightline.archive.search_keys import Keys, Range
from sightline.values.arrival import Source
from tests.instances import ROOT, part10_of, slice_of

EVERYTHING = Window()
PEOPLE = {
    "1": ("Probe^Anna", "P-1", "20240131", "101500", "CT"),
    "2": ("Probe^Bert", "P-2", "20240201", "235959.5", "MR"),
    "3": ("Müller^Zoë", "P_3", "", "", "CT"),
    "4": ("100%^Sure", "P13", "20231224", "0800", "CR"),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Give four studies; the first has two series of three images each."""
    made = Archive.at(tmp_path_factory.mktemp("archive"))
    for number, (name, patient_id, date, time, modality) in PEOPLE.items():
        for series in range(1, 3 if number == "1" else 2):
            for image in range(1, 4):
                content = slice_of(
                    image,
                    PatientName=name,
                    PatientID=patient_id,
                    StudyDate=date,
                    StudyTime=time,
                    Modality=modality,
                    AccessionNumber=f"A{number}",
                    StudyDescription=f"Study {number}",
                    SeriesDescription="LUNG" if series == 2 else "",
                    SeriesNumber=series,
                    BodyPartExamined="CHEST",
                    StudyInstanceUID=f"{ROOT}.{number}",
                    SeriesInstanceUID=f"{ROOT}.{number}.{series}",
                    SOPInstanceUID=f"{ROOT}.{number}.{series}.{image}",
                )
                keep(made, part10_of(content), Source(name="test"))
    yield made
    made.close()


def found(archive: Archive, keys: Keys) -> set[str]:
    """Return the last number of each study UID found."""
    studies = search_studies(archive, keys, EVERYTHING).found
    return {study.uid.rpartition(".")[2] for study in studies}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (Keys(), "1234"),
        (Keys(patient_name="*"), "1234"),
        (Keys(patient_name="probe*"), "12"),
        (Keys(patient_name="*b?rt*"), "2"),
        (Keys(patient_name="Probe^Anna"), "1"),
        (Keys(patient_name="Probe"), ""),
        (Keys(patient_name="100%*"), "4"),
        (Keys(patient_name="%"), ""),
        (Keys(patient_name="*Zoë"), "3"),
        (Keys(patient_name="MULLER^zoe"), "3"),
        (Keys(patient_name="100%"), ""),
        (Keys(patient_name="Probe^Anna^^"), "1"),
        (Keys(patient_name="bert pro", is_fuzzy=True), "2"),
        (Keys(patient_name="müll", is_fuzzy=True), "3"),
        (Keys(patient_name="robe", is_fuzzy=True), ""),
        (Keys(patient_id="P_3"), "3"),
        (Keys(study_date=Range(first="20240131", last="20240131")), "1"),
        (Keys(study_date=Range(first="20240101")), "12"),
        (Keys(study_date=Range(last="20240131")), "14"),
        (Keys(study_time=Range(first="1000", last="1015")), "1"),
        (Keys(study_time=Range(first="235959", last="235959")), "2"),
        (Keys(accession_number="A2"), "2"),
        (Keys(study_description="*3"), "3"),
        (Keys(modalities_in_study=("MR", "CR")), "24"),
        (Keys(modalities=("CT",)), "13"),
        (Keys(series_description="lung"), "1"),
        (Keys(series_number=2), "1"),
        (Keys(body_part="CHEST", modalities=("MR",)), "2"),
        (Keys(study_uids=(f"{ROOT}.1", f"{ROOT}.4", "1.2")), "14"),
        (Keys(instance_uids=(f"{ROOT}.1.2.3",)), "1"),
        (Keys(instance_number=9), ""),
        (Keys(sex="O", birth_date=Range(first="19000101")), ""),
    ],
)
def test_keys_choose_studies(archive: Archive, keys: Keys, expected: str) -> None:
    assert found(archive, keys) == set(expected)


def test_a_study_tells_what_it_holds(archive: Archive) -> None:
    (study,) = search_studies(archive, Keys(patient_id="P-1"), EVERYTHING).found
    assert (study.series, study.instances, study.modalities) == (2, 6, ("CT",))
    assert (study.date, study.time, study.accession_number) == ("20240131", "101500", "A1")
    assert study.patient.name == "Probe^Anna"


def test_newest_studies_come_first_and_windows_join_up(archive: Archive) -> None:
    everything = search_studies(archive, Keys(), EVERYTHING)
    dates = [study.date for study in everything.found]
    assert dates == sorted(dates, reverse=True)
    first = search_studies(archive, Keys(), Window(limit=3))
    rest = search_studies(archive, Keys(), Window(offset=3, limit=3))
    assert (first.has_more, rest.has_more) == (True, False)
    assert first.found + rest.found == everything.found


def test_series_are_in_order_and_know_their_study(archive: Archive) -> None:
    keys = Keys(study_uids=(f"{ROOT}.1",))
    series = search_series(archive, keys, EVERYTHING).found
    assert [each.number for each in series] == [1, 2]
    assert {each.instances for each in series} == {3}
    assert {each.study.uid for each in series} == {f"{ROOT}.1"}
    of_instance = Keys(instance_uids=(f"{ROOT}.1.2.1",))
    assert [each.number for each in search_series(archive, of_instance, EVERYTHING).found] == [2]


def test_instances_are_in_order_and_can_be_read(archive: Archive) -> None:
    found = search_instances(archive, Keys(study_uids=(f"{ROOT}.1",)), EVERYTHING).found
    assert [(each.series.number, each.number) for each in found] == [
        (series, image) for series in (1, 2) for image in (1, 2, 3)
    ]
    assert (found[0].rows, found[0].columns, found[0].frames) == (16, 16, 1)
    assert len(archive.objects.get(found[0].digest)) == found[0].size_bytes


@given(value=st.text(alphabet="Probe^Anna*?%_\\", max_size=12))
@example(value="*e")
def test_wildcards_agree_with_a_plain_matcher(archive: Archive, value: str) -> None:
    expected = {
        number
        for number, (name, *_) in PEOPLE.items()
        # Carets at the end stand for components that are empty.
        if not value.strip("*") or _matches(value.lower().rstrip("^"), _plain(name))
    }
    assert found(archive, Keys(patient_name=value)) == expected


def _plain(name: str) -> str:
    """Return `name` in small letters, without accents: they make no difference."""
    return unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode().lower()


def _matches(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_matches(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and _matches(pattern[1:], text[1:])


def test_an_empty_archive_answers(tmp_path: Path) -> None:
    archive = Archive.at(tmp_path)
    assert search_studies(archive, Keys(), EVERYTHING).found == ()
    assert search_series(archive, Keys(), EVERYTHING).found == ()
    assert search_instances(archive, Keys(), EVERYTHING).found == ()
    archive.close()
