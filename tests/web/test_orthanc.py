"""Orthanc's DICOMweb plugin as a client of ours, and as a source that we are filled from."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest
from dicomweb_client import DICOMwebClient

from sightline.archive.quarantine import holdings
from sightline.archive.studies import study
from sightline.formats.dicom_elements import dataset_offset
from sightline.values.identity import StudyUid
from tests.counterparties import Orthanc
from tests.instances import STUDY, write_series
from tests.web.stage import Stage

SIZES = pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.gate)])


def dataset_of(content: bytes) -> bytes:
    return content[dataset_offset(content) :]


@pytest.fixture
def paired(orthanc: Orthanc, empty_url: str) -> Iterator[Orthanc]:
    """Give an Orthanc that knows us as the DICOMweb server `sightline`."""
    server = {"Url": f"{empty_url}/archive/", "Username": "", "Password": ""}
    orthanc.call("PUT", "/dicom-web/servers/sightline", json.dumps(server).encode())
    yield orthanc
    orthanc.call("DELETE", "/dicom-web/servers/sightline")


def stored_in_orthanc(orthanc: Orthanc, files: list[Path]) -> None:
    for path in files:
        orthanc.call("POST", "/instances", path.read_bytes())


def datasets(orthanc: Orthanc) -> dict[str, bytes]:
    return {uid: dataset_of(orthanc.file(each)) for uid, each in orthanc.instances().items()}


@SIZES
def test_orthanc_stores_to_us_and_retrieves_from_us(
    paired: Orthanc, stage: Stage, tmp_path: Path, count: int
) -> None:
    files = write_series(tmp_path / "series", count, size=64)
    stored_in_orthanc(paired, files)
    sent = datasets(paired)
    body = {"Resources": list(paired.instances().values()), "Synchronous": True}
    paired.call("POST", "/dicom-web/servers/sightline/stow", json.dumps(body).encode())
    kept = study(stage.archive, StudyUid(STUDY)).instances
    got = {each.uid: dataset_of(stage.archive.objects.get(each.digest)) for each in kept}
    assert got == sent
    assert len(got) == count

    paired.clear()
    body = {"Resources": [{"Study": STUDY}], "Synchronous": True}
    paired.call("POST", "/dicom-web/servers/sightline/retrieve", json.dumps(body).encode())
    assert datasets(paired) == sent
    assert holdings(stage.archive) == []


def test_orthanc_searches_us(paired: Orthanc, empty_url: str, tmp_path: Path) -> None:
    files = write_series(tmp_path / "series", 3)
    client = DICOMwebClient(f"{empty_url}/archive")
    client.store_instances(read_all(files))
    asked = {"Uri": "/studies", "Arguments": {"PatientName": "Probe*"}}
    answer = paired.call("POST", "/dicom-web/servers/sightline/qido", json.dumps(asked).encode())
    (found,) = json.loads(answer)
    assert STUDY in json.dumps(found)


@SIZES
def test_we_are_filled_from_orthanc(
    orthanc: Orthanc, stage: Stage, empty_url: str, tmp_path: Path, count: int
) -> None:
    """A multipart answer of Orthanc's WADO-RS is a body that our STOW-RS takes as it is."""
    stored_in_orthanc(orthanc, write_series(tmp_path / "series", count, size=64))
    accept = {"Accept": 'multipart/related; type="application/dicom"'}
    given = httpx.get(f"{orthanc.url}/dicom-web/studies/{STUDY}", headers=accept, timeout=120)
    answer = httpx.post(
        f"{empty_url}/archive/studies",
        content=given.content,
        headers={"Content-Type": given.headers["content-type"]},
        timeout=300,
    )
    assert answer.status_code == 200
    kept = study(stage.archive, StudyUid(STUDY)).instances
    got = {each.uid: dataset_of(stage.archive.objects.get(each.digest)) for each in kept}
    assert got == datasets(orthanc)


def read_all(files: list[Path]) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in files]
