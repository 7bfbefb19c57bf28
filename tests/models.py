"""A model of the hub with real weights that nobody trained: it draws something, quickly."""

from pathlib import Path

import torch

from sightline.hub.hub import Hub
from sightline.hub.models import add_model
from sightline.networks.contract import build_network
from sightline.predict.model import ModelManifest, weights_bytes
from sightline.train.session import Workplace, draft
from sightline.values.model import ModelRecord
from sightline.values.recipe import Recipe
from tests.hubs import add_run

RECIPE = Recipe.from_yaml(
    """
    name: tiny
    title: A model that draws at once
    accepts: {modality: CT, min_slices: 4}
    task: {classes: [ground_glass, consolidation]}
    inputs: {window: [-1000, 300], patch: [8, 16, 16]}
    network: {base_channels: 4, max_channels: 8, levels: 2}
    triage:
      - {class_name: consolidation, min_volume_ml: 0.001, priority: 1, words: "consolidation"}
    """
)


def add_drawing(
    hub: Hub, collection: str, *, recipe: Recipe = RECIPE, seed: int = 0
) -> ModelRecord:
    """Enter a model of fresh weights as a training on the collection would."""
    run_id = add_run(hub, recipe.to_yaml(), collection)
    place = Workplace(runs_dir=Path("unused"), threads=1, device="cpu")
    plan = draft(hub, recipe, collection, workplace=place).plan
    torch.manual_seed(seed)
    weights = weights_bytes(build_network(plan), plan.classes)
    digest = hub.objects.put(weights)
    manifest = ModelManifest(
        recipe=recipe.to_yaml(), plan=plan, classes=plan.classes, weights_digest=digest
    )
    return add_model(hub, recipe.name, run_id=run_id, weights=weights, manifest=manifest.to_json())
