"""When a study counts as complete, and how it is listed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline import clock
from sightline.archive.archive import Archive
from sightline.archive.associations import close_association, open_association
from sightline.archive.completeness import complete_quiet_studies
from sightline.archive.quarantine import holdings
from sightline.archive.receiving import keep
from sightline.archive.studies import (
    lineage_of_instance,
    list_studies,
    mark_started,
    record_door,
    series_of_study,
    studies_to_start,
    study,
    study_of_series,
)
from sightline.errors import UnknownName
from sightline.values.arrival import Holding, Source
from sightline.values.identity import InstanceUid, SeriesUid, StudyUid
from tests.instances import ROOT, SERIES, STUDY, part10_of, slice_of, uid

UID = StudyUid(STUDY)


@pytest.fixture
def archive(tmp_path: Path, catalog_url: str) -> Iterator[Archive]:
    opened = Archive.at(tmp_path / "archive", catalog_url=catalog_url)
    yield opened
    opened.close()


def receive(archive: Archive, *numbers: int, association: int | None = None) -> None:
    for number in numbers:
        source = Source(name="dimse:SCANNER", association=association)
        keep(archive, part10_of(slice_of(number, size=2)), source)


def test_a_study_is_complete_when_its_sender_left_and_it_stayed_quiet(archive: Archive) -> None:
    association = open_association(archive, "SCANNER", "10.0.0.1")
    receive(archive, 1, 2, association=association)
    assert complete_quiet_studies(archive, quiet_period_s=0.0) == []
    close_association(archive, association, "released")
    assert complete_quiet_studies(archive, quiet_period_s=60.0) == []
    assert complete_quiet_studies(archive, quiet_period_s=0.0) == [UID]
    assert complete_quiet_studies(archive, quiet_period_s=0.0) == []
    (listed,) = list_studies(archive)
    assert listed.is_complete
    assert listed.complete_because == (
        "2 instances; senders gone: SCANNER (released); quiet for 0 s"
    )


def test_it_waits_for_the_quiet_period(archive: Archive) -> None:
    receive(archive, 1)
    started = clock.monotonic()
    while not complete_quiet_studies(archive, quiet_period_s=0.3):
        clock.pause(0.02)
    assert clock.monotonic() - started >= 0.25


def test_one_open_sender_is_enough_to_wait(archive: Archive) -> None:
    first = open_association(archive, "SCANNER", "10.0.0.1")
    second = open_association(archive, "WORKSTATION", "10.0.0.2")
    receive(archive, 1, association=first)
    receive(archive, 2, association=second)
    close_association(archive, first, "released")
    assert complete_quiet_studies(archive, quiet_period_s=0.0) == []
    close_association(archive, second, "aborted")
    assert complete_quiet_studies(archive, quiet_period_s=0.0) == [UID]
    (listed,) = list_studies(archive)
    assert "SCANNER (released)" in listed.complete_because
    assert "WORKSTATION (aborted)" in listed.complete_because


def test_a_late_instance_makes_it_complete_again(archive: Archive) -> None:
    receive(archive, 1)
    complete_quiet_studies(archive, quiet_period_s=0.0)
    receive(archive, 1)  # a repeat is no news
    assert complete_quiet_studies(archive, quiet_period_s=0.0) == []
    receive(archive, 2)
    assert not list_studies(archive)[0].is_complete
    assert complete_quiet_studies(archive, quiet_period_s=0.0) == [UID]


def test_each_revision_is_started_once(archive: Archive) -> None:
    receive(archive, 1)
    assert studies_to_start(archive) == []
    complete_quiet_studies(archive, quiet_period_s=0.0)
    assert studies_to_start(archive) == [(UID, 1)]
    mark_started(archive, UID, 1)
    assert studies_to_start(archive) == []
    receive(archive, 2, 3)
    complete_quiet_studies(archive, quiet_period_s=0.0)
    assert studies_to_start(archive) == [(UID, 3)]
    mark_started(archive, UID, 3)
    mark_started(archive, UID, 1)  # a late repeat takes nothing back
    assert studies_to_start(archive) == []


def test_the_answer_of_the_door_is_kept(archive: Archive) -> None:
    receive(archive, 1)
    held = Holding(study_uid=UID, reason="burned_in_text_likely", detail="Secondary capture.")
    for _ in range(2):
        record_door(archive, study(archive, UID), state="partly in quarantine", held=[held])
    assert list_studies(archive)[0].door == "partly in quarantine"
    assert [each.reason for each in holdings(archive)] == ["burned_in_text_likely"]


def test_series_are_listed_by_number(archive: Archive) -> None:
    receive(archive, 1, 2)
    other = slice_of(
        9, SeriesInstanceUID=f"{ROOT}.2", SeriesNumber=0, Modality="SR", SeriesDescription="Dose"
    )
    keep(archive, part10_of(other), Source(name="test"))
    found = series_of_study(archive, UID)
    assert [(each.uid, each.modality, each.instances) for each in found] == [
        (f"{ROOT}.2", "SR", 1),
        (SERIES, "CT", 2),
    ]
    assert study_of_series(archive, SeriesUid(f"{ROOT}.2")) == STUDY


def test_what_is_not_there_is_said_so(archive: Archive) -> None:
    with pytest.raises(UnknownName, match="no study"):
        study(archive, UID)
    with pytest.raises(UnknownName, match="no series"):
        study_of_series(archive, SeriesUid(SERIES))
    assert lineage_of_instance(archive, InstanceUid(uid(1))) is None
    assert list_studies(archive) == []


def test_studies_are_listed_newest_first(archive: Archive) -> None:
    for number, date in enumerate(("20240101", "20250101", "20230101")):
        made = slice_of(
            1,
            size=2,
            StudyDate=date,
            StudyInstanceUID=f"{ROOT}.5.{number}",
            SeriesInstanceUID=f"{ROOT}.6.{number}",
            SOPInstanceUID=f"{ROOT}.7.{number}",
        )
        keep(archive, part10_of(made), Source(name="test"))
    listed = list_studies(archive)
    assert [each.study.date for each in listed] == ["20250101", "20240101", "20230101"]
    assert [each.is_complete for each in listed] == [False] * 3
