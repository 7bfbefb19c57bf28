"""Runs and models are versioned, repeatable to enter, and stand in lineage."""

from collections.abc import Callable

import pytest

from sightline.errors import UnknownName
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
from sightline.hub.models import add_model, evaluations, model, models, run, runs
from tests.hubs import CLASSES, add_trained


@pytest.fixture
def chest(hub: Hub, fill: Callable[..., None]) -> str:
    fill(0, 1, 2)
    return make_version(hub, "chest", Criteria(modality="CT", classes=CLASSES)).label


def test_versions_count_up_and_names_find_the_newest(hub: Hub, chest: str) -> None:
    first = add_trained(hub, "lesions", collection=chest)
    second = add_trained(hub, "lesions", collection=chest, dice=0.7)
    assert (first.label, second.label) == ("lesions@1", "lesions@2")
    assert model(hub, "lesions") == second
    assert model(hub, "lesions@1") == first
    assert model(hub, first.lineage_id) == first
    assert evaluations(hub, first.lineage_id) == []
    assert evaluations(hub, second.lineage_id)[0].collection == chest


def test_keeping_the_model_of_a_run_twice_keeps_one(hub: Hub, chest: str) -> None:
    made = add_trained(hub, "lesions", collection=chest)
    again = add_model(hub, "lesions", run_id=made.run_id, weights=b"x", manifest={})
    assert again == made
    assert models(hub) == [made]


def test_lineage_of_a_model_names_run_recipe_code_environment_and_collection(
    hub: Hub, chest: str
) -> None:
    made = add_trained(hub, "lesions", collection=chest)
    kinds = [step.node.kind for step in trace(hub, "lesions@1", "up").steps]
    assert kinds[:5] == ["run", "code", "collection", "environment", "recipe"]
    assert run(hub, made.run_id).state == "finished"
    assert [each.lineage_id for each in runs(hub)] == [made.run_id]


def test_an_unknown_model_is_named(hub: Hub) -> None:
    with pytest.raises(UnknownName, match="no model 'nothing'"):
        model(hub, "nothing")
