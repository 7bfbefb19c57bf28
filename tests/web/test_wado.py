import collections
import contextlib
import io
import json
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from sightline.archive.receiving import keep
from sightline.errors import NotDicom
from sightline.phantoms.series import WrittenSeries
from sightline.values.arrival import Source
from tests.instances import ROOT, part10_of, slice_of
from tests.web.stage import Served, Stage


@pytest.fixture
def client(served: Served) -> DICOMwebClient:
    return DICOMwebClient(f"{served.url}/archive")


def path_of(written: WrittenSeries, number: int = 0) -> str:
    uid = pydicom.dcmread(written.files[number], stop_before_pixels=True).SOPInstanceUID
    return f"/archive/studies/{written.study_uid}/series/{written.series_uid}/instances/{uid}"


def parts(answer: httpx.Response) -> list[tuple[str, bytes]]:
    """Split a multipart answer into media types and contents."""
    boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
    found = []
    for part in answer.content.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        media_type = head.decode().partition("Content-Type: ")[2].partition("\r\n")[0]
        found.append((media_type, content.removesuffix(b"\r\n")))
    return found


def test_dicomweb_client_retrieves_instances_as_stored(
    served: Served, client: DICOMwebClient
) -> None:
    written = served.urgent.written
    first = pydicom.dcmread(written.files[0])
    uids = (written.study_uid, written.series_uid)
    got = client.retrieve_instance(*uids, first.SOPInstanceUID)
    assert got == first
    assert len(client.retrieve_series(*uids)) == 12
    assert {each.SOPInstanceUID for each in client.iter_study(written.study_uid)} >= {
        served.urgent.seg.instance_uid,
        first.SOPInstanceUID,
    }
    assert len(client.retrieve_study(written.study_uid)) == 15


def test_instances_are_sent_byte_for_byte(served: Served) -> None:
    written = served.urgent.written
    stored = written.files[0].read_bytes()
    ((media_type, content),) = parts(served.get(path_of(written)))
    assert content == stored
    assert media_type == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert served.get(path_of(written), Accept="application/dicom").content == stored


def test_dicomweb_client_retrieves_metadata(served: Served, client: DICOMwebClient) -> None:
    written = served.urgent.written
    uids = (written.study_uid, written.series_uid)
    models = client.retrieve_series_metadata(*uids)
    assert len(models) == 12
    assert len(client.retrieve_study_metadata(written.study_uid)) == 15
    expected = pydicom.dcmread(written.files[3], stop_before_pixels=True)
    model = client.retrieve_instance_metadata(*uids, expected.SOPInstanceUID)
    got = pydicom.Dataset.from_json(model, bulk_data_uri_handler=lambda _: None)
    for name in ("PixelSpacing", "ImagePositionPatient", "PatientName", "Rows", "WindowCenter"):
        assert got.get(name) == expected.get(name), name


def test_bulk_data_addresses_resolve_on_any_host(served: Served) -> None:
    """They are paths: a proxy in front of us may have any name."""
    written = served.urgent.written
    (model,) = served.get(f"{path_of(written)}/metadata").json()
    address = model["7FE00010"]["BulkDataURI"]
    assert address.startswith("/archive/")
    pixels = pydicom.dcmread(written.files[0]).PixelData
    assert served.get(address, Accept="application/octet-stream").content == pixels
    ((media_type, content),) = parts(served.get(address))
    assert (media_type, content) == ("application/octet-stream", pixels)


def test_dicomweb_client_retrieves_frames(served: Served, client: DICOMwebClient) -> None:
    written = served.urgent.written
    image = pydicom.dcmread(written.files[5])
    uids = (written.study_uid, written.series_uid, image.SOPInstanceUID)
    (frame,) = client.retrieve_instance_frames(*uids, [1])
    assert frame == image.PixelData


