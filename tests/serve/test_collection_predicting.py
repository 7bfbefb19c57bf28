"""A model over a collection: each series once, whoever is killed goes on, and the test is counted."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from sightline.catalog.hub_tables import PREDICTION
from sightline.hub.admission import admit
from sightline.hub.collections import (
    Criteria,
    Shares,
    count_test_evaluations,
    make_version,
    version,
)
from sightline.hub.hub import Hub
from sightline.hub.lineage import count_result_links, cut_result_links, find, trace
from sightline.hub.models import model
from sightline.hub.prediction_export import export_predictions
from sightline.hub.predictions import masks_drawn, prediction, predictions
from sightline.hub.volumes import read_volume
from sightline.hub.withdrawal import TOUCHED, withdraw
from sightline.predict.engine import predict
from sightline.serve.collection_predicting import predict_collection
from sightline.serve.engine import Engine
from sightline.settings import LEAST_AGREEMENT, Settings
from sightline.values.answer import Answer
from sightline.values.collection import CollectionVersion
from sightline.values.finding import Probability
from sightline.values.identity import HubInstanceUid
from sightline.values.model import ModelRecord
from sightline.values.recipe import Accepts, Recipe
from sightline.values.volume import Volume
from tests.hubs import CLASSES, SHAPE, add_trained, study_of
from tests.models import RECIPE, add_drawing

STUDIES = 6


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a hub with a collection and a model of it; copy it, never use it."""
    folder = tmp_path_factory.mktemp("taught")
    hub = Hub.at(folder / "hub")
    for number in range(STUDIES):
        admit(hub, study_of(number, folder))
    shares = Shares(validation=0.2, test=0.34)
    chosen = make_version(hub, "chest", Criteria(classes=CLASSES), shares=shares)
    add_drawing(hub, chosen.label)
    hub.close()
    return folder / "hub"


@pytest.fixture
def hub(taught: Path, tmp_path: Path) -> Iterator[Hub]:
    shutil.copytree(taught, tmp_path / "hub")
    opened = Hub.at(tmp_path / "hub")
    yield opened
    opened.close()


@pytest.fixture
def chest(hub: Hub) -> CollectionVersion:
    return version(hub, "chest")


@pytest.fixture
def drawing(hub: Hub) -> ModelRecord:
    return model(hub, "tiny")


@pytest.fixture
def engine(hub: Hub) -> Engine:
    return Engine(hub, threads=1)


def test_a_model_runs_by_the_fastest_back_end_that_was_tried_and_agrees(
    hub: Hub, chest: CollectionVersion, drawing: ModelRecord, engine: Engine
) -> None:
    assert engine.load(drawing).back_end == "eager"
    volume = read_volume(hub, chest.in_order()[0].volume_digest)
    told = []
    chosen = engine.try_back_ends(drawing, volume, names=["openvino"], tell=told.append)
    exact, converted = told
    assert (exact.back_end, exact.agreement) == ("eager", 1.0)
    assert converted.agreement >= LEAST_AGREEMENT
    assert chosen == min(told, key=lambda each: each.window_s)
    for each in (engine, Engine(hub, threads=1)):
        assert each.load(drawing).back_end == chosen.back_end
    # What was tried with one thread says nothing of two.
    assert Engine(hub, threads=2).load(drawing).back_end == "eager"
    drawn = engine.predict(drawing, volume).mask
    assert (drawn == Engine(hub, threads=2).predict(drawing, volume).mask).mean() > LEAST_AGREEMENT


def rows(hub: Hub) -> list[dict[str, object]]:
    with hub.database.read() as connection:
        found = connection.execute(sa.select(PREDICTION).order_by(PREDICTION.c.lineage_id))
        return [dict(row) for row in found.mappings()]


def test_each_series_has_what_the_model_draws_of_it(
    hub: Hub, chest: CollectionVersion, drawing: ModelRecord, engine: Engine
) -> None:
    told: list[tuple[int, int]] = []
    done = predict_collection(
        hub, engine, drawing, chosen=chest, on_done=lambda count, total: told.append((count, total))
    )
    assert (done.made, done.already, done.refused) == (STUDIES, 0, ())
    assert told == [(count, STUDIES) for count in range(1, STUDIES + 1)]
    found = {each.series_uid: each for each in predictions(hub)}
    assert set(found) == {member.series_uid for member in chest.members}
    for member in chest.members:
        made = found[member.series_uid]
        mask = hub.array(str(made.mask_digest)).read()
        expected = predict(engine.load(drawing), read_volume(hub, member.volume_digest)).mask
        assert np.array_equal(mask, expected)
        measured = {each.class_name: each for each in made.finding.measurements}
        voxels = int((mask == 1).sum())
        assert measured["ground_glass"].volume_ml == pytest.approx(voxels * 2.5 * 0.7 * 0.8 / 1000)
        assert (made.split, made.subject_id) == (member.split, member.subject_id)
        assert prediction(hub, made.lineage_id) == made
    assert any(
        hub.array(digest).read().any() for digest in masks_drawn(hub, drawing, "chest").values()
    )


