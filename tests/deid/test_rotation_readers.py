"""What readers and models said keeps its names apart from the key, and its place in lineage."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from sightline.archive.receiving import keep
from sightline.catalog.hub_tables import ADJUDICATION, ANNOTATION, PREDICTION
from sightline.formats.seg import write_seg
from sightline.hub.collections import Criteria, make_version
from sightline.hub.consensus import make_consensus
from sightline.hub.lineage import trace
from sightline.hub.predictions import prediction
from sightline.hub.readings import adjudicate, history
from sightline.hub.verifying import verify_hub_part
from sightline.phantoms.people import visit
from sightline.phantoms.series import write_series
from sightline.store.blobs import PARTS
from sightline.values.arrival import Source
from sightline.values.finding import Finding
from sightline.values.identity import HubSeriesUid, InstanceUid, LineageId, SeriesUid, StudyUid
from tests.deid.house import House, house
from tests.deid.rotations import places, rotated
from tests.deid.studies import volume
from tests.formats.sources import BY_HAND, drawn_on
from tests.readers import add_predicted

__all__ = ["house"]

CLASSES = ("ground_glass", "consolidation", "lesion")


@pytest.fixture
def series(house: House, tmp_path: Path) -> HubSeriesUid:
    """Bring a series with the masks of three readers, the last of whom settles it."""
    written = write_series(volume(), tmp_path / "in", visit=visit(1))
    drawn = dataclasses.replace(drawn_on(written), classes=CLASSES)
    for path in written.files:
        keep(house.archive, path.read_bytes(), Source(name="test"))
    for place, author in enumerate(("Reader^One", "Reader^Two", "Reader^Three")):
        names = dataclasses.replace(
            BY_HAND,
            instance_uid=InstanceUid(f"2.25.{31_000 + place}"),
            series_uid=SeriesUid(f"2.25.{41_000 + place}"),
            author=author,
        )
        mask = np.roll(drawn.mask, place, axis=2)
        by_reader = dataclasses.replace(drawn, mask=mask, author=author)
        content = write_seg(by_reader, written.files, identity=names, is_manual=True)
        keep(house.archive, content, Source(name="test"))
        assert house.pass_study(StudyUid(written.study_uid)).held == ()
    return HubSeriesUid(house.door.hub_uid(written.series_uid))


def rows(house: House, table: sa.Table) -> list[dict[str, object]]:
    with house.hub.database.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def fill(house: House, series: HubSeriesUid) -> LineageId:
    """Make a consensus, settle one reader, predict; return the prediction."""
    hub = house.hub
    first, second, third = sorted(history(hub, series), key=lambda each: each.created_at)
    adjudicate(hub, third.annotation_id, [first.annotation_id], decided_by="anna", reason="sure")
    consensus = make_consensus(hub, [series], "majority", classes=CLASSES).made[series]
    chosen = make_version(hub, "all", Criteria(author="consensus:majority"))
    assert chosen.members[0].annotation_id == consensus
    finding = Finding(priority=0, words="nothing", measurements=())
    return add_predicted(hub, chosen, second.mask_digest, finding=finding).lineage_id


def test_readers_consensus_and_predictions_go_on_under_new_names(
    house: House, series: HubSeriesUid
) -> None:
    prediction_id = fill(house, series)
    before = rows(house, ANNOTATION)
    old = {str(row["id"]) for row in before} | {series}
    old |= {str(row["author"]) for row in before if row["instance_uid"]}
    assert len(old) == 4 + 1 + 3
    rotated(house)
    house.hub.close()
    left = {
        name for place in places(house.settings.hub_dir) for name in old if name.encode() in place
    }
    assert left == set()
    house.reopen()

    after = rows(house, ANNOTATION)
    assert len(after) == len(before)
    assert {str(row["mask_digest"]) for row in after} == {str(row["mask_digest"]) for row in before}
    (consensus,) = [row for row in after if row["instance_uid"] is None]
    assert consensus["author"] == "consensus:majority"
    now = HubSeriesUid(str(consensus["series_uid"]))
    readers = [each for each in history(house.hub, now) if each.author.startswith("R-")]
    above = trace(house.hub, str(consensus["id"]), "up").steps
    parents = {step.node.id for step in above if step.depth == 1}
    (settled,) = [each for each in readers if each.state == "superseded"]
    assert settled.reason == "sure"
    voices = {each.annotation_id for each in readers} - {settled.superseded_by}
    assert parents == {now, *voices}
    again = make_consensus(house.hub, [now], "majority", classes=CLASSES).made[now]
    assert again == consensus["id"]
    assert len(rows(house, ADJUDICATION)) == 1
    assert len(rows(house, PREDICTION)) == 1
    found = prediction(house.hub, prediction_id)
    assert (found.series_uid, found.collection) == (now, "all@1")
    assert trace(house.hub, prediction_id, "up").steps[1].node.id == now
    flaws = [
        flaw for part in PARTS for flaw in verify_hub_part(house.hub, part, lambda _bytes: None)
    ]
    assert flaws == []


def test_an_array_made_in_the_hub_is_known_to_it(house: House, series: HubSeriesUid) -> None:
    """Verification needs it, and says that no archive can bring it back."""
    fill(house, series)
    (consensus,) = [row for row in rows(house, ANNOTATION) if row["instance_uid"] is None]
    digest = str(consensus["mask_digest"])
    chunk = next(
        path
        for path in house.hub.array_path(digest).rglob("*")
        if path.name.isdigit() and path.is_file()
    )
    chunk.write_bytes(chunk.read_bytes()[:-1])
    (flaw,) = verify_hub_part(house.hub, digest[:2], lambda _bytes: None)
    assert (flaw.kind, flaw.series_uid, flaw.source) == ("damaged", series, "")
