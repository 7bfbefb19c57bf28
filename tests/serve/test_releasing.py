"""A model goes live through its gate, with a reason, and there is a way back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.errors import GateFailed, Refused
from sightline.hub.collections import Criteria, make_version, version
from sightline.hub.hub import Hub
from sightline.hub.models import add_evaluation, change_states, model, models, releases
from sightline.serve.gates import gate_checks
from sightline.serve.releasing import release, retire, roll_back, shadow
from sightline.values.model import ReleaseRecord
from tests.hubs import CLASSES, add_trained, evaluation_of_dice, recipe_of


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.at(tmp_path / "archive")


@pytest.fixture
def chest(hub: Hub, fill: Callable[..., None]) -> str:
    fill(0, 1, 2)
    return make_version(hub, "chest", Criteria(modality="CT", classes=CLASSES)).label


def _states(hub: Hub) -> dict[str, str]:
    return {each.label: each.state for each in models(hub)}


def test_one_version_is_live_and_the_one_before_comes_back(
    archive: Archive, hub: Hub, chest: str
) -> None:
    add_trained(hub, "lesions", collection=chest, dice=0.6)
    add_trained(hub, "lesions", collection=chest, dice=0.8)
    add_trained(hub, "other", collection=chest, dice=0.8)
    release(archive, hub, "other@1", approver="A", reason="first")
    release(archive, hub, "lesions@1", approver="A", reason="first")
    release(archive, hub, "lesions@2", approver="B", reason="better")
    assert _states(hub) == {"lesions@1": "retired", "lesions@2": "live", "other@1": "live"}

    back = roll_back(hub, "lesions", approver="C", reason="missed one")

    assert back.label == "lesions@1"
    assert _states(hub) == {"lesions@1": "live", "lesions@2": "retired", "other@1": "live"}
    said = [(r.from_state, r.to_state, r.approver, r.reason) for r in releases(hub, "lesions")]
    first, second = releases(hub, "lesions")[0].checks, releases(hub, "lesions")[2].checks
    assert [check.name for check in first] == ["dice", "subjects"]
    assert [check.name for check in second] == ["the gate itself", "dice", "subjects"]
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
        (None, 5, "evaluation: asked on the locked test split, got none"),
        (0.4999, 5, r"dice: asked at least 0\.5000, got 0\.4999"),
        (0.9, 1, "subjects: asked at least 2, got 1"),
    ],
)
def test_the_gate_holds(
    archive: Archive, hub: Hub, chest: str, dice: float | None, subjects: int, why: str
) -> None:
    add_trained(hub, "lesions", collection=chest, dice=dice, subjects=subjects)
    with pytest.raises(GateFailed, match=why):
        release(archive, hub, "lesions@1", approver="A", reason="first")
    assert _states(hub) == {"lesions@1": "candidate"}


def test_a_model_that_could_not_be_scored_does_not_go_live(
    archive: Archive, hub: Hub, chest: str
) -> None:
    made = add_trained(hub, "lesions", collection=chest)
    nothing = evaluation_of_dice(None, subjects=5).to_json()
    chosen = version(hub, chest)
    add_evaluation(hub, made.lineage_id, chosen, split="test", content=nothing)
    with pytest.raises(GateFailed, match="nothing that could be scored"):
        release(archive, hub, "lesions@1", approver="A", reason="first")


def test_a_release_needs_a_reason_and_happens_once(archive: Archive, hub: Hub, chest: str) -> None:
    add_trained(hub, "lesions", collection=chest, dice=0.9)
    with pytest.raises(Refused, match="needs a reason"):
        release(archive, hub, "lesions@1", approver="A", reason=" ")
    release(archive, hub, "lesions@1", approver="A", reason="first")
    with pytest.raises(Refused, match="live already"):
        release(archive, hub, "lesions@1", approver="A", reason="again")
    with pytest.raises(Refused, match="no earlier live version"):
        roll_back(hub, "lesions", approver="A", reason="why")


@pytest.mark.parametrize(
    ("gate", "looser"),
    [
        ("shadow_series: 1, shadow_dice: 0.5, max_seconds: 3", "shadow_dice"),
        ("shadow_series: 1, shadow_dice: 0.7", "max_seconds"),
        ("shadow_series: 1, shadow_dice: 0.7, max_seconds: 4", "max_seconds"),
        ("metric: nsd, shadow_series: 1, shadow_dice: 0.7, max_seconds: 3", "metric"),
    ],
)
def test_a_gate_cannot_be_made_looser_by_a_new_recipe(
    archive: Archive, hub: Hub, chest: str, gate: str, looser: str
) -> None:
    strict = recipe_of("lesions", gate="shadow_series: 1, shadow_dice: 0.7, max_seconds: 3")
    live = add_trained(hub, "lesions", collection=chest, dice=0.9, recipe=strict)
    went = ReleaseRecord(
        model_id=live.lineage_id,
        from_state="candidate",
        to_state="live",
        approver="A",
        reason="first",
        at="2026-01-02T03:04:05+00:00",
    )
    change_states(hub, [went])
    other = recipe_of("lesions", gate=gate)
    add_trained(hub, "lesions", collection=chest, dice=0.9, recipe=other)
    with pytest.raises(GateFailed, match=f"no looser than that of lesions@1, got looser: {looser}"):
        release(archive, hub, "lesions@2", approver="A", reason="second")
    # A decision of its own, with a name and a reason.
    retire(hub, "lesions@1", approver="B", reason="its gate was too strict")
    checks = {each.name: each.is_met for each in gate_checks(archive, hub, model(hub, "lesions@2"))}
    assert "the gate itself" not in checks


def test_a_model_goes_through_shadow_and_out_of_use(archive: Archive, hub: Hub, chest: str) -> None:
    add_trained(hub, "lesions", collection=chest, dice=0.9)
    shadow(hub, "lesions@1", approver="A", reason="look first")
    with pytest.raises(Refused, match="shadow already"):
        shadow(hub, "lesions@1", approver="A", reason="again")
    release(archive, hub, "lesions@1", approver="A", reason="it is good")
    with pytest.raises(Refused, match="live already"):
        shadow(hub, "lesions@1", approver="A", reason="again")
    retire(hub, "lesions@1", approver="B", reason="the scanner is gone")
    assert _states(hub) == {"lesions@1": "retired"}
    with pytest.raises(Refused, match="retired already"):
        retire(hub, "lesions@1", approver="B", reason="again")
    with pytest.raises(Refused, match="needs a reason"):
        shadow(hub, "lesions@1", approver="A", reason="")
