"""A model in shadow runs on what comes, beside the live one; nobody is shown what it says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.results import predictions_of_study, published_objects
from sightline.archive.shadows import shadows_of
from sightline.archive.verifying import verify_archive_part
from sightline.archive.worklist import overview
from sightline.errors import BadFile, GateFailed
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.serve.engine import Engine, Ran
from sightline.serve.gates import gate_checks
from sightline.serve.predicting import predict_series
from sightline.serve.publishing import publish_prediction
from sightline.serve.releasing import release, shadow
from sightline.serve.shadowing import shadow_series
from sightline.values.answer import Answer
from sightline.values.arrival import Source
from sightline.values.identity import Digest, SeriesUid, StudyUid
from sightline.values.model import ModelRecord
from sightline.values.volume import Segmentation, Volume
from tests.hubs import CLASSES, add_trained, recipe_of
from tests.instances import SERIES, STUDY, part10_of, slice_of

GATE = "shadow_series: 1, shadow_dice: 0.8, shadow_same_priority: 0.9, max_seconds: 60"
URGENT = "{class_name: ground_glass, min_volume_ml: 0.01, priority: 2, words: urgent}"
ROWS, COLUMNS = slice(3, 7), slice(5, 9)


class Painter(Engine):
    """An engine whose models draw a square, each with rows of its own; None fails."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, threads=1)
        self.rows: dict[str, slice | None] = {}

    @staticmethod
    def familiar(_record: ModelRecord, _digest: str | None = None) -> tuple[str, None]:
        return "", None

    def ran(self, record: ModelRecord, *, back_end: str = "") -> Ran:
        return Ran(back_end=back_end, machine=record.name, software={"painter": "1"})

    def answer(self, record: ModelRecord, volume: Volume, **_: object) -> Answer:
        rows = self.rows.get(record.label, ROWS)
        if rows is None:
            raise BadFile("it is no chest", hint="Send another.")
        mask = np.zeros(volume.geometry.shape, np.uint8)
        mask[:, rows, COLUMNS] = 1
        drawn = Segmentation(
            mask=mask, geometry=volume.geometry, classes=CLASSES, author=record.name
        )
        return Answer(segmentation=drawn)


class House:
    """An archive with one series, a hub, and a live model beside which another may run."""

    def __init__(self, archive: Archive, hub: Hub, collection: str) -> None:
        self.archive, self.hub, self.engine = archive, hub, Painter(hub)
        self.collection = collection
        for number in range(1, 13):
            keep(archive, part10_of(slice_of(number)), Source(name="test"))

    def add(self, *, gate: str = "", triage: str = "") -> ModelRecord:
        recipe = recipe_of("lesions", gate=gate, triage=triage)
        return add_trained(self.hub, "lesions", collection=self.collection, dice=0.9, recipe=recipe)

    def publish(self, model: ModelRecord) -> None:
        made = predict_series(
            self.archive,
            self.engine,
            self.hub,
            series_uid=SeriesUid(SERIES),
            model_id=model.lineage_id,
        )
        assert made is not None
        publish_prediction(self.archive, self.hub, made, pacs="PACS@127.0.0.1:1")

    def shadow(self, model: ModelRecord) -> None:
        shadow_series(
            self.archive,
            self.engine,
            self.hub,
            series_uid=SeriesUid(SERIES),
            model_id=model.lineage_id,
        )

    def gate(self, model: ModelRecord) -> dict[str, tuple[str, bool]]:
        checks = gate_checks(self.archive, self.hub, model)
        return {each.name: (each.reached, each.is_met) for each in checks}


@pytest.fixture
def house(hub: Hub, tmp_path: Path, fill: Callable[..., None]) -> House:
    fill(0, 1)
    chest = make_version(hub, "chest", Criteria(modality="CT", classes=CLASSES))
    return House(Archive.at(tmp_path / "archive"), hub, chest.label)


@pytest.fixture
def live(house: House) -> ModelRecord:
    made = house.add()
    release(house.archive, house.hub, made.label, approver="A", reason="first")
    house.publish(made)
    return made


