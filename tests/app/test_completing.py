"""Studies completed by evidence: a real Orthanc that sends, and PACSes that do not answer."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline import clock
from sightline.app.completing import Completer
from sightline.archive.archive import Archive
from sightline.archive.associations import close_association, open_association
from sightline.archive.receiving import keep
from sightline.archive.studies import list_studies
from sightline.intake.dimse import Listener
from sightline.peers.dimse import parse_destination, send
from sightline.settings import Settings
from sightline.values.arrival import Source
from tests.counterparties import HOST, Orthanc, free_port, wait_until
from tests.instances import STUDY, part10_of, slice_of, uid, write_series


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = Archive.at(tmp_path / "data/archive")
    yield opened
    opened.close()


def settings_with(tmp_path: Path, **given: object) -> Settings:
    return Settings.load(data_dir=tmp_path / "data", dimse_port=0, **given)


def receive(archive: Archive, *numbers: int, sender: str = "SCANNER") -> None:
    """Take slices on an association of their own."""
    row = open_association(archive, sender, HOST)
    for number in numbers:
        keep(archive, part10_of(slice_of(number, size=2)), Source(name="test", association=row))
    close_association(archive, row, "released")


def completed(completer: Completer, archive: Archive, *, seconds: float) -> str:
    """Tick as the worker does until the study is complete, and return why."""
    wait_until(lambda: bool(completer.complete_studies()), seconds=seconds)
    return list_studies(archive)[0].complete_because


@pytest.fixture
def sending(
    orthanc: Orthanc, archive: Archive, tmp_path: Path
) -> Iterator[tuple[Orthanc, Settings]]:
    """Give an Orthanc that holds six slices and knows our listener, and how we know it."""
    settings = settings_with(
        tmp_path,
        quiet_period_s=60.0,
        max_quiet_period_s=60.0,
        peers={"main": orthanc.destination},
    )
    listener = Listener(archive, settings)
    listener.start()
    files = write_series(tmp_path / "series", 6, size=2)
    send(parse_destination(orthanc.destination), files, calling_ae="TEST")
    orthanc.knows("sightline", ae_title="SIGHTLINE", port=listener.port)
    yield orthanc, settings
    listener.stop()


def test_the_count_of_the_sender_completes_a_study_long_before_the_timer(
    sending: tuple[Orthanc, Settings], archive: Archive
) -> None:
    orthanc, settings = sending
    orthanc.send("sightline", list(orthanc.instances().values()))
    completer = Completer(archive, settings)
    because = completed(completer, archive, seconds=20)
    assert because == f"6 instances, as {orthanc.destination} counts"
    completer.close()


def test_a_count_that_is_not_reached_keeps_it_open(
    sending: tuple[Orthanc, Settings], archive: Archive
) -> None:
    orthanc, settings = sending
    stored = orthanc.instances()
    orthanc.send("sightline", [stored[uid(number)] for number in range(1, 5)])
    soon = settings.model_copy(update={"quiet_period_s": 1.0, "max_quiet_period_s": 8.0})
    completer = Completer(archive, soon)
    started = clock.monotonic()
    because = completed(completer, archive, seconds=30)
    assert clock.monotonic() - started > 4  # the timer of a sender that is not asked is 1 s
    assert f"{orthanc.destination} counts 6, 2 did not come" in because
    assert "quiet for 8 s" in because
    orthanc.send("sightline", [stored[uid(5)], stored[uid(6)]])
    assert completed(completer, archive, seconds=20).startswith("6 instances, as ")
    completer.close()


def test_a_pacs_that_is_down_leaves_it_to_the_timer(archive: Archive, tmp_path: Path) -> None:
    down = f"SCANNER@{HOST}:{free_port()}"
    settings = settings_with(tmp_path, quiet_period_s=1.0, peers={"down": down})
    receive(archive, 1, 2, 3)
    completer = Completer(archive, settings)
    because = completed(completer, archive, seconds=20)
    assert f"{down} cannot be reached; no slice missing in 1 series" in because
    assert because.endswith("quiet for 1 s")
    completer.close()


def test_a_pacs_that_is_silent_holds_nothing_up(archive: Archive, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as silent:
        peer = f"SCANNER@{HOST}:{silent.getsockname()[1]}"
        settings = settings_with(tmp_path, quiet_period_s=1.0, peers={"silent": peer})
        receive(archive, 1, 2, 3)
        completer = Completer(archive, settings)
        slowest_s, deadline = 0.0, clock.monotonic() + 3
        while clock.monotonic() < deadline:
            started = clock.monotonic()
            completer.complete_studies()
            slowest_s = max(slowest_s, clock.monotonic() - started)
            clock.pause(0.05)
        assert slowest_s < 1.0
        because = completed(completer, archive, seconds=40)
        assert because.endswith("quiet for 1 s")
    completer.close()


def test_missing_slices_are_waited_for(archive: Archive, tmp_path: Path) -> None:
    settings = settings_with(tmp_path, quiet_period_s=0.5, max_quiet_period_s=4.0)
    receive(archive, 1, 2, 3, 5)
    completer = Completer(archive, settings)
    because = completed(completer, archive, seconds=30)
    assert "slices missing in 1 series" in because
    assert because.endswith("quiet for 4 s")
    receive(archive, 4)
    assert "no slice missing in 1 series" in completed(completer, archive, seconds=20)
    completer.close()


def test_a_sender_is_given_the_time_it_has_shown_to_need(archive: Archive, tmp_path: Path) -> None:
    settings = settings_with(tmp_path, quiet_period_s=0.2, max_quiet_period_s=30.0)
    for number in range(3):
        numbered = {"StudyInstanceUID": f"{STUDY}.{number}", "SeriesInstanceUID": f"1.2.{number}"}
        for place in (1, 2, 3):
            row = open_association(archive, "SLOW", HOST)
            made = slice_of(place, size=2, SOPInstanceUID=f"1.3.{number}.{place}", **numbered)
            keep(archive, part10_of(made), Source(name="test", association=row))
            close_association(archive, row, "released")
            clock.pause(0.7 if place == 2 else 0.0)
    first = Completer(archive, settings)
    wait_until(lambda: not first.complete_studies() and all_complete(archive), seconds=20)
    first.close()
    again = Completer(archive, settings)  # what was learned survives a restart
    receive(archive, 1, 2, 3, sender="SLOW")
    because = completed(again, archive, seconds=20)
    newest = next(each for each in list_studies(archive) if each.study.uid == STUDY)
    because = newest.complete_because
    assert "longer than it ever paused" in because
    assert float(because.split("quiet for ")[1].split(" s")[0]) >= 1.4
    again.close()


def all_complete(archive: Archive) -> bool:
    return all(each.is_complete for each in list_studies(archive))
