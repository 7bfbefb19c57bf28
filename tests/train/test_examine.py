"""A whole evaluation on a locked split: figures, facts, probes, exhibits, comparison."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sightline.errors import Refused
from sightline.hub.collections import (
    Criteria,
    Shares,
    count_test_evaluations,
    make_version,
    version,
)
from sightline.hub.hub import Hub
from sightline.hub.models import evaluations
from sightline.judge.card import card_html
from sightline.judge.exhibits import unpack
from sightline.predict.model import Model
from sightline.train.examine import examine, examine_on_test
from sightline.train.session import Workplace, begin, train
from sightline.values.evaluation import Evaluation, Facts, MaskNumbers
from sightline.values.model import ModelRecord
from sightline.values.recipe import Recipe
from tests.hubs import CLASSES
from tests.train.conftest import Trained

RECIPE = Recipe.from_yaml(
    """
    name: tiny
    title: Two kinds of box
    accepts: {modality: CT, min_slices: 4}
    task: {classes: [ground_glass, consolidation]}
    inputs: {window: [-1000, 1000], patch: [8, 16, 16]}
    network: {base_channels: 4, max_channels: 8, levels: 2}
    training: {steps: 2, batch: 1, validate_every: 2}
    """
)


@pytest.fixture
def model(trained: Trained, tmp_path: Path) -> Model:
    weights = tmp_path / "weights"
    weights.write_bytes(trained.fitted.weights)
    return Model.load(weights, trained.fitted.manifest)


def test_it_measures_surfaces_probes_and_keeps_the_worst(trained: Trained, model: Model) -> None:
    facts = {"2.25.6": Facts(manufacturer="Alpha"), "2.25.7": Facts(manufacturer="Beta")}
    done: list[tuple[int, int]] = []
    found = examine(
        model, trained.held_out, facts=facts, on_progress=lambda *each: done.append(each)
    )
    assert done == [(1, 2), (2, 2)]
    assert [each.facts.manufacturer for each in found.examples] == ["Alpha", "Beta"]
    assert {each.metric for each in found.figures} == {"dice", "nsd", "hd95_mm", "volume_error_ml"}
    numbers = found.examples[0].numbers[0]
    assert isinstance(numbers, MaskNumbers)
    assert numbers.nsd is not None
    assert [each.probe for each in found.shortcuts.probes] == [
        "the target hidden",
        "all but the border hidden",
    ]
    assert all(each.whole == found.headline.figure for each in found.shortcuts.probes)
    hidden = found.shortcuts.probes[0].figure.value
    assert hidden is not None
    assert hidden < (found.headline.figure.value or 0.0)
    assert all(0 <= each.confidence <= 1 for each in found.examples)
    assert [each.kind for each in found.curves] == ["coverage"]
    worst = min(found.examples, key=lambda each: min(n.dice or 0.0 for n in each.numbers))
    assert found.exhibits[0].series_uid == worst.series_uid
    assert len(found.exhibits) == 2
    plane = unpack(found.exhibits[0].mask)
    assert plane.shape == trained.held_out[0].volume.shape[1:]
    assert {each.fact for each in found.strata} == {"manufacturer"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    opened = Hub.at(tmp_path / "hub")
    yield opened
    opened.close()


@pytest.fixture
def made(hub: Hub, fill: Callable[..., None], tmp_path: Path) -> list[ModelRecord]:
    """Two models of one collection with three subjects to test on."""
    fill(0, 1, 2, 3)
    fill(4, 5, manufacturer="Beta")
    criteria = Criteria(modality="CT", classes=CLASSES)
    chest = make_version(hub, "chest", criteria, shares=Shares(validation=0, test=0.5))
    place = Workplace(runs_dir=tmp_path / "runs", threads=1)
    return [
        train(
            hub, begin(hub, RECIPE, chest.label, workplace=place), on_progress=lambda _: None
        ).model
        for _ in range(2)
    ]


def test_an_evaluation_is_counted_kept_and_compared(hub: Hub, made: list[ModelRecord]) -> None:
    first, second = made

    def on(record: ModelRecord, against: ModelRecord | None = None) -> Evaluation:
        chosen, found = examine_on_test(
            hub, record, None, against=against, threads=1, on_progress=lambda *_: None
        )
        assert chosen.label == "chest@1"
        (kept, *_) = evaluations(hub, record.lineage_id)
        assert Evaluation.from_json(kept.content) == found
        return found

    alone = on(first)
    assert alone.subjects == 3
    assert {each.facts.manufacturer for each in alone.examples} <= {"Alpha", "Beta"}
    assert alone.comparisons == ()
    assert count_test_evaluations(hub, version(hub, "chest@1")) == 1
    # What the other reached is known already: nothing is looked at twice.
    compared = on(second, against=first)
    assert count_test_evaluations(hub, version(hub, "chest@1")) == 2
    assert compared.comparisons[0].other == "tiny@1"
    # The same recipe twice is the same model.
    assert compared.comparisons[0].difference.value == 0
    assert compared.comparisons[0].p == 1.0
    page = card_html(hub, "tiny@2")
    assert "Against tiny@1" in page
    assert page.count("data:image/png;base64,") == 3


def test_a_model_that_was_not_evaluated_before_is_evaluated_first(
    hub: Hub, made: list[ModelRecord]
) -> None:
    examine_on_test(
        hub, made[0], "chest@1", against=made[1], threads=1, on_progress=lambda *_: None
    )
    assert count_test_evaluations(hub, version(hub, "chest@1")) == 2
    assert len(evaluations(hub, made[1].lineage_id)) == 1


def test_an_empty_test_split_is_refused(hub: Hub, made: list[ModelRecord]) -> None:
    criteria = Criteria(modality="CT", classes=CLASSES)
    none = make_version(hub, "untested", criteria, shares=Shares(validation=0, test=0))
    with pytest.raises(Refused, match="is empty"):
        examine_on_test(hub, made[0], none.label, threads=1, on_progress=lambda *_: None)
    assert evaluations(hub, made[0].lineage_id) == []
