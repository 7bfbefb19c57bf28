"""One study travels the whole road: from C-STORE to a traced result at the PACS."""

import json
import shutil
import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from sightline.archive.archive import Archive
from sightline.archive.results import PublishedObject, published_objects
from sightline.formats.dicom_image import read_volume
from sightline.hub.hub import Hub
from sightline.hub.models import model
from sightline.predict.engine import predict
from sightline.predict.model import Model, ModelManifest
from tests.app.conftest import Sightline
from tests.counterparties import Orthanc, program

pytestmark = pytest.mark.slow


@pytest.fixture
def arrived(sightline_with_model: Sightline, orthanc: Orthanc, tmp_path: Path) -> Path:
    """Send one new patient and wait for the results; give the folder of its files."""
    sightline = sightline_with_model
    sightline.pacs = orthanc.destination
    folder = tmp_path / "new"
    options = ("--patients", "1", "--first", "50", "--site", "b", "--size", "tiny")
    sightline.run("phantoms", "chest", str(folder), *options)
    sightline.start()
    port = str(sightline.dimse_port)
    command = [program("storescu"), "-aec", "SIGHTLINE", "+sd", "+r", "127.0.0.1", port]
    subprocess.run([*command, str(folder / "dicom")], check=True, capture_output=True)
    sightline.run("wait", "--studies", "6")
    return folder / "dicom"


def test_results_reach_the_pacs_and_lead_back(
    arrived: Path, sightline_with_model: Sightline, orthanc: Orthanc, tmp_path: Path
) -> None:
    files = sorted(path for path in arrived.rglob("*") if path.is_file())
    study_uid = pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID
    published = _published(sightline_with_model, study_uid)

    _found_by_qido(orthanc, study_uid)
    _valid(sightline_with_model, published, tmp_path)
    _equals_the_prediction(sightline_with_model, published["SEG"], files)
    _leads_back(sightline_with_model, published["SEG"])
    _comes_out_again(sightline_with_model, published["SR"])
    _is_routed_again(sightline_with_model, study_uid)


def _published(sightline: Sightline, study_uid: str) -> dict[str, PublishedObject]:
    archive = Archive.at(sightline.data_dir / "archive")
    found = [each for each in published_objects(archive) if each.study_uid == study_uid]
    archive.close()
    assert sorted(each.kind for each in found) == ["OT", "SEG", "SR"]
    assert all(each.deliveries[0].startswith("delivered ") for each in found)
    return {each.kind: each for each in found}


def _found_by_qido(orthanc: Orthanc, study_uid: str) -> None:
    series = orthanc.get(f"/dicom-web/studies/{study_uid}/series")
    assert sorted(each["00080060"]["Value"][0] for each in series) == ["OT", "SEG", "SR"]


def _bytes_of(sightline: Sightline, published: PublishedObject) -> bytes:
    archive = Archive.at(sightline.data_dir / "archive")
    uid = published.instance_uid
    with archive.database.read() as connection:
        digest = connection.exec_driver_sql(
            "SELECT digest FROM instance WHERE uid = ?", (uid,)
        ).scalar_one()
    content = archive.objects.get(digest)
    archive.close()
    return content


def _valid(sightline: Sightline, published: dict[str, PublishedObject], folder: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    for kind, each in published.items():
        path = folder / f"{kind}.dcm"
        path.write_bytes(_bytes_of(sightline, each))
        said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        errors = [line for line in said.stderr.splitlines() if line.startswith("Error")]
        assert errors == [], kind
        dataset = pydicom.dcmread(path)
        assert "research use only" in str(dataset).lower()
        assert any("tiny@1" in str(each) for each in dataset.ContributingEquipmentSequence)


def _equals_the_prediction(
    sightline: Sightline, published: PublishedObject, files: list[Path]
) -> None:
    hub = Hub.at(sightline.data_dir / "hub")
    record = model(hub, "tiny@1")
    manifest = ModelManifest.from_json(record.manifest)
    with hub.objects.local_copies([record.weights_digest]) as (weights,):
        loaded = Model.load(weights, manifest)
    volume = read_volume(files)
    drawn = predict(loaded, volume)
    path = sightline.data_dir / "seg.dcm"
    path.write_bytes(_bytes_of(sightline, published))
    segmentation = hd.seg.segread(path)
    instances = {
        pydicom.dcmread(each, stop_before_pixels=True).SOPInstanceUID: each for each in files
    }
    ordered = sorted(
        instances,
        key=lambda uid: pydicom.dcmread(
            instances[uid], stop_before_pixels=True
        ).ImagePositionPatient[2],
    )
    numbers = segmentation.segment_numbers
    pixels = segmentation.get_pixels_by_source_instance(
        ordered,
        segment_numbers=numbers,
        combine_segments=False,
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )
    for column, number in enumerate(numbers):
        name = segmentation.get_segment_description(number).segment_label
        wanted = drawn.mask == 1 + drawn.classes.index(name)
        assert np.array_equal(pixels[..., column].astype(bool), wanted)
    hub.close()


def _comes_out_again(sightline: Sightline, published: PublishedObject) -> None:
    for named in ((published.instance_uid,), ("--sample", "5")):
        said = sightline.run("reproduce", *named)
        assert "3 objects: the same, bit for bit" in said
        assert "1 of 1 predictions came out again" in said


def _is_routed_again(sightline: Sightline, study_uid: str) -> None:
    assert "goes to the model" in sightline.run("route", study_uid)
    assert "tiny@1 gets series of 6 of 6 studies" in sightline.run("route")


def _leads_back(sightline: Sightline, published: PublishedObject) -> None:
    up = json.loads(sightline.run("trace", published.instance_uid, "--json"))
    kinds = {step["kind"] for step in up["steps"]}
    expected = {"prediction", "model", "run", "recipe", "code", "environment", "collection"}
    assert kinds >= expected | {"subject", "series", "annotation"}
    taught = {
        member.split("\t")[1]
        for member in sightline.run("collections", "show", "tiny@1").splitlines()
        if "\t" in member
    }
    subjects = {step["id"] for step in up["steps"] if step["kind"] == "subject"}
    assert taught < subjects
    assert len(subjects - taught) == 1  # the patient the contour was drawn on
    for subject in subjects:
        down = json.loads(sightline.run("trace", subject, "--down", "--json"))
        assert up["start"]["id"] in {step["id"] for step in down["steps"]}