def test_what_a_shadow_says_is_kept_and_shown_to_nobody(house: House, live: ModelRecord) -> None:
    before = overview(house.archive, StudyUid(STUDY))
    second = house.add(gate=GATE, triage=URGENT)
    shadow(house.hub, second.label, approver="A", reason="look first")
    house.engine.rows[second.label] = slice(3, 8)

    house.shadow(second)
    house.shadow(second)

    (said,) = shadows_of(house.archive, second.lineage_id)
    assert said.prediction.state == "kept"
    assert said.prediction.finding is not None
    assert said.prediction.finding.priority == 2
    assert house.archive.objects.get(Digest(said.seg_digest))
    assert said.beside is not None
    assert said.beside.dice == pytest.approx(2 * 4 / (4 + 5))
    assert not said.beside.is_same_priority
    # The page, the list, the outbox and the objects of the study are as they were.
    assert overview(house.archive, StudyUid(STUDY)) == before
    assert len(published_objects(house.archive)) == 3
    models = {each.model_id for each in predictions_of_study(house.archive, StudyUid(STUDY))}
    assert models == {live.lineage_id}
    parts = [f"{number:02x}" for number in range(256)]
    flaws = [verify_archive_part(house.archive, part, lambda _bytes: None) for part in parts]
    assert not any(flaws)


def test_the_gate_holds_a_shadow_against_the_live_version(house: House, live: ModelRecord) -> None:
    second = house.add(gate=GATE, triage=URGENT)
    assert house.gate(second)["series in shadow"] == ("0, 0 failed", False)
    house.engine.rows[second.label] = slice(3, 8)
    house.shadow(second)
    found = house.gate(second)
    assert found["dice with the live version"] == ("0.8889", True)
    assert found["same priority as the live version"] == ("0.0000", False)
    assert found["seconds, of 95 % of series"][1]
    with pytest.raises(GateFailed, match="same priority as the live version"):
        release(house.archive, house.hub, second.label, approver="A", reason="better")
    assert live.name == second.name


def test_one_that_draws_elsewhere_does_not_go_live(house: House, live: ModelRecord) -> None:
    second = house.add(gate=GATE)
    house.engine.rows[second.label] = slice(9, 12)
    house.shadow(second)
    assert house.gate(second)["dice with the live version"] == ("0.0000", False)
    with pytest.raises(GateFailed, match=f"{second.label} does not pass.*dice with the live"):
        release(house.archive, house.hub, second.label, approver="A", reason="better")
    third = house.add(gate=GATE)
    house.shadow(third)
    assert release(house.archive, house.hub, third.label, approver="A", reason="ok").state == "live"
    assert live.state == "candidate"  # as it was when it was made


def test_a_failure_in_shadow_is_kept_and_counts(house: House, live: ModelRecord) -> None:
    second = house.add(gate="shadow_series: 1")
    house.engine.rows[second.label] = None
    house.shadow(second)
    (said,) = shadows_of(house.archive, second.lineage_id)
    assert (said.prediction.state, said.prediction.problem) == ("failed", "it is no chest")
    assert house.gate(second)["series in shadow"] == ("0, 1 failed", False)
    # What fails for a time may answer later.
    house.engine.rows[second.label] = ROWS
    house.shadow(second)
    assert house.gate(second)["series in shadow"] == ("1, 0 failed", True)
    assert live.label == "lesions@1"


def test_only_agreement_with_what_is_live_now_counts(house: House, live: ModelRecord) -> None:
    second = house.add(gate=GATE)
    house.shadow(second)
    assert house.gate(second)["series beside the live version"] == ("1", True)
    third = house.add()
    release(house.archive, house.hub, third.label, approver="A", reason="another")
    found = house.gate(second)
    assert found["series beside the live version"] == ("0", False)
    assert found["dice with the live version"] == ("nothing that could be scored", False)
    assert live.label == "lesions@1"


def test_of_a_series_that_grew_the_answer_counts(house: House, live: ModelRecord) -> None:
    second = house.add(gate="shadow_series: 1")
    house.engine.rows[second.label] = None
    house.shadow(second)
    keep(house.archive, part10_of(slice_of(13)), Source(name="test"))
    house.engine.rows[second.label] = ROWS
    house.shadow(second)
    states = [each.prediction.state for each in shadows_of(house.archive, second.lineage_id)]
    assert sorted(states) == ["failed", "kept"]
    assert house.gate(second)["series in shadow"] == ("1, 0 failed", True)
    assert live.label == "lesions@1"


def test_a_first_version_has_nothing_to_agree_with(house: House) -> None:
    first = house.add(gate=GATE)
    house.shadow(first)
    found = house.gate(first)
    assert set(found) == {"dice", "subjects", "series in shadow", "seconds, of 95 % of series"}
    assert all(is_met for _, is_met in found.values())
