"""Orthanc as a PACS that sends to us, and that takes back what we send."""

from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.quarantine import holdings
from sightline.archive.studies import study
from sightline.formats.dicom_elements import dataset_offset
from sightline.intake.dimse import Listener
from sightline.peers.dimse import parse_destination, send
from sightline.values.identity import StudyUid
from tests.counterparties import Orthanc
from tests.instances import STUDY, write_series


def dataset_of(content: bytes) -> bytes:
    return content[dataset_offset(content) :]


@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=pytest.mark.gate)])
def test_there_and_back_again_changes_no_byte(
    orthanc: Orthanc, listener: Listener, archive: Archive, tmp_path: Path, count: int
) -> None:
    files = write_series(tmp_path / "series", count, size=64)
    send(parse_destination(orthanc.destination), files, calling_ae="TEST")
    orthanc.knows("sightline", ae_title="SIGHTLINE", port=listener.port)
    sent = orthanc.send("sightline", list(orthanc.instances().values()))
    assert (sent["InstancesCount"], sent["FailedInstancesCount"]) == (count, 0)

    kept = study(archive, StudyUid(STUDY)).instances
    assert len(kept) == count
    assert sorted(dataset_of(archive.objects.get(each.digest)) for each in kept) == sorted(
        dataset_of(path.read_bytes()) for path in files
    )
    again = orthanc.send("sightline", list(orthanc.instances().values()))
    assert again["FailedInstancesCount"] == 0
    assert holdings(archive) == []

    orthanc.clear()
    with archive.objects.local_copies(each.digest for each in kept) as copies:
        report = send(parse_destination(orthanc.destination), copies, calling_ae="SIGHTLINE")
    assert report.instances == count
    returned = {uid: orthanc.file(found) for uid, found in orthanc.instances().items()}
    assert {each.uid: dataset_of(archive.objects.get(each.digest)) for each in kept} == {
        uid: dataset_of(content) for uid, content in returned.items()
    }


def test_orthanc_can_echo_us(orthanc: Orthanc, listener: Listener) -> None:
    orthanc.knows("sightline", ae_title="SIGHTLINE", port=listener.port)
    assert orthanc.call("POST", "/modalities/sightline/echo", b"{}").strip() == b"{}"
