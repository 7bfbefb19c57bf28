"""The pages of readers and of predictions, over a real server."""

import io
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from sightline.hub.collections import Criteria, make_version
from sightline.hub.consensus import make_consensus
from sightline.hub.readings import history
from sightline.values.finding import Finding, Measurement
from tests.readers import EMPTY, NARROW, NODULE, WIDE, add_predicted, admit_read
from tests.web.stage import Stage
from tests.web.test_pages import text_of

# Of the first three readers, as they are drawn.
COLOURS = ((255, 170, 51), (70, 190, 255), (120, 230, 120))


def picture_of(answer: httpx.Response) -> np.ndarray:
    assert answer.headers["content-type"] == "image/png"
    return np.array(Image.open(io.BytesIO(answer.content)))


def test_readers_are_shown_beside_each_other(stage: Stage, empty_url: str, tmp_path: Path) -> None:
    series = admit_read(stage.hub, tmp_path, 1, {"R-A": WIDE, "R-B": NARROW, "R-C": EMPTY})
    make_consensus(stage.hub, [series], "majority", classes=NODULE)
    answer = httpx.get(f"{empty_url}/series/{series}/readers")
    words = text_of(answer)
    assert answer.status_code == 200
    assert "Research use only" in words
    assert "R-C (marked nothing)" in words
    assert "consensus:majority" in words
    assert "0.80" in words  # Dice of the first two
    pixels = picture_of(httpx.get(f"{empty_url}/series/{series}/readers.png"))
    for drawn, colour in zip((True, True, False), COLOURS, strict=True):
        outlined = (pixels[20:-80] == colour).all(axis=-1).any()
        assert outlined == drawn
    assert f"/series/{series}/readers" in httpx.get(f"{empty_url}/subjects/S-0000000001").text


def test_what_is_not_there_is_said(stage: Stage, empty_url: str) -> None:
    for path in ("/series/1.2/readers", "/series/1.2/readers.png", "/predictions/none.png"):
        assert httpx.get(empty_url + path).status_code == 404
    assert "sightline predict MODEL COLLECTION" in text_of(httpx.get(f"{empty_url}/predictions"))
    assert stage.hub is not None


def test_predictions_are_a_reading_list(stage: Stage, empty_url: str, tmp_path: Path) -> None:
    for number in (1, 2):
        series = admit_read(stage.hub, tmp_path, number, {"R-A": WIDE})
        chosen = make_version(stage.hub, f"c{number}", Criteria(classes=NODULE))
        measured = Measurement(
            class_name="nodule",
            volume_ml=number * 1.25,
            longest_diameter_mm=4.0,
            components=1,
            tracking_uid="2.25.1",
        )
        finding = Finding(priority=number, words=f"finding {number}", measurements=(measured,))
        mask = history(stage.hub, series)[0].mask_digest
        made = add_predicted(stage.hub, chosen, mask, number=number, finding=finding)
    words = text_of(httpx.get(f"{empty_url}/predictions"))
    assert words.index("finding 2") < words.index("finding 1")  # the more urgent first
    assert "2.50 ml" in words
    assert "finding 2" not in text_of(httpx.get(f"{empty_url}/predictions?on=c1"))
    pixels = picture_of(httpx.get(f"{empty_url}/predictions/{made.lineage_id}.png"))
    assert (pixels == COLOURS[0]).all(axis=-1).any()
