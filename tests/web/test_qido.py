import json

import httpx
import pydicom
import pytest
from dicomweb_client import DICOMwebClient

from sightline.archive.receiving import keep
from sightline.values.arrival import Source
from tests.catalogs import fill
from tests.instances import part10_of, slice_of
from tests.web.stage import Served, Stage

OHIF_FIELDS = "00081030,00080060,00080090,00100030"


def value(model: dict[str, dict[str, list[object]]], tag: str) -> object:
    return model[tag]["Value"][0]


def search(served: Served, query: str) -> list[dict[str, dict[str, list[object]]]]:
    answer = served.get(f"/archive/{query}", Accept="application/dicom+json")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, dict[str, list[object]]]] = answer.json()
    return found


def test_the_study_list_that_ohif_asks_for(served: Served) -> None:
    found = search(
        served,
        "studies?PatientName=*brook*&PatientID=*PHANTOM*&ModalitiesInStudy=CT%5CMR"
        "&StudyDate=20240101-20251231&limit=101&offset=0&fuzzymatching=false"
        f"&includefield={OHIF_FIELDS}",
    )
    names = sorted(value(each, "00100010")["Alphabetic"] for each in found)  # type: ignore[index]
    assert names == ["Emberbrook^Caspian", "Emberbrook^Dorimond"]
    predicted = next(each for each in found if value(each, "0020000D") == served.urgent.study_uid)
    assert predicted["00080061"]["Value"] == ["CT", "OT", "SEG", "SR"]
    assert value(predicted, "00201208") == 15
    assert value(predicted, "00081030") == "CT CHEST"
    assert {"00080090", "00200010"} <= set(predicted)


def test_the_series_that_ohif_asks_for(served: Served) -> None:
    uid = served.urgent.study_uid
    found = search(served, f"studies/{uid}/series?includefield=0008103E%2C00080021")
    assert [value(each, "00080060") for each in found] == ["CT", "SEG", "SR", "OT"]
    assert value(found[0], "00201209") == 12
    assert value(found[1], "0020000E") == served.urgent.seg.series_uid


@pytest.mark.parametrize("joined_by", [",", "%5C"])
def test_uid_lists(served: Served, joined_by: str) -> None:
    wanted = [served.urgent.study_uid, served.held.study_uid]
    found = search(served, f"studies?StudyInstanceUID={joined_by.join(wanted)}")
    assert {value(each, "0020000D") for each in found} == set(wanted)


def test_tags_and_keywords_mean_the_same(served: Served) -> None:
    by_keyword = search(served, "series?Modality=SEG&SeriesNumber=9001")
    assert len(by_keyword) == 3
    assert search(served, "series?00080060=SEG&00200011=9001") == by_keyword


def test_windows_and_the_warning_that_there_is_more(served: Served) -> None:
    everything = search(served, "studies")
    assert len(everything) == 5
    answer = served.get("/archive/studies?limit=3")
    assert answer.json() == everything[:3]
    assert "additional results" in answer.headers["warning"]
    rest = served.get("/archive/studies?limit=3&offset=3")
    assert rest.json() == everything[3:]
    assert "warning" not in rest.headers


def test_what_is_not_matched_on_is_said(served: Served) -> None:
    answer = served.get("/archive/studies?StationName=X%0d%0aSet-Cookie&Evil%0d%0aName=1")
    assert len(answer.json()) == 5
    assert "Not matched on: StationName, Evil??Name" in answer.headers["warning"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("PatientName=EMBERBROOK%5EC*", 1),
        ("PatientName=*%5Ecaspian", 2),
        ("PatientName=Emberbrook%5ECaspian", 1),
        ("PatientName=Emberbr%C3%B6ok*", 2),
        ("PatientName=Emberbrook", 0),
        ("PatientName=*", 5),
        ("PatientName=Emberbrook&fuzzymatching=true", 2),
        ("PatientName=cas%20ember&fuzzymatching=true", 1),
        ("PatientName=brook&fuzzymatching=true", 0),
        ("PatientName=100%25", 0),
        ("PatientName=_mberbrook*", 0),
        ("PatientName=?mberbrook*", 2),
        ("ModalitiesInStudy=SEG", 3),
        ("ModalitiesInStudy=SEG,CT", 5),
        ("ModalitiesInStudy=S", 0),
        ("TimezoneOffsetFromUTC=%2B0100", 5),
    ],
)
def test_what_matches(served: Served, query: str, count: int) -> None:
    assert len(search(served, f"studies?{query}")) == count


