"""Every verb of dicomweb-client that searches, retrieves or stores."""

import io
from collections.abc import Callable

import numpy as np
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image

from tests.instances import SERIES, STUDY, part10_of, slice_of, uid

COUNT = 3
ONE = (STUDY, SERIES, uid(2))
BULK = f"/archive/studies/{STUDY}/series/{SERIES}/instances/{uid(2)}/bulkdata/7FE00010"
NO_VERBS = {"lookup_keyword", "lookup_tag", "set_chunk_size", "set_http_retry_params"}
# The archive loses nothing: there is no deleting by DICOMweb.
NOT_OFFERED = {"delete_instance", "delete_series", "delete_study"}


def sent() -> list[pydicom.Dataset]:
    files = [part10_of(slice_of(number)) for number in range(1, COUNT + 1)]
    return [pydicom.dcmread(io.BytesIO(each)) for each in files]


@pytest.fixture
def client(empty_url: str) -> DICOMwebClient:
    return DICOMwebClient(f"{empty_url}/archive")


def is_picture(content: bytes) -> bool:
    return Image.open(io.BytesIO(content)).size == (16, 16)


def is_stored(answer: pydicom.Dataset) -> bool:
    return len(answer.ReferencedSOPSequence) == COUNT and "FailedSOPSequence" not in answer


PIXELS = sent()[1].PixelData
Verb = Callable[[DICOMwebClient], bool]
VERBS: dict[str, Verb] = {
    "store_instances": lambda c: is_stored(c.store_instances(sent(), study_instance_uid=STUDY)),
    "search_for_studies": lambda c: len(c.search_for_studies(limit=1, get_remaining=True)) == 1,
    "search_for_series": lambda c: len(c.search_for_series(STUDY, fields=["SeriesDate"])) == 1,
    "search_for_instances": lambda c: len(c.search_for_instances(STUDY, SERIES)) == COUNT,
    "retrieve_study": lambda c: c.retrieve_study(STUDY) == sent(),
    "iter_study": lambda c: list(c.iter_study(STUDY)) == sent(),
    "retrieve_study_metadata": lambda c: len(c.retrieve_study_metadata(STUDY)) == COUNT,
    "retrieve_series": lambda c: c.retrieve_series(STUDY, SERIES) == sent(),
    "iter_series": lambda c: list(c.iter_series(STUDY, SERIES)) == sent(),
    "retrieve_series_metadata": lambda c: len(c.retrieve_series_metadata(STUDY, SERIES)) == COUNT,
    "retrieve_series_rendered": lambda c: is_picture(c.retrieve_series_rendered(STUDY, SERIES)),
    "retrieve_instance": lambda c: c.retrieve_instance(*ONE) == sent()[1],
    "retrieve_instance_metadata": lambda c: (
        c.retrieve_instance_metadata(*ONE)["00080018"]["Value"] == [uid(2)]
    ),
    "retrieve_instance_rendered": lambda c: is_picture(
        c.retrieve_instance_rendered(*ONE, media_types=("image/png",))
    ),
    "retrieve_instance_frames": lambda c: c.retrieve_instance_frames(*ONE, [1]) == [PIXELS],
    "iter_instance_frames": lambda c: list(c.iter_instance_frames(*ONE, [1])) == [PIXELS],
    "retrieve_instance_frames_rendered": lambda c: is_picture(
        c.retrieve_instance_frames_rendered(*ONE, [1], media_types=("image/jpeg",))
    ),
    "retrieve_bulkdata": lambda c: c.retrieve_bulkdata(_at(c, BULK)) == [PIXELS],
    "iter_bulkdata": lambda c: list(c.iter_bulkdata(_at(c, BULK))) == [PIXELS],
}


def _at(client: DICOMwebClient, path: str) -> str:
    return str(client.base_url).removesuffix("/archive") + path


def test_no_verb_is_left_out() -> None:
    public = {
        name
        for name in dir(DICOMwebClient)
        if not name.startswith("_") and callable(getattr(DICOMwebClient, name))
    }
    assert public - NO_VERBS - NOT_OFFERED == set(VERBS)


def test_every_verb(client: DICOMwebClient) -> None:
    client.store_instances(sent())
    assert {name: done(client) for name, done in VERBS.items()} == dict.fromkeys(VERBS, True)


def test_transfer_syntaxes_that_the_client_may_ask_for(client: DICOMwebClient) -> None:
    client.store_instances(sent())
    for syntax in ("1.2.840.10008.1.2.1", "*"):
        media_types = (("application/dicom", syntax),)
        got = client.retrieve_instance(*ONE, media_types=media_types)
        assert np.array_equal(got.pixel_array, sent()[1].pixel_array)
