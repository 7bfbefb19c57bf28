import dataclasses
import html
import re

import httpx
import pytest

from sightline.archive.receiving import keep
from sightline.hub.models import add_model, enter_foreign_run
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import LineageId
from sightline.values.model import RunRecord
from sightline.values.package import InstalledPackage
from sightline.web.app import create_app
from sightline.web.server import serve_web
from tests.instances import part10_of, slice_of
from tests.packages import DESCRIBED
from tests.web.stage import SUBJECTS, Served, Stage

PAGES = ("/", "/models", "/trace/covid@3", "/trace/nothing", "/nothing")


def text_of(answer: httpx.Response) -> str:
    """Return the words of a page, without its elements."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def test_the_worklist_tells_what_a_radiologist_asks(served: Served) -> None:
    answer = served.get("/")
    assert answer.status_code == 200
    rows = answer.text.split("<tr")[2:]
    words = [re.sub(r"<[^>]+>|\s+", " ", row) for row in rows]
    for row, expected in zip(
        words,
        (
            ("urgent", "consolidation 42.1 ml, 41 mm", "Emberbrook, Caspian", "predicted"),
            ("soon", "ground glass 84.3 ml", "Dapplehaven, Florimel", "predicted"),
            ("routine", "nothing found", "Birchdale, Caspian", "predicted"),
            ("not assessed", "Emberbrook, Dorimond", "held"),
            ("not assessed", "Harbourwick, Peregrina", "receiving"),
        ),
        strict=True,
    ):
        assert all(each in row for each in expected), (row, expected)
    assert "CT · 12 images" in words[0]
    assert "Research use only." in answer.text


def test_the_filter_narrows_the_list(served: Served) -> None:
    assert text_of(served.get("/?q=GROUND+glass")).count("PHANTOM-") == 1
    assert "No study matches" in text_of(served.get("/?q=nobody"))
    assert served.get("/?days=0").status_code == 400
    assert "PHANTOM-" in text_of(served.get("/?q=&days=1"))


def test_an_empty_list_tells_how_to_send(empty_url: str) -> None:
    words = text_of(httpx.get(empty_url))
    assert "AE title SIGHTLINE" in words
    assert "storescu -aec SIGHTLINE +sd +r 127.0.0.1 11112 FOLDER" in words


def test_the_study_page_tells_all_of_a_study(served: Served) -> None:
    answer = served.get(f"/studies/{served.urgent.study_uid}")
    words = text_of(answer)
    for expected in (
        "Emberbrook, Caspian",
        "PHANTOM-000002 · male · 47 y",
        "consolidation 42.1 ml, 41 mm",
        "ground glass 84.3 ml 41 mm 3",
        "covid-chest@1",
        "12 instances; senders gone",
        "waiting PACS@127.0.0.1:11113",
        "Segmentation",
    ):
        assert expected in words, expected
    assert f'href="/trace/{served.urgent.seg.lineage_id}"' in answer.text
    assert f"initialSeriesInstanceUID={served.urgent.seg.series_uid}" in answer.text


def test_the_worklist_opens_the_viewer_on_what_was_drawn(served: Served) -> None:
    answer = served.get(f"/studies/{served.urgent.study_uid}/viewer")
    assert answer.status_code == 307
    assert answer.headers["location"] == (
        f"/viewer/viewer?StudyInstanceUIDs={served.urgent.study_uid}"
        f"&initialSeriesInstanceUID={served.urgent.seg.series_uid}"
    )
    plain = served.get(f"/studies/{served.held.study_uid}/viewer").headers["location"]
    assert plain == f"/viewer/viewer?StudyInstanceUIDs={served.held.study_uid}"


def test_the_study_page_tells_of_quarantine_and_of_arrival(served: Served) -> None:
    held = text_of(served.get(f"/studies/{served.held.study_uid}"))
    assert "burned in text likely" in held
    receiving = text_of(served.get(f"/studies/{served.receiving.study_uid}"))
    assert "Images are still coming in" in receiving


def test_only_pictures_of_predictions_are_shown(served: Served) -> None:
    digest = served.urgent.prediction.picture_digest
    answer = served.get(f"/pictures/{digest}")
    assert answer.content == served.urgent.picture
    assert answer.headers["content-type"] == "image/png"
    image = next(iter(served.stage.archive.objects.digests()))
    assert image != digest
    assert served.get(f"/pictures/{image}").status_code == 404
    assert served.get("/pictures/..%2f..%2fcatalog.db").status_code == 404


def test_the_trace_goes_up_to_the_subjects(served: Served) -> None:
    words = text_of(served.get(f"/trace/{served.urgent.seg.instance_uid}"))
    assert f"Learned from {SUBJECTS} subjects in covid@3" in words
    for kind in ("prediction", "model", "run", "recipe", "code", "environment", "collection"):
        assert kind in words
    assert f"{SUBJECTS} annotations" in words
    assert "classes: [ground_glass]" in words


def test_the_trace_goes_down_from_a_collection(served: Served) -> None:
    words = text_of(served.get("/trace/covid@3?direction=down"))
    assert "What came from this" in words
    assert "9 results" in words
    assert "Learned from" not in words


def test_the_models_page_tells_figures_with_intervals(served: Served) -> None:
    words = text_of(served.get("/models"))
    assert "live covid-chest@1" in words
    assert "0.874 0.841\N{EN DASH}0.902" in words
    assert "by Dr Probe: reached its gate" in words
    assert "Gate, as it was passed" in words
    assert "dice at least 0.8000 0.8740 met" in words


def test_a_model_has_a_card_with_its_own_strict_policy(served: Served) -> None:
    assert 'href="/models/covid-chest@1/card"' in served.get("/models").text
    answer = served.get("/models/covid-chest@1/card")
    assert answer.status_code == 200
    words = text_of(answer)
    for expected in (
        "Research use only. Not for diagnosis or treatment.",
        "Dice on 8 subjects it never saw 0.874 95 % interval 0.841 to 0.902",
        "live",
        "by Dr Probe: reached its gate",
    ):
        assert expected in words, expected
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
    assert "script-src" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert served.get("/models/nothing/card").status_code == 404


def test_no_models_yet(empty_url: str) -> None:
    assert "sightline train" in text_of(httpx.get(f"{empty_url}/models"))


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_nothing_from_outside(served: Served, path: str) -> None:
    answer = served.get(path)
    assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)
    assert "<script>" not in answer.text
    assert " style=" not in answer.text


@pytest.mark.parametrize("path", [*PAGES, "/static/live.js", "/api/health", "/archive/studies"])
def test_answers_carry_the_security_headers(served: Served, path: str) -> None:
    headers = served.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8042", 421),
        ("localhost:1", 200),
        ("[::1]:8042", 200),
        ("LOCALHOST", 200),
    ],
)
def test_a_loopback_server_answers_to_loopback_names_only(
    served: Served, host: str, status: int
) -> None:
    """A page whose own name was pointed here must not read patients (DNS rebinding)."""
    answer = served.get("/api/worklist", Host=host)
    assert answer.status_code == status
    assert ("PHANTOM" in answer.text) == (status == 200)


def test_a_server_for_others_answers_to_any_name(stage: Stage) -> None:
    settings = Settings.load(data_dir=stage.folder, web_port=0, host="0.0.0.0")  # noqa: S104 - under test
    server = serve_web(settings, create_app(settings, stage.archive, stage.hub))
    port = server.url.rpartition(":")[2]
    answer = httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "pacs.hospital.example"})
    server.stop()
    assert answer.status_code == 200


def test_stored_html_is_shown_as_text(stage: Stage, empty_url: str) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    image = slice_of(
        1, PatientName=hostile, StudyDescription=f'"{hostile}', SeriesDescription=hostile
    )
    arrival = keep(stage.archive, part10_of(image), Source(name="test"))
    for path in ("/", f"/studies/{arrival.study_uid}", f"/trace/{hostile}", f"/?q={hostile}"):
        answer = httpx.get(f"{empty_url}{path}")
        assert hostile not in answer.text
        assert "alert(1)" in answer.text


def test_the_models_page_shows_what_a_package_says_escaped(stage: Stage, empty_url: str) -> None:
    harm = "<script>alert(1)</script>"
    described = dataclasses.replace(DESCRIBED, limits=harm, intended_use=f"{harm} blobs")
    package = InstalledPackage(digest="d1", key="", weights="safetensors", described=described)
    record = RunRecord(
        lineage_id=LineageId("run-1"),
        recipe="",
        collection="",
        state="finished",
        record={"elsewhere": {"package": package.to_json()}},
        created_at="2026-01-02T03:04:05+00:00",
    )
    enter_foreign_run(stage.hub, record, facts={}, package=package)
    add_model(stage.hub, "blobs", run_id=record.lineage_id, weights=b"w", manifest={"recipe": ""})
    answer = httpx.get(f"{empty_url}/models")
    assert harm not in answer.text
    words = text_of(answer)
    assert f"Intended use {harm} blobs" in words
    assert f"Limits {harm}" in words
    assert "Nobody signed the package" in words
    assert "Research use only" in words
    assert harm in text_of(httpx.get(f"{empty_url}/trace/blobs@1"))