def test_fields_are_read_from_a_file_where_the_catalog_lacks_them(served: Served) -> None:
    place = f"studies/{served.receiving.study_uid}"
    (series,) = search(served, f"{place}/series?includefield=00080021,PixelSpacing&includefield=x")
    image = pydicom.dcmread(served.receiving.files[0], stop_before_pixels=True)
    assert value(series, "00080021") == image.SeriesDate
    assert series["00280030"]["Value"] == list(image.PixelSpacing)
    found = search(served, f"{place}/instances?includefield=ImagePositionPatient")
    assert len({str(each["00200032"]["Value"]) for each in found}) == 4
    (everything,) = search(served, f"studies?StudyInstanceUID={place[8:]}&includefield=all")
    assert value(everything, "00280030") == image.PixelSpacing[0]
    assert not {"0020000E", "00080018", "00080060", "7FE00010"} & set(everything)
    assert list(everything) == sorted(everything)
    warned = served.get("/archive/studies?includefield=NoSuchField").headers["warning"]
    assert "NoSuchField" in warned


def test_the_files_that_are_read_for_one_answer_are_bounded(stage: Stage, empty_url: str) -> None:
    fill(stage.archive.database, studies=201)
    for count, is_warned in ((200, False), (201, True)):
        query = f"includefield=PixelSpacing&offset={201 - count}"
        answer = httpx.get(f"{empty_url}/archive/studies?{query}", timeout=60)
        assert len(answer.json()) == count
        assert ("are read from files" in answer.headers.get("warning", "")) == is_warned


def test_a_file_that_is_gone_hides_nothing(stage: Stage, empty_url: str) -> None:
    keep(stage.archive, part10_of(slice_of(1)), Source(name="test"))
    for digest in stage.archive.objects.digests():
        assert stage.archive.objects.remove(digest, older_than_s=-60.0)
    answer = httpx.get(f"{empty_url}/archive/studies?includefield=all")
    assert [value(each, "00100020") for each in answer.json()] == ["PHANTOM-1"]


@pytest.mark.parametrize(
    "query",
    [
        "StudyDate=soon",
        "limit=many",
        "StudyInstanceUID=..%2Fx",
        "SeriesNumber=1.5",
        "fuzzymatching=perhaps",
    ],
)
def test_malformed_values_are_refused_with_a_hint(served: Served, query: str) -> None:
    answer = served.get(f"/archive/studies?{query}")
    assert answer.status_code == 400
    assert answer.json()["hint"].startswith("Give")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/dicom+json", 200),
        ("application/json", 200),
        ('multipart/related; type="application/dicom+xml", application/dicom+json', 200),
        ("text/html, application/xhtml+xml, */*;q=0.8", 200),
        ('multipart/related; type="application/dicom+xml"', 406),
        ("application/json;q=0", 406),
    ],
)
def test_accept_lists_are_chosen_from(served: Served, accept: str, status: int) -> None:
    assert served.get("/archive/studies", Accept=accept).status_code == status


def test_dicomweb_client_searches_at_every_level(served: Served) -> None:
    client = DICOMwebClient(f"{served.url}/archive")
    filters = {"PatientID": "PHANTOM-000002"}
    (study,) = client.search_for_studies(search_filters=filters, fields=["StudyDescription"])
    assert value(study, "0020000D") == served.urgent.study_uid
    assert len(client.search_for_studies(limit=2, get_remaining=True)) == 5
    assert len(client.search_for_series(served.urgent.study_uid)) == 4
    assert len(client.search_for_series(search_filters={"Modality": "SR"})) == 3
    series_uid = served.urgent.written.series_uid
    images = client.search_for_instances(served.urgent.study_uid, series_uid)
    assert [value(each, "00200013") for each in images] == list(range(1, 13))
    assert {value(each, "00280010") for each in images} == {96}
    assert len(client.search_for_instances(search_filters={"Modality": "SEG"})) == 3


def test_answers_are_json_whatever_the_values(served: Served) -> None:
    text = served.get("/archive/instances").text
    for model in json.loads(text):
        assert all(set(each) <= {"vr", "Value"} for each in model.values())