def test_lineage_is_model_and_series(
    hub: Hub, chest: CollectionVersion, drawing: ModelRecord, engine: Engine
) -> None:
    predict_collection(hub, engine, drawing, chosen=chest, splits=("train",))
    made = predictions(hub)[0]
    above = {step.node.id for step in trace(hub, made.lineage_id, "up").steps if step.depth == 1}
    assert above == {drawing.lineage_id, made.series_uid}
    below = [step.node.id for step in trace(hub, made.subject_id, "down").steps]
    assert made.lineage_id in below


def test_a_repeat_makes_nothing_and_counts_the_locked_test_once(
    hub: Hub, chest: CollectionVersion, drawing: ModelRecord, engine: Engine
) -> None:
    assert len(chest.of_split("test")) == 2
    predict_collection(hub, engine, drawing, chosen=chest, splits=("train", "validation"))
    assert count_test_evaluations(hub, chest) == 0
    predict_collection(hub, engine, drawing, chosen=chest)
    assert count_test_evaluations(hub, chest) == 1
    before = rows(hub)
    done = predict_collection(hub, engine, drawing, chosen=chest)
    assert (done.made, done.already) == (0, STUDIES)
    assert rows(hub) == before
    assert count_test_evaluations(hub, chest) == 1
    other = add_drawing(hub, chest.label, seed=1)
    predict_collection(hub, engine, other, chosen=chest, splits=("test",))
    assert count_test_evaluations(hub, chest) == 2
    assert len(predictions(hub, model_id=other.lineage_id, label="chest@1")) == 2


class Forbidden(Engine):
    """An engine that must not be asked."""

    def answer(self, *_: object) -> None:  # type: ignore[override]
        raise AssertionError("the same voxels were predicted twice")


class Teller(Engine):
    """An engine whose models answer in numbers, by the mean of the volume."""

    def load(self, record: ModelRecord, *, back_end: str = "") -> None:  # noqa: ARG002 - its signature
        return

    def answer(self, _record: ModelRecord, volume: Volume, **_: object) -> Answer:  # type: ignore[override]
        return Answer(numbers={"effusion": 0.9 if volume.voxels.mean() > 0 else 0.1})

    def words(self, *_: object) -> str:  # type: ignore[override]
        return "no effusion"


def test_a_classifier_keeps_its_probabilities(
    hub: Hub, chest: CollectionVersion, tmp_path: Path
) -> None:
    recipe = Recipe.from_yaml(
        "{name: xray, title: T, accepts: {modality: CT, min_slices: 1}, "
        "task: {kind: classify, classes: [effusion], exclusive: false, target: t}, "
        "triage: [{class_name: effusion, min_probability: 0.5, priority: 1, words: effusion}]}"
    )
    record = add_trained(hub, "xray", collection=chest.label, recipe=recipe.to_yaml())
    done = predict_collection(hub, Teller(hub, threads=1), record, chosen=chest)
    assert (done.made, done.refused) == (STUDIES, ())
    found = predictions(hub, model_id=record.lineage_id)
    assert [each.mask_digest for each in found] == [None] * STUDIES
    means = {each.series_uid: read_volume(hub, each.volume_digest).voxels.mean() for each in found}
    for each in found:
        (said,) = each.finding.probabilities
        is_sure = means[each.series_uid] > 0
        assert said == Probability(class_name="effusion", probability=0.9 if is_sure else 0.1)
        assert (each.finding.priority, each.finding.words) == (
            (1, "effusion") if is_sure else (0, "no effusion")
        )
    table = export_predictions(hub, found, tmp_path / "out", on_done=lambda _: None)
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    assert lines[0][-1] == "probability"
    assert {line[-1] for line in lines[1:]} <= {"0.900000", "0.100000"}
    assert len(lines) == STUDIES + 1


