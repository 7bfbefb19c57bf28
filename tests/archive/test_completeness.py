"""When a study counts as complete, evidence by evidence."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline import clock
from sightline.archive.archive import Archive
from sightline.archive.associations import close_association, open_association
from sightline.archive.completeness import (
    Count,
    Evidence,
    OpenStudy,
    Pauses,
    Promise,
    Rules,
    complete_quiet_studies,
    last_completed,
    mark_complete,
    open_revisions,
    open_study,
    shown_pauses,
    why_complete,
    worth_looking_in_s,
)
from sightline.archive.receiving import keep
from sightline.archive.slice_gaps import StudyGaps
from sightline.archive.studies import list_studies
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.instances import STUDY, part10_of, slice_of

UID = StudyUid(STUDY)
RULES = Rules(quiet_s=5, least_s=1, most_s=120)
PACS = "PACS@pacs:104"
WHOLE = OpenStudy(
    uid=UID,
    revision=40,
    last_received_at=1000.0,
    senders=(("PACS", "released"),),
    has_open_sender=False,
    instances=40,
    delivered={},
)
SOUND, BROKEN = StudyGaps(gap_free=1, with_gaps=0), StudyGaps(gap_free=1, with_gaps=1)


def counted(instances: int | None, problem: str = "") -> Count:
    return Count(peer=PACS, instances=instances, problem=problem)


def known(*pauses: float) -> Pauses:
    made = Pauses()
    for each in pauses:
        made.learn({"PACS": each})
    return made


def completes_after(
    study: OpenStudy, evidence: Evidence, pauses: Pauses | None = None
) -> tuple[float, str]:
    """Return after how many quiet seconds a study is complete, and why."""
    for tenths in range(20_000):
        now = study.last_received_at + tenths / 10
        because = why_complete(study, evidence, pauses or Pauses(), rules=RULES, now=now)
        if because:
            return tenths / 10, because
    return float("inf"), ""


@pytest.mark.parametrize(
    ("evidence", "pauses", "seconds", "words"),
    [
        # the count decides at once, whatever else is known
        (Evidence(count=counted(40)), known(), 0, f"40 instances, as {PACS} counts"),
        (Evidence(count=counted(38), gaps=BROKEN), known(), 0, f"as {PACS} counts"),
        # or makes us wait for what it says is to come
        (Evidence(count=counted(42)), known(0, 0, 0), 120, f"{PACS} counts 42, 2 did not come"),
        # slices
        (Evidence(gaps=SOUND), known(0, 0, 0), 1, "no slice missing in 1 series"),
        (Evidence(gaps=BROKEN), known(0, 0, 0), 120, "slices missing in 1 series"),
        # what the sender has shown
        (Evidence(gaps=SOUND), known(), 5, "quiet for 5 s"),
        (Evidence(gaps=SOUND), known(0, 0), 5, "quiet for 5 s"),
        (Evidence(gaps=SOUND), known(0.1, 4, 0.2), 8, "longer than it ever paused"),
        (Evidence(gaps=SOUND), known(0.1, 90, 0.2), 120, "quiet for 120 s"),
        (Evidence(gaps=SOUND), known(0.1, 5000, 0.2), 1, "quiet for 1 s"),
        (Evidence(), known(0, 0, 0), 5, "quiet for 5 s"),
        (Evidence(), known(4, 4, 4), 8, "longer than it ever paused"),
        # a PACS that cannot say decides nothing
        (Evidence(count=counted(None, "it is down")), known(), 5, "it is down; senders gone"),
        (Evidence(count=counted(None)), known(), 5, "does not tell its count"),
        (Evidence(count=counted(0)), known(), 5, "does not know the study"),
    ],
)
def test_evidence_in_its_order(
    evidence: Evidence, pauses: Pauses, seconds: float, words: str
) -> None:
    took, because = completes_after(WHOLE, evidence, pauses)
    assert took == pytest.approx(seconds, abs=0.11)
    assert words in because
    assert "40 instances" in because


def test_an_open_sender_is_waited_for_unless_the_count_is_reached() -> None:
    held_open = dataclasses.replace(WHOLE, has_open_sender=True)
    assert completes_after(held_open, Evidence(gaps=SOUND))[0] == float("inf")
    assert completes_after(held_open, Evidence(count=counted(41)))[0] == float("inf")
    assert completes_after(held_open, Evidence(count=counted(40)))[0] == 0


@pytest.mark.parametrize(
    ("missing", "unannounced", "count", "seconds", "words"),
    [
        (0, 0, None, 0, "40 instances, all that PACS announced"),
        (2, 0, None, 120, "PACS announced 42, 2 did not come"),
        # a step whose announcement is still to come
        (0, 5, None, 5, "quiet for 5 s"),
        # a count of the whole study says more
        (0, 0, counted(41), 120, f"{PACS} counts 41, 1 did not come"),
        (0, 0, counted(None, "it is down"), 0, "all that PACS announced"),
    ],
)
def test_what_was_announced(
    missing: int, unannounced: int, count: Count | None, seconds: float, words: str
) -> None:
    promise = Promise(
        announcers=("PACS",), instances=40 + missing, missing=missing, unannounced=unannounced
    )
    study = dataclasses.replace(WHOLE, announced=promise)
    took, because = completes_after(study, Evidence(count=count))
    assert took == pytest.approx(seconds, abs=0.11)
    assert words in because
    held_open = dataclasses.replace(study, has_open_sender=True)
    assert completes_after(held_open, Evidence())[0] == float("inf")


def test_a_sender_that_broke_off_is_given_the_usual_time() -> None:
    broken = dataclasses.replace(WHOLE, senders=(("PACS", "aborted"),))
    took, because = completes_after(broken, Evidence(gaps=SOUND), known(0, 0, 0))
    assert took == pytest.approx(5, abs=0.11)
    assert "PACS (aborted)" in because


def test_results_of_ours_that_the_pacs_took_are_in_its_count() -> None:
    with_results = dataclasses.replace(WHOLE, delivered={PACS: 3})
    assert completes_after(with_results, Evidence(count=counted(43)))[0] == 0
    assert completes_after(with_results, Evidence(count=counted(44)))[0] == pytest.approx(120, 0.01)
    elsewhere = dataclasses.replace(WHOLE, delivered={"OTHER@pacs:104": 3})
    assert completes_after(elsewhere, Evidence(count=counted(43)))[0] == pytest.approx(120, 0.01)


def test_the_bounds_of_a_site() -> None:
    settings = Settings.load(quiet_period_s=0.5)
    assert Rules.of(settings) == Rules(quiet_s=0.5, least_s=0.5, most_s=120)
    settings = Settings.load(quiet_period_s=300.0)
    assert Rules.of(settings) == Rules(quiet_s=300, least_s=1, most_s=300)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = Archive.at(tmp_path / "archive")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("pauses", "from_s"), [(Pauses(), 4.5), (known(1.5, 1.0, 1.0), 2.5), (known(60, 60, 60), 4.5)]
)
def test_slices_are_looked_at_when_they_may_decide_soon(pauses: Pauses, from_s: float) -> None:
    for quiet_s in (from_s - 1, from_s, from_s + 1):
        now = WHOLE.last_received_at + quiet_s
        left_s = worth_looking_in_s(WHOLE, pauses, rules=RULES, now=now)
        assert left_s == pytest.approx(from_s - quiet_s)


def open_studies(archive: Archive) -> list[OpenStudy]:
    return [open_study(archive, each) for each in open_revisions(archive, settled_s=0)]


def receive(archive: Archive, *numbers: int, association: int | None = None) -> None:
    for number in numbers:
        source = Source(name="dimse:SCANNER", association=association)
        keep(archive, part10_of(slice_of(number, size=2)), source)


def test_an_open_study_and_its_senders(archive: Archive) -> None:
    association = open_association(archive, "SCANNER", "10.0.0.1")
    receive(archive, 1, 2, association=association)
    (found,) = open_studies(archive)
    assert (found.has_open_sender, found.instances, found.revision) == (True, 2, 2)
    assert open_revisions(archive, settled_s=60) == []
    close_association(archive, association, "released")
    receive(archive, 3)
    keep(archive, part10_of(slice_of(4, size=2, PatientID="ANOTHER")), Source(name="test"))
    (found,) = open_studies(archive)
    assert not found.has_open_sender
    assert found.senders == (("SCANNER", "released"), ("dimse:SCANNER", ""))
    assert found.instances == 4  # one of them in quarantine


def test_what_came_meanwhile_keeps_a_study_open(archive: Archive) -> None:
    receive(archive, 1)
    (before,) = open_studies(archive)
    receive(archive, 2)
    assert not mark_complete(archive, before, "too early")
    (after,) = open_studies(archive)
    assert mark_complete(archive, after, "enough")
    assert not mark_complete(archive, after, "again")
    assert list_studies(archive)[0].complete_because == "enough"
    assert last_completed(archive) == [UID]


def test_pauses_are_those_between_associations(archive: Archive) -> None:
    first = open_association(archive, "SCANNER", "10.0.0.1")
    receive(archive, 1, association=first)
    clock.pause(0.2)
    receive(archive, 2, association=first)  # it never left
    close_association(archive, first, "released")
    assert shown_pauses(archive, UID) == {"SCANNER": 0.0}
    clock.pause(0.1)
    second = open_association(archive, "SCANNER", "10.0.0.1")
    receive(archive, 3, association=second)
    assert shown_pauses(archive, UID)["SCANNER"] >= 0.1


def test_by_time_alone(archive: Archive) -> None:
    receive(archive, 1)
    assert complete_quiet_studies(archive, quiet_period_s=60) == []
    assert complete_quiet_studies(archive, quiet_period_s=0) == [UID]
