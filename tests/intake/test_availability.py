"""Instance availability notifications, sent by pynetdicom: they say when a study is whole."""

import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import InstanceAvailabilityNotification  # type: ignore[attr-defined]  # made at import

from sightline.app.completing import Completer
from sightline.archive.announcements import Announcement, announced, enter_announcement
from sightline.archive.archive import Archive
from sightline.archive.studies import list_studies
from sightline.errors import NotDicom
from sightline.formats.dicom_dataset import encode_dataset
from sightline.intake.availability import read_announcement
from sightline.intake.dimse import Listener
from sightline.peers.dimse import Destination, send
from sightline.settings import Settings
from sightline.values.identity import StudyUid
from tests.counterparties import HOST, wait_until
from tests.instances import SERIES, STUDY, uid, write_series

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        data_dir=tmp_path / "data",
        dimse_port=0,
        quiet_period_s=60.0,
        min_quiet_period_s=0.2,
        max_quiet_period_s=60.0,
    )


def notification(availability: Mapping[int, str]) -> Dataset:
    """Announce slices of the study by number."""
    items = []
    for number, word in availability.items():
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid(number)
        item.InstanceAvailability, item.RetrieveAETitle = word, "PACS"
        items.append(item)
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = SERIES, Sequence(items)
    dataset = Dataset()
    dataset.ReferencedPerformedProcedureStepSequence = Sequence([])
    dataset.StudyInstanceUID, dataset.ReferencedSeriesSequence = STUDY, Sequence([series])
    return dataset


def notify(port: int, dataset: Dataset, instance_uid: str | None = None) -> tuple[int, str]:
    """Send a notification; return the status and the UID that the answer names."""
    named: list[str] = []

    def look(event: evt.Event) -> None:
        named.append(str(event.message.command_set.get("AffectedSOPInstanceUID", "")))

    entity = AE("PACS")
    entity.add_requested_context(InstanceAvailabilityNotification)
    association = entity.associate(HOST, port, evt_handlers=[(evt.EVT_DIMSE_RECV, look)])
    assert association.is_established
    try:
        status, _ = association.send_n_create(
            dataset, InstanceAvailabilityNotification, instance_uid
        )
    finally:
        association.release()
    return status.Status, named[0]


def completed(completer: Completer, archive: Archive) -> str:
    wait_until(lambda: bool(completer.complete_studies()), seconds=20)
    return list_studies(archive)[0].complete_because


def test_what_a_pacs_announced_completes_a_study_long_before_the_timer(
    listener: Listener, archive: Archive, settings: Settings, tmp_path: Path
) -> None:
    peer = Destination(ae_title="SIGHTLINE", host=HOST, port=listener.port)
    files = write_series(tmp_path / "series", 4, size=2)
    completer = Completer(archive, settings)
    everything = dict.fromkeys(range(1, 5), "ONLINE")
    assert notify(listener.port, notification(everything), "1.2.3") == (0x0000, "1.2.3")
    send(peer, files[:3], calling_ae="PACS")
    for _ in range(10):
        assert completer.complete_studies() == []
    send(peer, files[3:], calling_ae="PACS")
    assert completed(completer, archive) == "4 instances, all that PACS announced"
    completer.close()


def test_an_announcement_after_the_instances_is_noticed_at_once(
    listener: Listener, archive: Archive, settings: Settings, tmp_path: Path
) -> None:
    peer = Destination(ae_title="SIGHTLINE", host=HOST, port=listener.port)
    send(peer, write_series(tmp_path / "series", 3, size=2), calling_ae="PACS")
    completer = Completer(archive, settings)
    # It has two of them; of a third it says, later than of the first two, that it has it, too.
    assert notify(listener.port, notification({1: "ONLINE", 2: "NEARLINE"}))[0] == 0x0000
    for _ in range(10):
        assert completer.complete_studies() == []
    offline = {1: "ONLINE", 2: "NEARLINE", 3: "ONLINE", 4: "UNAVAILABLE"}
    assert notify(listener.port, notification(offline))[0] == 0x0000
    assert completed(completer, archive) == "3 instances, all that PACS announced"
    completer.close()


def test_an_instance_that_nobody_named_is_given_a_uid(listener: Listener) -> None:
    status, named = notify(listener.port, notification({1: "ONLINE"}))
    assert status == 0x0000
    assert uuid.UUID(int=int(named.removeprefix("2.25."))).version == 4


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "ReferencedSeriesSequence"])
def test_a_broken_notification_is_refused(
    listener: Listener, archive: Archive, missing: str
) -> None:
    dataset = notification({1: "ONLINE"})
    del dataset[missing]
    assert notify(listener.port, dataset, "1.2.3")[0] == 0x0106
    with archive.database.read() as connection:
        assert announced(connection, StudyUid(STUDY)) is None


def test_words_that_are_no_uids_are_refused() -> None:
    dataset = notification({1: "ONLINE"})
    dataset.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "../x"
    content = encode_dataset(dataset, ExplicitVRLittleEndian)
    with pytest.raises(NotDicom, match="names no study or no instance"):
        read_announcement(content, ExplicitVRLittleEndian, announcer="PACS")


def test_old_announcements_are_forgotten(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    study_uid = StudyUid(STUDY)
    old = Announcement(study_uid=study_uid, announcer="PACS", instances={uid(1): True})
    with monkeypatch.context() as patched:
        patched.setattr("sightline.clock.timestamp", lambda: 1000.0)
        enter_announcement(archive, old)
    other = Announcement(study_uid=StudyUid("1.2.3"), announcer="PACS", instances={uid(2): True})
    enter_announcement(archive, other)
    with archive.database.read() as connection:
        assert announced(connection, study_uid) is None
        found = announced(connection, StudyUid("1.2.3"))
    assert found is not None
    assert found.available == {uid(2)}
