"""What a person sees, in a real Chromium; the pictures lie in `.artifacts/`."""

import dataclasses
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from sightline.archive.receiving import keep
from sightline.archive.results import prediction
from sightline.phantoms.chest import chest_ct
from sightline.phantoms.people import visit
from sightline.phantoms.series import write_series
from sightline.values.arrival import Source
from sightline.values.geometry import Geometry
from sightline.web.viewer import has_viewer
from tests.instances import ROOT, STUDY, part10_of, slice_of
from tests.source_kinds import KINDS, add_drawing_of_any, publish_on, receive
from tests.web.stage import Served, Stage, finding_of
from tests.web.test_alert_pages import alert
from tests.web.test_quarantine_pages import fill

ARTIFACTS = Path(__file__).parents[2] / ".artifacts"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWER_TIMEOUT_MS = 60_000


@dataclasses.dataclass(frozen=True)
class Watched:
    """A page, what its console said was wrong, and where it asked besides us."""

    page: Page
    errors: list[str]
    requests: list[str]

    def open(self, url: str) -> None:
        self.page.goto(url, wait_until="load")

    def picture(self, name: str) -> Path:
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def outside(self, url: str) -> list[str]:
        return [each for each in self.requests if not each.startswith((url, "blob:", "data:"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium (Debian chromium) is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    made = Watched(page, [], [])

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            made.errors.append(message.text)

    def on_request(request: Request) -> None:
        made.requests.append(request.url)

    page.on("console", on_console)
    page.on("pageerror", lambda error: made.errors.append(str(error)))
    page.on("request", on_request)
    yield made
    page.close()


def test_the_road_from_the_worklist_to_the_trace(served: Served, watched: Watched) -> None:
    page = watched.page
    watched.open(f"{served.url}/")
    expect(page).to_have_title("(1 urgent) Worklist · Sightline")
    first = page.locator("tbody tr").first
    expect(first.locator(".badge")).to_have_text("urgent")
    red, green, _ = background_of(first.locator(".badge").evaluate(STYLE))
    assert red > 2 * green - 60
    watched.picture("worklist")
    # A click anywhere in the row opens the study.
    first.click(position={"x": 300, "y": 20})
    expect(page.locator("h1")).to_have_text("Emberbrook, Caspian")
    picture = page.locator(".result img")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    watched.picture("study")
    page.get_by_role("link", name="Trace").click()
    expect(page.locator("svg .box.subject").first).to_be_visible()
    expect(page.get_by_text("12 subjects in covid@3")).to_be_visible()
    watched.picture("trace")
    page.locator("svg a", has_text="12 subjects").click()
    expect(page.locator("#subject details").first).to_be_in_viewport()
    page.get_by_role("link", name="Models").click()
    expect(page.locator("h2")).to_contain_text("covid-chest@1")
    watched.picture("models")
    page.get_by_role("link", name="Model card").first.click()
    # Its style is let through by its digest, everything else is refused.
    red, green, blue = background_of(page.locator(".banner").evaluate(STYLE))
    assert (red, green, blue) == (255, 243, 214)
    expect(page.locator("svg .point.marked").first).to_be_visible()
    watched.picture("card")
    assert watched.errors == []
    assert watched.outside(served.url) == []


STYLE = "element => getComputedStyle(element).backgroundColor"


def background_of(style: str) -> list[int]:
    return [int(part) for part in style.removeprefix("rgb(").removesuffix(")").split(",")]


def test_the_worklist_keeps_itself_current(stage: Stage, empty_url: str, watched: Watched) -> None:
    page = watched.page
    watched.open(f"{empty_url}/")
    expect(page.get_by_text("No studies yet")).to_be_visible()
    watched.picture("empty")
    written = stage.receive(6, slices=4)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(".state")).to_have_text("receiving")
    stage.complete()
    expect(page.locator(".state")).to_have_text("complete")
    stage.teach()
    stage.predict(6, written, finding_of(2, "consolidation 42.1 ml"))
    expect(page.locator(".badge")).to_have_text("urgent")
    expect(page).to_have_title("(1 urgent) Worklist · Sightline")
    page.locator("tbody a").first.focus()
    stage.receive(7, slices=2)
    expect(page.locator("tbody tr")).to_have_count(2)
    assert page.evaluate("document.activeElement.className") == "row-link"
    assert watched.errors == []


def test_typing_filters_at_once_and_survives_the_refresh(served: Served, watched: Watched) -> None:
    page = watched.page
    watched.open(f"{served.url}/")
    page.keyboard.press("/")
    page.keyboard.type("emberbrook")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.wait_for_timeout(2500)
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("#q")).to_be_focused()
    assert page.url.endswith("/?q=emberbrook&days=7")
    assert watched.errors == []


def test_a_lost_connection_is_shown(served: Served, watched: Watched) -> None:
    page = watched.page
    watched.open(f"{served.url}/")
    expect(page.locator("#stale")).to_be_hidden()
    page.context.set_offline(offline=True)
    expect(page.locator("#stale")).to_be_visible()
    page.context.set_offline(offline=False)
    expect(page.locator("#stale")).to_be_hidden()


def test_quarantine_shows_what_is_held_and_why(
    stage: Stage, empty_url: str, watched: Watched
) -> None:
    fill(stage)
    page = watched.page
    watched.open(f"{empty_url}/")
    page.get_by_role("link", name="Quarantine").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    watched.picture("quarantine")
    page.locator("#reason").select_option("burned_in_text_declared")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody tr").first.click(position={"x": 600, "y": 20})
    expect(page.locator("h1")).to_have_text("burned in text declared")
    expect(page.locator(".result img")).to_have_js_property("complete", value=True, timeout=60_000)
    assert page.locator(".result img").evaluate("image => image.naturalWidth > 0")
    expect(page.get_by_text("quarantine release")).to_be_visible()
    watched.picture("held")
    assert watched.errors == []
    assert watched.outside(empty_url) == []


def test_the_door_shows_both_sides(stage: Stage, empty_url: str, watched: Watched) -> None:
    image = slice_of(1, size=128, Occupation="KANARI", PatientName="Amberbrook^Odalind")
    keep(stage.archive, part10_of(image), Source(name="test"))
    page = watched.page
    watched.open(f"{empty_url}/studies/{STUDY}")
    page.get_by_role("link", name="What leaves of it").click()
    expect(page.locator(".sides img")).to_have_count(2)
    for side in (0, 1):
        shown = page.locator(".sides img").nth(side)
        expect(shown).to_have_js_property("complete", value=True, timeout=60_000)
        assert shown.evaluate("image => image.naturalWidth > 0")
    expect(page.get_by_text("Occupation")).to_be_visible()
    expect(page.locator("summary", has_text="kept")).to_be_visible()
    watched.picture("door")
    assert watched.errors == []
    assert watched.outside(empty_url) == []


def test_a_time_critical_finding_is_seen_everywhere_and_acknowledged(
    stage: Stage, empty_url: str, watched: Watched
) -> None:
    page = watched.page
    page.context.grant_permissions(["notifications"], origin=empty_url)
    page.add_init_script(
        """window.told = [];
        window.Notification = class {
          static permission = "granted";
          constructor(title, given) { window.told.push(given.body); }
        };"""
    )
    watched.open(f"{empty_url}/models")
    expect(page.locator(".alert-bar")).to_have_count(0)
    alert(stage)
    expect(page.locator(".alert-bar")).to_have_text(
        "1 time-critical finding to acknowledge", timeout=10_000
    )
    assert page.evaluate("window.told") == ["1 time-critical finding to acknowledge"]
    page.locator(".alert-bar a").click()
    page.get_by_label("Your name").fill("Dr A")
    page.get_by_label("What was done").fill("called the ward")
    # The list keeps itself current, and lets a person type.
    page.wait_for_timeout(4000)
    expect(page.get_by_label("What was done")).to_have_value("called the ward")
    watched.picture("alerts")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Nothing waits to be acknowledged")).to_be_visible()
    expect(page.locator(".alert-bar")).to_have_count(0)
    expect(page.get_by_text("called the ward")).to_be_visible()
    assert watched.errors == []
    assert watched.outside(empty_url) == []


HOSTILE = (
    "<script>window.hacked=1</script>",
    "<img src=x onerror='window.hacked=2'>",
    '"><svg onload="window.hacked=3">',
    "' onmouseover='window.hacked=4' x='",
    "{{7*7}}<b onclick=window.hacked=5>",
    "javascript:window.hacked=6",
)


def test_stored_html_never_runs(stage: Stage, empty_url: str, watched: Watched) -> None:
    stage.teach()
    for number, hostile in enumerate(HOSTILE):
        image = slice_of(
            1,
            PatientName=hostile[:60],
            PatientID=hostile[:60],
            AccessionNumber=hostile[:15],
            StudyDescription=hostile[:60],
            SeriesDescription=hostile[:60],
            Manufacturer=hostile[:60],
            StudyInstanceUID=f"{ROOT}.{number}",
            SeriesInstanceUID=f"{ROOT}.{number}.1",
            SOPInstanceUID=f"{ROOT}.{number}.1.1",
        )
        keep(stage.archive, part10_of(image), Source(name="test"))
    written = stage.receive(8, slices=4)
    stage.predict(8, written, finding_of(2, HOSTILE[0]))
    pages = ["/", f"/studies/{written.study_uid}", f"/?q={HOSTILE[1]}", f"/trace/{HOSTILE[2]}"]
    pages += [f"/studies/{ROOT}.{number}" for number in range(len(HOSTILE))]
    for path in pages:
        watched.open(f"{empty_url}{path}")
        watched.page.mouse.move(400, 300)
        watched.page.wait_for_timeout(50)
        assert watched.page.evaluate("window.hacked") is None, path
        assert watched.page.locator("main script, main [onerror], main [onload]").count() == 0
    watched.open(f"{empty_url}/")
    watched.page.wait_for_timeout(2500)
    assert watched.page.evaluate("window.hacked") is None
    assert watched.page.get_by_text(HOSTILE[0]).count() > 0
    assert watched.outside(empty_url) == []


@pytest.mark.skipif(
    not has_viewer(), reason="the OHIF viewer was not fetched: python3 tools/fetch_ohif.py"
)
def test_the_viewer_shows_the_segmentation(served: Served, watched: Watched) -> None:
    page = watched.page
    watched.open(f"{served.url}/studies/{served.urgent.study_uid}")
    page.get_by_role("link", name="Open in viewer").click()
    mark = page.get_by_role("link", name="Sightline Research use only")
    expect(mark).to_be_visible(timeout=VIEWER_TIMEOUT_MS)
    expect(page.get_by_text("ground_glass")).to_be_visible(timeout=VIEWER_TIMEOUT_MS)
    expect(page.get_by_text("consolidation", exact=True)).to_be_visible()
    page.wait_for_function("crossOriginIsolated")
    page.wait_for_timeout(1500)
    pixels = np.asarray(Image.open(watched.picture("viewer")).convert("RGB"), dtype=int)
    image = pixels[60:860, 320:1140]
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    # The first class is drawn in orange, over a grey image.
    orange = (red > 180) & (green > 100) & (green < 200) & (blue < 110)
    grey = (abs(red - green) < 8) & (abs(green - blue) < 8) & (red > 40)
    assert orange.sum() > 100
    assert grey.mean() > 0.3
    page.locator('[data-cy="Layout"]').click()
    page.get_by_text("MPR", exact=True).click()
    expect(page.locator('[data-cy="viewport-pane"]')).to_have_count(3, timeout=VIEWER_TIMEOUT_MS)
    page.wait_for_timeout(3000)
    watched.picture("viewer-mpr")
    assert watched.errors == []
    assert watched.outside(served.url) == []


@pytest.mark.skipif(
    not has_viewer(), reason="the OHIF viewer was not fetched: python3 tools/fetch_ohif.py"
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_viewer_shows_results_on_every_kind_of_series(
    stage: Stage, empty_url: str, watched: Watched, kind: str
) -> None:
    written = KINDS[kind](stage.folder / "source")
    receive(stage.archive, written)
    record = add_drawing_of_any(stage.hub, stage.folder)
    name = publish_on(stage.archive, stage.hub, record, written)
    page = watched.page
    watched.open(f"{empty_url}/studies/{written.study_uid}")
    page.get_by_role("link", name="Open in viewer").click()
    finding = prediction(stage.archive, name).finding
    assert finding is not None
    drawn = [each.class_name for each in finding.measurements if each.components]
    assert drawn
    for class_name in drawn:
        label = page.get_by_text(class_name, exact=True)
        expect(label).to_be_visible(timeout=VIEWER_TIMEOUT_MS)
    # What is no image lies in the list of series.
    for described in ("SEG", "SR", "SC"):
        series = page.get_by_text(f"RESEARCH USE ONLY {record.label} {described}").first
        expect(series).to_be_visible(timeout=VIEWER_TIMEOUT_MS)
    page.wait_for_timeout(1500)
    pixels = np.asarray(Image.open(watched.picture(f"viewer-{kind}")).convert("RGB"), dtype=int)
    image = pixels[60:860, 320:1140]
    colourful = image.max(axis=2) - image.min(axis=2) > 40
    grey = (image.max(axis=2) - image.min(axis=2) < 8) & (image[..., 0] > 40)
    assert colourful.sum() > 100
    assert grey.sum() > 1000
    assert watched.errors == []
    assert watched.outside(empty_url) == []


@pytest.mark.gate
@pytest.mark.skipif(
    not has_viewer(), reason="the OHIF viewer was not fetched: python3 tools/fetch_ohif.py"
)
def test_the_first_of_300_slices_is_seen_within_5_seconds(
    stage: Stage, empty_url: str, watched: Watched
) -> None:
    page = watched.page
    phantom = chest_ct(2, shape=(300, 128, 128)).volume
    wide = dataclasses.replace(
        phantom,
        voxels=phantom.voxels.repeat(4, axis=1).repeat(4, axis=2),
        geometry=Geometry.from_affine(
            (300, 512, 512), phantom.geometry.matrix @ np.diag([1, 0.25, 0.25, 1])
        ),
    )
    written = write_series(wide, stage.folder / "wide", visit=visit(2))
    for path in written.files:
        keep(stage.archive, path.read_bytes(), Source(name="test"))
    began = time.monotonic()
    watched.open(f"{empty_url}/viewer/viewer?StudyInstanceUIDs={written.study_uid}")
    page.wait_for_function(IS_LIT, timeout=VIEWER_TIMEOUT_MS)
    seconds = time.monotonic() - began
    watched.picture("viewer-300")
    assert watched.errors == []
    assert seconds < 5


IS_LIT = """() => {
  const shown = [...document.querySelectorAll("canvas")].find((each) => each.width > 300);
  if (!shown) return false;
  const small = new OffscreenCanvas(64, 64).getContext("2d");
  small.drawImage(shown, 0, 0, 64, 64);
  return small.getImageData(0, 0, 64, 64).data.filter((value) => value > 60).length > 6000;
}"""
