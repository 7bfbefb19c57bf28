"""The page of time-critical findings over a real server."""

import dataclasses

import httpx

from sightline.archive.alerts import open_alerts
from tests.web.stage import Stage, finding_of
from tests.web.test_pages import text_of

BY = {"by": "Dr <b>A</b>", "note": "called the ward"}


def alert(stage: Stage, seed: int = 6) -> int:
    stage.teach()
    written = stage.receive(seed, slices=4)
    critical = dataclasses.replace(finding_of(2, "consolidation 42.1 ml"), acknowledge_min=15.0)
    stage.predict(seed, written, critical)
    return open_alerts(stage.archive)[-1].id


def test_every_page_says_that_something_waits_until_somebody_acknowledges(
    stage: Stage, empty_url: str
) -> None:
    assert "time-critical" not in text_of(httpx.get(f"{empty_url}/"))
    number = alert(stage)
    for path in ("/", "/models", "/alerts", "/alerts/bar"):
        assert "1 time-critical finding to acknowledge" in text_of(httpx.get(f"{empty_url}{path}"))
    # A page that tells of an error may not need the catalog; the browser fills it in.
    assert 'data-live-from="/alerts/bar"' in httpx.get(f"{empty_url}/nowhere").text
    listed = text_of(httpx.get(f"{empty_url}/alerts"))
    assert "consolidation 42.1 ml" in listed
    assert "Told nobody yet but this page" in listed
    done = httpx.post(f"{empty_url}/alerts/{number}", data=BY, follow_redirects=True)
    assert "Nothing waits to be acknowledged" in text_of(done)
    assert "<b>A</b>" not in done.text
    assert "Dr &lt;b&gt;A&lt;/b&gt;" in done.text
    assert "called the ward" in done.text
    assert "time-critical finding" not in httpx.get(f"{empty_url}/alerts/bar").text


def test_what_is_no_acknowledgement_changes_nothing(stage: Stage, empty_url: str) -> None:
    number = alert(stage)
    assert httpx.post(f"{empty_url}/alerts/{number}", data={"by": " "}).status_code >= 400
    large = httpx.post(f"{empty_url}/alerts/{number}", data={"by": "x" * 20_000})
    assert large.status_code >= 400
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    stranger = httpx.post(f"{empty_url}/alerts/{number}", data=BY, headers=elsewhere)
    assert stranger.status_code == 403
    assert httpx.post(f"{empty_url}/alerts/999", data=BY).status_code == 404
    assert len(open_alerts(stage.archive)) == 1
    httpx.post(f"{empty_url}/alerts/{number}", data=BY)
    second = httpx.post(f"{empty_url}/alerts/{number}", data={"by": "Dr B"})
    assert second.status_code >= 400
    assert "acknowledged already by Dr" in text_of(second)
