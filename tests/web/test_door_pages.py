"""The page of the door over a real server: both sides, and loopback alone."""

import httpx
from fastapi.testclient import TestClient

from sightline.archive.receiving import keep
from sightline.settings import Settings
from sightline.values.arrival import Source
from sightline.web.app import create_app
from tests.instances import STUDY, part10_of, slice_of, uid
from tests.web.stage import Stage
from tests.web.test_pages import text_of


def test_both_sides_are_shown(stage: Stage, empty_url: str) -> None:
    image = slice_of(1, size=64, PatientName="Amberbrook^Odalind", Occupation="Monday")
    keep(stage.archive, part10_of(image), Source(name="test"))
    answer = httpx.get(f"{empty_url}/studies/{STUDY}/door")
    words = text_of(answer)
    assert answer.status_code == 200
    assert "Amberbrook^Odalind" in words
    assert "S-" in words
    assert "Occupation" in words
    assert "never passes with the profile hub" in words
    for side in ("before", "after"):
        picture = httpx.get(
            f"{empty_url}/studies/{STUDY}/door/{side}", params={"instance": uid(1)}, timeout=60
        )
        assert picture.content.startswith(b"\x89PNG")


def test_what_is_held_has_one_side(stage: Stage, empty_url: str) -> None:
    keep(stage.archive, part10_of(slice_of(1, BurnedInAnnotation="YES")), Source(name="test"))
    words = text_of(httpx.get(f"{empty_url}/studies/{STUDY}/door"))
    assert "Nothing of it leaves" in words
    after = httpx.get(f"{empty_url}/studies/{STUDY}/door/after", params={"instance": uid(1)})
    assert after.status_code == 404


def test_unknown_ones_are_refused(stage: Stage, empty_url: str) -> None:
    keep(stage.archive, part10_of(slice_of(1)), Source(name="test"))
    assert httpx.get(f"{empty_url}/studies/1.2.3/door").status_code == 404
    answer = httpx.get(f"{empty_url}/studies/{STUDY}/door?instance=1.2.3")
    assert answer.status_code == 404


def test_who_serves_to_others_does_not_show_it(stage: Stage) -> None:
    keep(stage.archive, part10_of(slice_of(1)), Source(name="test"))
    settings = Settings.load(data_dir=stage.folder.parent, host="0.0.0.0")  # noqa: S104 - refused
    served = TestClient(create_app(settings, stage.archive, stage.hub))
    for path in ("door", f"door/before?instance={uid(1)}", f"door/after?instance={uid(1)}"):
        answer = served.get(f"/studies/{STUDY}/{path}")
        assert answer.status_code == 403
        assert "loopback" in answer.text