def test_frames_of_a_segmentation(served: Served) -> None:
    seg = pydicom.dcmread(io.BytesIO(served.urgent.seg_content))
    place = (
        f"/archive/studies/{served.urgent.study_uid}/series/{seg.SeriesInstanceUID}"
        f"/instances/{seg.SOPInstanceUID}"
    )
    count = int(seg.NumberOfFrames)
    assert count > 2
    answer = served.get(f"{place}/frames/{count},1")
    got = [np.unpackbits(np.frombuffer(c, np.uint8), bitorder="little") for _, c in parts(answer)]
    expected = seg.pixel_array
    size = seg.Rows * seg.Columns
    assert np.array_equal(got[0][:size].reshape(seg.Rows, -1), expected[-1])
    assert np.array_equal(got[1][:size].reshape(seg.Rows, -1), expected[0])


@pytest.mark.parametrize(
    ("numbers", "status"), [("0", 404), ("2", 404), ("1,2", 404), ("a", 400), ("1,,1", 400)]
)
def test_frames_that_are_not_there(served: Served, numbers: str, status: int) -> None:
    answer = served.get(f"{path_of(served.urgent.written)}/frames/{numbers}")
    assert answer.status_code == status
    assert answer.json()["hint"]


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        'multipart/related; type="image/jphc", multipart/related; type="application/octet-stream"',
        'image/jpeg, multipart/related;type="application/octet-stream"',
        "multipart/*",
    ],
)
def test_frames_choose_among_accepted_types(served: Served, accept: str) -> None:
    answer = served.get(f"{path_of(served.urgent.written)}/frames/1", Accept=accept)
    assert answer.status_code == 200
    ((media_type, _),) = parts(answer)
    assert media_type == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"


def test_what_nobody_can_send_is_not_acceptable(served: Served) -> None:
    answer = served.get(f"{path_of(served.urgent.written)}/frames/1", Accept="image/jpeg")
    assert answer.status_code == 406
    assert "transfer-syntax=*" in answer.json()["hint"]


@pytest.mark.parametrize(
    ("syntax", "media_type"),
    [
        (JPEGLSLossless, "image/jls"),
        (RLELossless, "image/dicom-rle"),
        (ImplicitVRLittleEndian, "application/octet-stream"),
        (DeflatedExplicitVRLittleEndian, "application/octet-stream"),
        (ExplicitVRBigEndian, "application/octet-stream"),
    ],
)
def test_frames_keep_their_compression(
    stage: Stage, empty_url: str, syntax: UID, media_type: str
) -> None:
    image = slice_of(1, PixelRepresentation=0)
    expected = np.frombuffer(image.PixelData, "<u2").reshape(16, 16)
    content = _written_as(image, syntax)
    keep(stage.archive, content, Source(name="test"))
    place = f"{empty_url}/archive/studies/{ROOT}.1/series/{ROOT}.1.1/instances/{ROOT}.1.1.1"
    ((found, frame),) = parts(httpx.get(f"{place}/frames/1"))
    assert found.partition(";")[0] == media_type
    (model,) = httpx.get(f"{place}/metadata").json()
    assert model["00083002"]["Value"] == [str(syntax)]
    ((bulk_type, bulk),) = parts(httpx.get(f"{empty_url}{model['7FE00010']['BulkDataURI']}"))
    assert bulk_type.partition(";")[0] == media_type
    if media_type == "application/octet-stream":
        assert frame == bulk == slice_of(1).PixelData
    else:
        assert frame in content
        assert bulk == frame
        decoded = pydicom.dcmread(io.BytesIO(content)).pixel_array
        assert np.array_equal(decoded, expected)
        _is_decoded_for_those_who_take_nothing_else(place, model, expected)


