"""A model goes live through its gate, with a reason, and there is a way back."""

from collections.abc import Callable

import pytest

from sightline.errors import GateFailed, Refused
from sightline.hub.collections import Criteria, make_version, version
from sightline.hub.hub import Hub
from sightline.hub.models import add_evaluation, models, releases
from sightline.serve.releasing import release, roll_back
from tests.hubs import CLASSES, add_trained, evaluation_of_dice


@pytest.fixture
def chest(hub: Hub, fill: Callable[..., None]) -> str:
    fill(0, 1, 2)
    return make_version(hub, "chest", Criteria(modality="CT", classes=CLASSES)).label


def _states(hub: Hub) -> dict[str, str]:
    return {each.label: each.state for each in models(hub)}


def test_one_version_is_live_and_the_one_before_comes_back(hub: Hub, chest: str) -> None:
    add_trained(hub, "lesions", collection=chest, dice=0.6)
    add_trained(hub, "lesions", collection=chest, dice=0.8)
    add_trained(hub, "other", collection=chest, dice=0.8)
    release(hub, "other@1", approver="A", reason="first")
    release(hub, "lesions@1", approver="A", reason="first")
    release(hub, "lesions@2", approver="B", reason="better")
    assert _states(hub) == {"lesions@1": "retired", "lesions@2": "live", "other@1": "live"}

    back = roll_back(hub, "lesions", approver="C", reason="missed one")

    assert back.label == "lesions@1"
    assert _states(hub) == {"lesions@1": "live", "lesions@2": "retired", "other@1": "live"}
    said = [(r.from_state, r.to_state, r.approver, r.reason) for r in releases(hub, "lesions")]
    assert said == [
        ("candidate", "live", "A", "first"),
        ("live", "retired", "B", "replaced by lesions@2: better"),
        ("candidate", "live", "B", "better"),
        ("live", "retired", "C", "missed one"),
        ("retired", "live", "C", "rolled back: missed one"),
    ]


@pytest.mark.parametrize(
    ("dice", "subjects", "why"),
    [
        (None, 5, "not evaluated"),
        (0.4999, 5, r"reached dice 0\.4999 on 5 subjects; its gate asks 0\.5000"),
        (0.9, 1, "on 1 subjects; its gate asks 0.5000 on at least 2"),
    ],
)
def test_the_gate_holds(hub: Hub, chest: str, dice: float | None, subjects: int, why: str) -> None:
    add_trained(hub, "lesions", collection=chest, dice=dice, subjects=subjects)
    with pytest.raises(GateFailed, match=why):
        release(hub, "lesions@1", approver="A", reason="first")
    assert _states(hub) == {"lesions@1": "candidate"}


def test_a_model_that_could_not_be_scored_does_not_go_live(hub: Hub, chest: str) -> None:
    made = add_trained(hub, "lesions", collection=chest)
    nothing = evaluation_of_dice(None, subjects=5).to_json()
    chosen = version(hub, chest)
    add_evaluation(hub, made.lineage_id, chosen, split="test", content=nothing)
    with pytest.raises(GateFailed, match="nothing that could be scored"):
        release(hub, "lesions@1", approver="A", reason="first")


def test_a_release_needs_a_reason_and_happens_once(hub: Hub, chest: str) -> None:
    add_trained(hub, "lesions", collection=chest, dice=0.9)
    with pytest.raises(Refused, match="needs a reason"):
        release(hub, "lesions@1", approver="A", reason=" ")
    release(hub, "lesions@1", approver="A", reason="first")
    with pytest.raises(Refused, match="live already"):
        release(hub, "lesions@1", approver="A", reason="again")
    with pytest.raises(Refused, match="no earlier live version"):
        roll_back(hub, "lesions", approver="A", reason="why")