def test_another_version_takes_what_was_drawn_of_the_same_voxels(
    hub: Hub, chest: CollectionVersion, drawing: ModelRecord, engine: Engine
) -> None:
    predict_collection(hub, engine, drawing, chosen=chest)
    other = make_version(hub, "chest-too", Criteria(modality="CT"))
    done = predict_collection(hub, Forbidden(hub, threads=1), drawing, chosen=other)
    assert done.made == STUDIES
    assert masks_drawn(hub, drawing, "chest") == masks_drawn(hub, drawing, "chest-too")


def test_what_cannot_be_predicted_is_named_and_the_rest_goes_on(
    hub: Hub, chest: CollectionVersion, drawing: ModelRecord, engine: Engine
) -> None:
    first, second = (member.series_uid for member in chest.in_order()[:2])
    withdraw(hub, {HubInstanceUid(f"{first}.{k}"): "consent withdrawn" for k in range(SHAPE[0])})
    digest = {member.series_uid: member.volume_digest for member in chest.members}[second]
    chunk = next(
        path for path in hub.array_path(digest).rglob("*") if path.name.isdigit() and path.is_file()
    )
    content = bytearray(chunk.read_bytes())
    content[len(content) // 3] ^= 1
    chunk.write_bytes(content)
    done = predict_collection(hub, engine, drawing, chosen=chest)
    assert done.made == STUDIES - 2
    reasons = dict(done.refused)
    assert reasons[first] == "the series was withdrawn"
    assert set(reasons) == {first, second}


def test_a_model_of_other_images_is_refused_series_by_series(
    hub: Hub, chest: CollectionVersion, drawing: ModelRecord, engine: Engine
) -> None:
    for accepts, why in (
        (Accepts(modality="MR"), "modality is CT; recipe tiny asks MR"),
        (Accepts(min_slices=7), "6 slices; recipe tiny asks at least 7"),
    ):
        recipe = RECIPE.model_copy(update={"accepts": accepts}).to_yaml()
        other = dataclasses.replace(drawing, manifest=drawing.manifest | {"recipe": recipe})
        done = predict_collection(hub, engine, other, chosen=chest)
        assert (done.made, {reason for _, reason in done.refused}) == (0, {why})


def test_a_prediction_of_withdrawn_images_is_touched(
    hub: Hub, chest: CollectionVersion, drawing: ModelRecord, engine: Engine
) -> None:
    predict_collection(hub, engine, drawing, chosen=chest)
    made = predictions(hub)[0]
    withdraw(hub, {HubInstanceUid(f"{made.series_uid}.0"): "consent withdrawn"})
    assert "consent withdrawn" in find(hub, made.lineage_id).facts[TOUCHED]


def test_predictions_of_the_hub_join_no_stores(
    hub: Hub, chest: CollectionVersion, drawing: ModelRecord, engine: Engine
) -> None:
    """Who destroys the key cuts what leads from patients to subjects; these lead to none."""
    predict_collection(hub, engine, drawing, chosen=chest)
    assert count_result_links(hub) == 0
    made = predictions(hub)[0]
    cut_result_links(hub)
    above = {step.node.kind for step in trace(hub, made.lineage_id, "up").steps if step.depth == 1}
    assert above == {"model", "series"}


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.gate)])
def test_whoever_is_killed_goes_on(taught: Path, tmp_path: Path, kills: int) -> None:
    settings = Settings.load(data_dir=tmp_path / "data")
    shutil.copytree(taught, settings.hub_dir)
    hub = Hub.open(settings)
    drawing, chosen = model(hub, "tiny"), version(hub, "chest")
    if kills > 1:
        for number in range(STUDIES, 8 * kills):
            admit(hub, study_of(number, tmp_path))
        chosen = make_version(hub, "chest", Criteria(classes=CLASSES))
    count = len(chosen.members)
    environment = dict(os.environ) | {
        "SIGHTLINE_DATA_DIR": str(settings.data_dir),
        "SIGHTLINE_THREADS": "1",
    }
    command = [sys.executable, "-m", "sightline", "predict", drawing.label, chosen.label]
    for kill in range(kills):
        known = len(rows(hub))
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while len(rows(hub)) < known + 1 + kill % 3 and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
    partly = rows(hub)
    assert 0 < len(partly) < count
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert f"{count - len(partly)} new predictions, {len(partly)} there already" in done.stdout
    whole = rows(hub)
    assert len(whole) == count
    assert [row for row in whole if row in partly] == partly
    wanted = {str(row["mask_digest"]) for row in whole}
    assert all(hub.array(digest).read().shape == SHAPE for digest in wanted)
    hub.close()
