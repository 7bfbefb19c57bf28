"""The pages of quarantine over a real server."""

import httpx

from sightline.archive.quarantine import holdings
from sightline.archive.receiving import keep
from sightline.archive.studies import record_door, study
from sightline.deid.hub_door import HubDoor
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.values.identity import StudyUid
from tests.instances import STUDY, part10_of, slice_of, uid
from tests.web.stage import Stage
from tests.web.test_pages import text_of


def fill(stage: Stage) -> None:
    """Two slices that the door holds, and a conflict."""
    for number in (1, 2):
        image = slice_of(number, size=64, BurnedInAnnotation="YES")
        keep(stage.archive, part10_of(image), Source(name="test"))
    keep(stage.archive, part10_of(slice_of(1, size=32)), Source(name="test"))
    found = study(stage.archive, StudyUid(STUDY))
    settings = Settings.load(data_dir=stage.folder.parent)
    passage = HubDoor.open(settings).pass_study(found)
    record_door(stage.archive, found, state="held", held=passage.held)


def test_the_list_groups_series_and_filters(stage: Stage, empty_url: str) -> None:
    assert "Nothing is held" in httpx.get(f"{empty_url}/quarantine").text
    fill(stage)
    words = text_of(httpx.get(f"{empty_url}/quarantine"))
    assert "3 instances held" in words
    assert "burned in text declared" in words
    assert "other content same uid" in words
    only = text_of(httpx.get(f"{empty_url}/quarantine?reason=other_content_same_uid"))
    assert "1 instance held" in only
    assert "0 instances held" in text_of(httpx.get(f"{empty_url}/quarantine?study=1.2.3.4"))


def test_one_instance_with_its_picture(stage: Stage, empty_url: str) -> None:
    fill(stage)
    by_door = next(each for each in holdings(stage.archive) if each.instance_uid == uid(2))
    words = text_of(httpx.get(f"{empty_url}/quarantine/{by_door.id}"))
    assert f"sightline quarantine release {by_door.id} --by NAME" in words
    assert "quarantine delete" not in words
    picture = httpx.get(f"{empty_url}/quarantine/{by_door.id}/picture", timeout=60)
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


def test_what_cannot_be_drawn_has_a_page_all_the_same(stage: Stage, empty_url: str) -> None:
    broken = slice_of(1, Rows=60000)
    keep(stage.archive, part10_of(slice_of(1)), Source(name="test"))
    keep(stage.archive, part10_of(broken), Source(name="test"))
    (held,) = holdings(stage.archive)
    assert httpx.get(f"{empty_url}/quarantine/{held.id}").status_code == 200
    assert httpx.get(f"{empty_url}/quarantine/{held.id}/picture", timeout=60).status_code == 422
    assert httpx.get(f"{empty_url}/quarantine/999").status_code == 404
    assert httpx.get(f"{empty_url}/quarantine/x").status_code == 400