def _is_decoded_for_those_who_take_nothing_else(
    place: str, model: dict[str, dict[str, str]], expected: npt.NDArray[np.uint16]
) -> None:
    strict = {"Accept": 'multipart/related; type="application/octet-stream"'}
    bulk = place.partition("/archive")[0] + model["7FE00010"]["BulkDataURI"]
    for address in (f"{place}/frames/1", bulk):
        ((found, frame),) = parts(httpx.get(address, headers=strict, timeout=60))
        assert found == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
        assert np.array_equal(np.frombuffer(frame, "<u2").reshape(16, 16), expected)
    for accept in (
        'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1',
        "application/dicom; transfer-syntax=1.2.840.10008.1.2.1",
    ):
        answer = httpx.get(place, headers={"Accept": accept}, timeout=60)
        assert answer.status_code == 200
        whole = parts(answer)[0][1] if "multipart" in accept else answer.content
        dataset = pydicom.dcmread(io.BytesIO(whole))
        assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
        assert dataset.SOPInstanceUID == place.rpartition("/")[2]
        assert np.array_equal(dataset.pixel_array, expected)
    other = {"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90"}
    assert httpx.get(place, headers=other).status_code == 406


def test_what_cannot_be_decoded_is_had_as_it_is_stored(stage: Stage, empty_url: str) -> None:
    broken = _written_as(slice_of(1, PixelRepresentation=0), JPEGLSLossless)
    broken = broken.replace(b"\xff\xd8\xff", b"\xff\xd8\x00", 1)
    keep(stage.archive, broken, Source(name="test"))
    place = f"{empty_url}/archive/studies/{ROOT}.1"
    plain = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'
    answer = httpx.get(place, headers={"Accept": plain}, timeout=60)
    assert answer.status_code == 406
    assert "transfer-syntax=*" in answer.json()["hint"]
    ((_, content),) = parts(httpx.get(place))
    assert content == broken


def test_pictures_at_every_level(served: Served) -> None:
    written = served.urgent.written
    study = f"/archive/studies/{written.study_uid}"
    for place in (study, f"{study}/series/{written.series_uid}", path_of(written)):
        for kind, size in (("rendered", 96), ("thumbnail", 96)):
            answer = served.get(f"{place}/{kind}", Accept="image/png")
            assert answer.status_code == 200
            assert max(Image.open(io.BytesIO(answer.content)).size) <= max(size, 640)
    several = 'multipart/related; type="image/jpeg"'
    receiving = f"/archive/studies/{served.receiving.study_uid}"
    drawn = parts(served.get(f"{receiving}/thumbnail", Accept=several))
    assert [kind for kind, _ in drawn] == ["image/jpeg"] * 4
    assert len({content for _, content in drawn}) == 4


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        ("/rendered?viewport=nan,1", 400),
        ("/rendered?viewport=inf,1", 400),
        ("/rendered?window=1", 400),
        ("/bulkdata/..%2F..%2Fx", 400),
        ("/bulkdata/00100010/x/00100010", 400),
        ("/bulkdata/00100010", 404),
        ("/bulkdata/00089999", 404),
        ("/frames/1/rendered/x", 404),
    ],
)
def test_addresses_that_lead_nowhere(served: Served, tail: str, status: int) -> None:
    assert served.get(f"{path_of(served.urgent.written)}{tail}").status_code == status


@pytest.mark.parametrize("uid", ["x", "1.2.3%00", "1" * 65, "1.2;--", "..%2F1"])
def test_uids_that_are_none(served: Served, uid: str) -> None:
    for tail in ("", "/metadata", "/series", "/instances"):
        assert served.get(f"/archive/studies/{uid}{tail}").status_code in {400, 404}


