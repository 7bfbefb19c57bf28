import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from sightline.formats.dicom_elements import without_pixels
from sightline.settings import Settings
from sightline.web.retrieval import Retrieval
from sightline.web.server import serve_web
from sightline.web.site import Site, load_templates
from sightline.web.viewer import VIEWER_FOLDER, has_viewer, viewer_router
from tests.counterparties import wait_until
from tests.web.stage import Served, Stage

FETCH = Path(__file__).parents[2] / "tools" / "fetch_ohif.py"
needs_viewer = pytest.mark.skipif(
    not has_viewer(), reason="the OHIF viewer was not fetched: python3 tools/fetch_ohif.py"
)


@needs_viewer
def test_every_route_of_the_viewer_is_its_page(served: Served) -> None:
    pages = [served.get(f"/viewer{path}") for path in ("", "/", "/viewer?StudyInstanceUIDs=1.2")]
    for page in pages:
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["cross-origin-embedder-policy"] == "require-corp"
        assert page.headers["cross-origin-opener-policy"] == "same-origin"
        assert 'src="/viewer/app-config.js"' in page.text
    assert len({page.text for page in pages}) == 1


@needs_viewer
def test_the_files_of_the_viewer(served: Served) -> None:
    wasm = next(VIEWER_FOLDER.glob("*.wasm"))
    answer = served.get(f"/viewer/{wasm.name}")
    assert answer.headers["content-type"] == "application/wasm"
    assert answer.content == wasm.read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    part = served.get(f"/viewer/{wasm.name}", Range="bytes=4-7")
    assert (part.status_code, part.content) == (206, wasm.read_bytes()[4:8])
    config = served.get("/viewer/app-config.js")
    assert 'wadoRoot: "/archive"' in config.text
    assert config.headers["cache-control"] == "no-cache"
    tag = config.headers["etag"]
    again = served.get("/viewer/app-config.js", **{"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


@needs_viewer
@pytest.mark.parametrize("path", ["..%2fapp.py", "%2e%2e/app.py", "../app.py", "/etc/passwd"])
def test_nothing_outside_the_viewer_is_served(served: Served, path: str) -> None:
    answer = served.get(f"/viewer/{path}")
    assert "create_app" not in answer.text
    assert "root:" not in answer.text


def test_without_the_viewer_a_page_says_how_to_get_it(stage: Stage) -> None:
    settings = Settings.load(data_dir=stage.folder, web_port=0)
    site = Site(
        settings=settings,
        archive=stage.archive,
        hub=stage.hub,
        has_viewer=False,
        templates=load_templates(),
    )
    app = FastAPI()
    app.include_router(viewer_router(site, Retrieval(stage.archive, "/archive")))
    server = serve_web(settings, app)
    answer = httpx.get(f"{server.url}/viewer/viewer?StudyInstanceUIDs=1.2")
    server.stop()
    assert answer.status_code == 404
    assert "python3 tools/fetch_ohif.py" in answer.text


def test_another_package_is_refused(tmp_path: Path) -> None:
    before = sorted(path.name for path in VIEWER_FOLDER.parent.iterdir())
    other = tmp_path / "other.tgz"
    other.write_bytes(b"not the viewer")
    done = subprocess.run(
        [sys.executable, str(FETCH), "--tarball", str(other)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "is not @ohif/app@3.13.2" in done.stderr
    assert sorted(path.name for path in VIEWER_FOLDER.parent.iterdir()) == before


@pytest.mark.skipif(not has_viewer(), reason="the OHIF viewer was not fetched")
def test_opening_a_study_makes_its_metadata_ready(
    stage: Stage, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = stage.receive(1)
    described: list[bytes] = []

    def noting(content: bytes) -> bytes:
        described.append(content)
        return without_pixels(content)

    monkeypatch.setattr("sightline.web.retrieval.without_pixels", noting)
    for _ in range(2):
        httpx.get(f"{empty_url}/viewer/viewer?StudyInstanceUIDs={written.study_uid}")
        httpx.get(f"{empty_url}/viewer/viewer?StudyInstanceUIDs=..%2F1.2.3")
        wait_until(lambda: len(described) == 12)
    answer = httpx.get(f"{empty_url}/archive/studies/{written.study_uid}/metadata")
    assert len(answer.json()) == 12
    assert len(described) == len(set(described)) == 12
