"""Storage commitment, asked for by pynetdicom, reported on the same and on a new association."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]  # made at import

from sightline.archive.archive import Archive
from sightline.archive.commitments import (
    Commitment,
    Reference,
    due_reports,
    hurry_all,
    owe,
)
from sightline.archive.receiving import keep
from sightline.archive.studies import study
from sightline.errors import NotDicom
from sightline.formats.dicom_dataset import encode_dataset
from sightline.intake.commitment import deliver_reports, failure_reason, read_commitment
from sightline.intake.dimse import Listener
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.counterparties import HOST, free_port, wait_until
from tests.instances import STUDY, uid, write_series

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
INSTANCE = "1.2.840.10008.1.20.1.1"


def asks_for(*references: tuple[str, str]) -> Dataset:
    request = Dataset()
    request.TransactionUID = generate_uid()
    items = []
    for sop_class_uid, instance_uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, instance_uid
        items.append(item)
    request.ReferencedSOPSequence = Sequence(items)
    return request


@pytest.fixture
def scanner_port() -> int:
    return free_port()


@pytest.fixture
def settings(tmp_path: Path, scanner_port: int) -> Settings:
    peers = {"scanner": f"SCANNER@{HOST}:{scanner_port}"}
    return Settings.load(data_dir=tmp_path / "data", dimse_port=0, peers=peers)


@pytest.fixture
def reports() -> list[tuple[int, Dataset]]:
    return []


@pytest.fixture
def scanner(reports: list[tuple[int, Dataset]], scanner_port: int) -> Iterator[AE]:
    """Give a scanner that listens for reports, and notes each."""

    def note(event: evt.Event) -> tuple[int, None]:
        reports.append((event.event_type, event.event_information))
        return 0, None

    entity = AE(ae_title="SCANNER")
    entity.add_requested_context(StorageCommitmentPushModel, ExplicitVRLittleEndian)
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    entity.note = note
    server = entity.start_server(
        (HOST, scanner_port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, note)]
    )
    yield entity
    server.shutdown()
    server.server_close()


def ask(
    scanner: AE, listener: Listener, request: Dataset, reports: list[tuple[int, Dataset]]
) -> Dataset:
    """Ask for commitment and stay until the report was answered; return the status."""
    answered = threading.Event()
    handlers = [
        (evt.EVT_N_EVENT_REPORT, scanner.note),
        (evt.EVT_PDU_SENT, lambda _event: reports and answered.set()),
    ]
    association = scanner.associate(HOST, listener.port, evt_handlers=handlers)
    assert association.is_established
    status, _ = association.send_n_action(request, 1, StorageCommitmentPushModel, INSTANCE)
    assert answered.wait(30)
    association.release()
    return status


def fill(archive: Archive, folder: Path) -> None:
    for path in write_series(folder, 3, size=4):
        keep(archive, path.read_bytes(), Source(name="test"))


def test_all_that_is_kept_is_answered_for(
    archive: Archive,
    listener: Listener,
    scanner: AE,
    reports: list[tuple[int, Dataset]],
    tmp_path: Path,
) -> None:
    fill(archive, tmp_path / "in")
    request = asks_for(*((CT, uid(number)) for number in (1, 2, 3)))
    status = ask(scanner, listener, request, reports)
    assert status.Status == 0
    ((event_type, report),) = reports
    assert event_type == 1
    assert report.TransactionUID == request.TransactionUID
    kept = {each.ReferencedSOPInstanceUID for each in report.ReferencedSOPSequence}
    assert kept == {uid(1), uid(2), uid(3)}
    assert "FailedSOPSequence" not in report


def test_what_is_not_kept_is_told_with_its_reason(
    archive: Archive,
    listener: Listener,
    scanner: AE,
    reports: list[tuple[int, Dataset]],
    tmp_path: Path,
) -> None:
    fill(archive, tmp_path / "in")
    damaged = study(archive, StudyUid(STUDY)).instances[2]
    path = archive.objects.blobs.path(damaged.digest)
    assert path is not None
    path.write_bytes(b"damaged")
    request = asks_for((CT, uid(1)), (MR, uid(2)), (CT, str(damaged.uid)), (CT, "1.2.3"))
    ask(scanner, listener, request, reports)
    ((event_type, report),) = reports
    assert event_type == 2
    assert [each.ReferencedSOPInstanceUID for each in report.ReferencedSOPSequence] == [uid(1)]
    reasons = {
        each.ReferencedSOPInstanceUID: each.FailureReason for each in report.FailedSOPSequence
    }
    assert reasons == {uid(2): 0x0119, str(damaged.uid): 0x0110, "1.2.3": 0x0112}


def test_who_left_is_told_on_a_new_association(
    archive: Archive,
    listener: Listener,
    settings: Settings,
    scanner: AE,
    reports: list[tuple[int, Dataset]],
    tmp_path: Path,
) -> None:
    fill(archive, tmp_path / "in")
    gone = threading.Event()
    association = scanner.associate(
        HOST, listener.port, evt_handlers=[(evt.EVT_DIMSE_RECV, lambda _event: gone.set())]
    )
    association.send_n_action(asks_for((CT, uid(1))), 1, StorageCommitmentPushModel, INSTANCE)
    association.abort()
    wait_until(lambda: deliver_reports(archive, settings) == 1, seconds=20)
    assert reports[-1][0] == 1
    assert deliver_reports(archive, settings) == 0


@pytest.mark.usefixtures("scanner")
def test_a_report_outlives_a_peer_that_is_down_and_a_listener_that_dies(
    archive: Archive, settings: Settings, reports: list[tuple[int, Dataset]]
) -> None:
    request = Commitment(
        transaction_uid="1.2.3", references=(Reference(sop_class_uid=CT, instance_uid=uid(1)),)
    )
    owe(archive, "SCANNER", request, wait_s=600.0)
    elsewhere = settings.model_copy(update={"peers": {"scanner": f"SCANNER@{HOST}:{free_port()}"}})
    assert deliver_reports(archive, elsewhere) == 0
    hurry_all(archive)
    assert deliver_reports(archive, elsewhere) == 0
    wait_until(lambda: bool(due_reports(archive)), seconds=20)
    (owed,) = due_reports(archive)
    assert owed.attempts == 1
    assert deliver_reports(archive, settings) == 1
    ((event_type, report),) = reports
    assert (event_type, report.TransactionUID) == (2, "1.2.3")


def test_who_cannot_be_reached_for_hours_is_given_up(archive: Archive, settings: Settings) -> None:
    request = Commitment(transaction_uid="1.2.3", references=())
    owe(archive, "NOBODY", request, wait_s=0.0)
    for _ in range(7):
        assert deliver_reports(archive, settings) == 0
        hurry_all(archive)
    assert due_reports(archive) == []


def test_what_is_no_request_is_refused(listener: Listener, scanner: AE) -> None:
    association = scanner.associate(HOST, listener.port)
    request = asks_for((CT, "1.2.3"))
    status, _ = association.send_n_action(request, 2, StorageCommitmentPushModel, INSTANCE)
    assert status.Status == 0x0123
    status, _ = association.send_n_action(request, 1, StorageCommitmentPushModel, "1.2.3")
    assert status.Status == 0x0112
    del request.ReferencedSOPSequence
    status, _ = association.send_n_action(request, 1, StorageCommitmentPushModel, INSTANCE)
    assert status.Status == 0x0115
    association.release()


def test_a_request_by_itself(archive: Archive, tmp_path: Path) -> None:
    fill(archive, tmp_path / "in")
    content = encode_dataset(asks_for((CT, uid(1))), ExplicitVRLittleEndian)
    read = read_commitment(content, ExplicitVRLittleEndian)
    assert read.references == (Reference(sop_class_uid=CT, instance_uid=uid(1)),)
    assert failure_reason(archive, read.references[0]) == 0
    words = encode_dataset(asks_for((CT, "../x")), ExplicitVRLittleEndian)
    nothing = encode_dataset(asks_for(), ExplicitVRLittleEndian)
    for broken in (b"", b"junk", content[:40], words, nothing):
        with pytest.raises(NotDicom):
            read_commitment(broken, ExplicitVRLittleEndian)