def _written_as(image: pydicom.Dataset, syntax: UID) -> bytes:
    plain = pydicom.dcmread(io.BytesIO(part10_of(image)))
    if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        plain.compress(syntax, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian:
        plain.PixelData = np.frombuffer(plain.PixelData, "<u2").astype(">u2").tobytes()
    plain.file_meta.TransferSyntaxUID = syntax
    with io.BytesIO() as file:
        is_implicit = syntax == ImplicitVRLittleEndian
        is_little = syntax != ExplicitVRBigEndian
        pydicom.dcmwrite(
            file, plain, implicit_vr=is_implicit, little_endian=is_little, force_encoding=True
        )
        return file.getvalue()


def test_rendered_frames_follow_the_window(served: Served, client: DICOMwebClient) -> None:
    written = served.urgent.written
    image = pydicom.dcmread(written.files[5])
    uids = (written.study_uid, written.series_uid, image.SOPInstanceUID)
    jpeg = client.retrieve_instance_rendered(*uids, media_types=("image/jpeg",))
    assert Image.open(io.BytesIO(jpeg)).size == (96, 96)
    png = served.get(
        f"{path_of(written, 5)}/frames/1/rendered?window=-600,1500,linear", Accept="image/png"
    )
    grey = np.asarray(Image.open(io.BytesIO(png.content)), dtype=float)
    hu = image.pixel_array.astype(float) * float(image.RescaleSlope) + float(image.RescaleIntercept)
    expected = np.clip((hu + 1350) / 1500, 0, 1) * 255
    assert np.abs(grey - expected).max() <= 1
    small = served.get(f"{path_of(written, 5)}/thumbnail?viewport=40,40")
    assert Image.open(io.BytesIO(small.content)).size == (40, 40)


def test_malformed_windows_are_refused(served: Served) -> None:
    assert served.get(f"{path_of(served.urgent.written)}/rendered?window=x").status_code == 400


def test_a_frame_that_cannot_be_decoded_harms_nobody(stage: Stage, empty_url: str) -> None:
    broken = part10_of(slice_of(1, PixelData=b"too short"))
    keep(stage.archive, broken, Source(name="test"))
    keep(stage.archive, part10_of(slice_of(2)), Source(name="test"))
    place = f"{empty_url}/archive/studies/{ROOT}.1/series/{ROOT}.1.1"
    assert httpx.get(f"{place}/instances/{ROOT}.1.1.1/rendered", timeout=60).status_code == 422
    assert httpx.get(f"{place}/instances/{ROOT}.1.1.1/frames/1", timeout=60).status_code == 422
    assert httpx.get(f"{place}/instances/{ROOT}.1.1.2/rendered", timeout=60).status_code == 200
    assert len(httpx.get(f"{place}/metadata", timeout=60).json()) == 2


def test_damage_is_noticed(stage: Stage, empty_url: str) -> None:
    arrival = keep(stage.archive, part10_of(slice_of(1)), Source(name="test"))
    objects = stage.archive.objects
    for digest in objects.digests():
        objects.blobs.write(digest, objects.get(digest)[:-1] + b"!")
    place = f"{empty_url}/archive/studies/{arrival.study_uid}"
    answer = httpx.get(place)
    assert answer.status_code == 500
    assert "does not match its digest" in answer.json()["problem"]


@pytest.mark.parametrize("tail", ["", "/metadata", "/series/1.2.3", "/series/1.2.3/thumbnail"])
def test_what_is_not_there(served: Served, tail: str) -> None:
    answer = served.get(f"/archive/studies/1.2.3{tail}")
    assert answer.status_code == 404
    assert json.loads(answer.text)["hint"]


def test_real_files_are_answered_or_refused(stage: Stage, empty_url: str, test_data: Path) -> None:
    """Every file that the archive takes is described as JSON; only broken ones are refused."""
    for path in sorted((test_data / "dicom" / "pydicom").rglob("*")):
        if path.is_file():
            with contextlib.suppress(NotDicom):
                keep(stage.archive, path.read_bytes(), Source(name="test"))
    described, frames = collections.Counter[int](), collections.Counter[int]()
    with httpx.Client(timeout=60) as client:
        for model in client.get(f"{empty_url}/archive/instances").json():
            place = f"{empty_url}{model['00081190']['Value'][0]}"
            answer = client.get(f"{place}/metadata")
            described[answer.status_code] += 1
            if answer.status_code == 200:
                assert model["00080018"] == answer.json()[0]["00080018"]
            if "00280010" in model:
                frames[client.get(f"{place}/frames/1").status_code] += 1
    assert set(described) <= {200, 422}
    assert set(frames) <= {200, 422}
    assert described[422] <= 0.01 * described.total()
    # Three of the files have rows and columns and no pixels.
    assert frames[422] <= 3
