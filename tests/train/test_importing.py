"""Weights of others become models of the hub, and models go from hub to hub."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from sightline.errors import BadFile, BadRecipe, Refused, UnknownName
from sightline.hub.hub import Hub
from sightline.hub.lineage import find, trace
from sightline.hub.models import model, models, run
from sightline.networks.sources.contract import Hints
from sightline.predict.model import Model, ModelManifest
from sightline.train.importing import export_model, import_model
from sightline.train.run import Splits, fit
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe
from tests.learning import CLASSES, RECIPE, examples, with_training

OTHERS = Path(__file__).parent.parent / "data" / "weights"
NNUNET = OTHERS / "nnunet"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub.at(tmp_path / "hub")


def test_a_training_of_nnunet_becomes_a_model_with_lineage(hub: Hub) -> None:
    imported = import_model(hub, NNUNET, name="blobs", hints=Hints())
    assert imported.source == "nnunet"
    assert not imported.report.skipped
    assert not imported.report.unused
    assert model(hub, "blobs@1").lineage_id == imported.model.lineage_id
    node = find(hub, imported.model.run_id)
    checkpoint = NNUNET / "fold_0" / "checkpoint_final.pth"
    assert node.facts["checkpoint_final.pth"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert node.facts["made by"] == "nnU-Net v2"
    kinds = [step.node.kind for step in trace(hub, "blobs@1", "up").steps]
    assert kinds == ["run", "recipe"]
    record = run(hub, imported.model.run_id)
    assert (record.collection, record.state) == ("", "finished")
    assert json.dumps(record.record)  # a table takes it


def test_bringing_it_in_again_makes_the_next_version(hub: Hub) -> None:
    first = import_model(hub, NNUNET, name="blobs", hints=Hints()).model
    second = import_model(hub, NNUNET, name="blobs", hints=Hints()).model
    assert (first.label, second.label) == ("blobs@1", "blobs@2")
    assert first.weights_digest == second.weights_digest


def test_its_weights_load_as_any_models(hub: Hub, tmp_path: Path) -> None:
    record = import_model(hub, NNUNET, name="blobs", hints=Hints()).model
    weights = tmp_path / "weights"
    weights.write_bytes(hub.objects.get(record.weights_digest))
    loaded = Model.load(weights, ModelManifest.from_json(record.manifest))
    assert loaded.manifest.classes == CLASSES
    assert loaded.manifest.name == "blobs"


@pytest.mark.parametrize("kind", ["nnunet", "monai"])
def test_a_training_starts_from_it(hub: Hub, tmp_path: Path, kind: str) -> None:
    record = import_model(hub, OTHERS / kind, name="blobs", hints=Hints()).model
    weights = tmp_path / "weights"
    weights.write_bytes(hub.objects.get(record.weights_digest))
    plan = ModelManifest.from_json(record.manifest).plan
    recipe = with_training(RECIPE, steps=2, validate_every=2)
    found = examples(tmp_path, 3)
    splits = Splits(training=found[:2], validation=found[2:])
    tuned = fit(recipe, plan, splits, workdir=tmp_path / "run", start_from=weights, threads=1)
    assert tuned.transfer is not None
    assert tuned.transfer.loaded
    assert not tuned.transfer.skipped
    assert not tuned.transfer.adapted
    assert tuned.weights != weights.read_bytes()


def test_a_model_goes_to_another_hub_and_back_as_it_is(hub: Hub, tmp_path: Path) -> None:
    record = import_model(hub, NNUNET, name="blobs", hints=Hints()).model
    export_model(hub, record, tmp_path / "out")
    other = Hub.at(tmp_path / "other")
    again = import_model(other, tmp_path / "out", name="blobs", hints=Hints())
    assert again.source == "plain_safetensors"
    assert again.model.weights_digest == record.weights_digest
    there, here = (ModelManifest.from_json(each.manifest) for each in (record, again.model))
    assert (there.plan, there.recipe) == (here.plan, here.recipe)
    with pytest.raises(Refused, match="holds something already"):
        export_model(hub, record, tmp_path / "out")


def test_weights_that_leave_layers_fresh_are_refused_unless_that_is_meant(
    hub: Hub, tmp_path: Path
) -> None:
    record = import_model(hub, NNUNET, name="blobs", hints=Hints()).model
    export_model(hub, record, tmp_path / "out")
    plan = Plan.from_json(json.loads((tmp_path / "out" / "plan.json").read_text()))
    wider = plan.to_json() | {"classes": [*plan.classes, "third"]}
    (tmp_path / "out" / "plan.json").write_text(json.dumps(wider))
    (tmp_path / "out" / "recipe.yaml").unlink()
    with pytest.raises(Refused, match=r"layers of the network are not in the weights.*seg_layers"):
        import_model(hub, tmp_path / "out", name="more", hints=Hints())
    assert [each.name for each in models(hub)] == ["blobs"]
    partial = import_model(hub, tmp_path / "out", name="more", hints=Hints(), is_partial=True)
    assert all("seg_layers" in name for name in partial.report.skipped)


def test_a_recipe_gives_it_its_routes_and_its_gate(hub: Hub) -> None:
    text = "{name: b, title: B, accepts: {modality: CT, body_part: [CHEST]}, task: {classes: %s}}"
    recipe = Recipe.from_yaml(text % list(CLASSES))
    made = import_model(hub, NNUNET, name="blobs", hints=Hints(), recipe=recipe).model
    kept = Recipe.from_yaml(made.manifest["recipe"])
    assert (kept.name, kept.accepts.body_part) == ("blobs", ["CHEST"])
    other = Recipe.from_yaml(text % ["bright", "else"])
    with pytest.raises(Refused, match="recipe b is for bright, else on CT"):
        import_model(hub, NNUNET, name="blobs", hints=Hints(), recipe=other)


def test_a_hostile_checkpoint_is_refused_and_leaves_no_model(hub: Hub, tmp_path: Path) -> None:
    folder, trace_file = tmp_path / "hostile", tmp_path / "trace"
    shutil.copytree(NNUNET, folder)
    checkpoint = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(checkpoint, weights_only=False)
    torch.save({**content, "logging": _Hostile(trace_file)}, checkpoint)
    with pytest.raises(BadFile, match=r"posix\.system, which is not data"):
        import_model(hub, folder, name="blobs", hints=Hints())
    assert not trace_file.exists()
    assert models(hub) == []


class _Hostile:
    def __init__(self, trace_file: Path) -> None:
        self.trace_file = trace_file

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.trace_file}",)


def test_a_folder_of_nothing_known_says_what_could_be_given(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UnknownName) as caught:
        import_model(hub, tmp_path, name="blobs", hints=Hints())
    assert "plans.json" in caught.value.hint
    assert "configs/metadata.json" in caught.value.hint


def test_a_name_that_is_none_is_refused(hub: Hub) -> None:
    with pytest.raises(BadRecipe, match="name"):
        import_model(hub, NNUNET, name="Not A Name", hints=Hints())


def test_weights_for_several_channels_are_for_training(hub: Hub, tmp_path: Path) -> None:
    record = import_model(hub, NNUNET, name="blobs", hints=Hints()).model
    export_model(hub, record, tmp_path / "out")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    (tmp_path / "out" / "plan.json").write_text(json.dumps(plan | {"input_channels": 3}))
    brought = import_model(hub, tmp_path / "out", name="several", hints=Hints())
    assert list(brought.report.adapted.values()) == ["mean of 1 channels, for 3"]
    assert "3 images together" in brought.notes[-1]
