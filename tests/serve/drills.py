"""A good model, and twenty ways in which the next version of it is bad."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.errors import SightlineError
from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, Shares, make_version
from sightline.hub.hub import Hub
from sightline.hub.models import add_model
from sightline.predict.model import Model, ModelManifest, weights_bytes
from sightline.serve.engine import Engine
from sightline.serve.predicting import predict_series
from sightline.serve.publishing import publish_prediction
from sightline.serve.releasing import shadow
from sightline.serve.shadowing import shadow_series
from sightline.train.examine import examine_on_test
from sightline.train.session import Workplace, begin, train
from sightline.values.arrival import Source
from sightline.values.identity import SeriesUid
from sightline.values.model import ModelRecord
from sightline.values.recipe import Recipe
from tests.hubs import CLASSES, add_run, study_of

LEARNT, COMING = 30, 4
SHAPE = (8, 32, 32)
SITES = ("Alpha", "Beta")
RECIPE = Recipe.from_yaml(
    """
    name: lesions
    title: Two kinds of blob
    accepts: {modality: CT, min_slices: 4}
    task: {classes: [ground_glass, consolidation]}
    inputs: {window: [-1000, 300], patch: [8, 32, 32]}
    network: {base_channels: 8, levels: 2}
    training: {steps: 150, batch: 4, validate_every: 75, validation_volumes: 2}
    triage:
      - {class_name: consolidation, min_volume_ml: 0.02, priority: 2, words: "consolidation"}
    gate:
      at_least: 0.8
      min_subjects: 3
      low_at_least: 0.7
      worst_stratum: 0.75
      shadow_series: 4
      shadow_dice: 0.75
      shadow_same_priority: 1.0
      max_seconds: 60
    """
)


def blobs(seed: int, site: str) -> tuple[np.ndarray, np.ndarray]:
    """Make a lung in stored values (HU + 1024) with a blob of each class, and its mask."""
    chance = np.random.default_rng(seed)
    # The scanner of the second site is a little brighter.
    values = chance.normal(-850 if site == SITES[0] else -820, 25, SHAPE)
    mask = np.zeros(SHAPE, np.uint8)
    for number, level in ((1, -500), (2, 30)):
        row, column = chance.integers(3, 8, 2)
        column += 15 * (number - 1)
        box = np.s_[2:6, row : row + 8, column : column + 8]
        values[box] += level + 850
        mask[box] = number
    return (values + 1024).astype(np.int16), mask


@dataclasses.dataclass(frozen=True, kw_only=True)
class House:
    """A hub with a live model, and an archive with studies that it was applied to.

    Attributes:
        coming: series of those studies.
    """

    archive: Archive
    hub: Hub
    engine: Engine
    collection: str
    coming: tuple[SeriesUid, ...]
    live: ModelRecord

    def again(self, changed: "Changed") -> ModelRecord:
        """Enter what became of the live model as its next version."""
        with self.hub.objects.local_copies([self.live.weights_digest]) as (weights,):
            loaded = Model.load(weights, ModelManifest.from_json(self.live.manifest))
        manifest = changed(loaded.network, loaded.manifest)
        content = weights_bytes(loaded.network, manifest.classes)
        digest = self.hub.objects.put(content)
        run_id = add_run(self.hub, manifest.recipe, self.collection)
        kept = dataclasses.replace(manifest, weights_digest=digest).to_json()
        return add_model(self.hub, RECIPE.name, run_id=run_id, weights=content, manifest=kept)

    def evaluate(self, record: ModelRecord) -> None:
        examine_on_test(self.hub, record, None, threads=2, on_progress=lambda _done, _total: None)

    def run_in_shadow(self, record: ModelRecord) -> None:
        """Let a model run on what came, beside the live version."""
        shadow(self.hub, record.label, approver="A", reason="drill")
        for series in self.coming:
            shadow_series(
                self.archive, self.engine, self.hub, series_uid=series, model_id=record.lineage_id
            )


Changed: TypeAlias = Callable[[nn.Module, ModelManifest], ModelManifest]


def build(folder: Path) -> House:
    """Teach a good model and publish what it says of some studies; it is not live yet."""
    hub, archive = Hub.at(folder / "hub"), Archive.at(folder / "archive")
    sources = folder / "sources"
    sources.mkdir()
    for number in range(LEARNT):
        site = SITES[number % 2]
        admit(hub, study_of(number, sources, manufacturer=site, drawn=blobs(number, site)))
    shares = Shares(validation=0.15, test=0.4)
    chosen = make_version(hub, "blobs", Criteria(classes=CLASSES), shares=shares)
    coming = []
    for number in range(LEARNT, LEARNT + COMING):
        site = SITES[number % 2]
        came = study_of(number, sources, manufacturer=site, drawn=blobs(number, site))
        images = [each for each in came.instances if each.source_series_uid is None]
        for image in images:
            keep(archive, image.content, Source(name="test"))
        coming.append(SeriesUid(images[0].series_uid))
    place = Workplace(runs_dir=folder / "runs", threads=2, device="cpu")
    # The first version is not held against another, so it goes through no shadow.
    plain = RECIPE.gate.model_copy(
        update={
            "shadow_series": 0,
            "shadow_dice": None,
            "shadow_same_priority": None,
            "max_seconds": None,
        }
    )
    recipe = RECIPE.model_copy(update={"gate": plain})
    session = begin(hub, recipe, chosen.label, workplace=place)
    made = train(hub, session, on_progress=lambda _: None).model
    return House(
        archive=archive,
        hub=hub,
        engine=Engine(hub, threads=2),
        collection=chosen.label,
        coming=tuple(coming),
        live=made,
    )


def publish_all(house: House) -> None:
    """Publish what the live model says of every study that came."""
    for series in house.coming:
        made = predict_series(
            house.archive,
            house.engine,
            house.hub,
            series_uid=series,
            model_id=house.live.lineage_id,
        )
        assert made is not None
        publish_prediction(house.archive, house.hub, made, pacs="")


def with_recipe(manifest: ModelManifest, **parts: object) -> ModelManifest:
    """Change parts of a manifest's recipe."""
    recipe = Recipe.from_yaml(manifest.recipe).model_copy(update=parts)
    return dataclasses.replace(manifest, recipe=recipe.to_yaml())


def as_next(manifest: ModelManifest) -> ModelManifest:
    """Ask of a next version what the drill asks."""
    return with_recipe(manifest, gate=RECIPE.gate)


def convolutions(network: nn.Module) -> list[nn.Conv3d]:
    return [each for each in network.modules() if isinstance(each, nn.Conv3d)]


def last(network: nn.Module) -> nn.Conv3d:
    """Return the convolution that answers."""
    return [each for each in convolutions(network) if each.out_channels == len(CLASSES) + 1][-1]


def spoilt(change: Callable[[nn.Module], None]) -> Changed:
    """Change the weights alone."""

    def changed(network: nn.Module, manifest: ModelManifest) -> ModelManifest:
        with torch.no_grad():
            change(network)
        return as_next(manifest)

    return changed


def _fresh(network: nn.Module) -> None:
    torch.manual_seed(5)
    for each in network.modules():
        if hasattr(each, "reset_parameters"):
            each.reset_parameters()


def _swap_classes(network: nn.Module) -> None:
    answer, order = last(network), [0, 2, 1]
    answer.weight.copy_(answer.weight[order].clone())
    if answer.bias is not None:
        answer.bias.copy_(answer.bias[order].clone())


def _lean(network: nn.Module, number: int, by: float) -> None:
    answer = last(network)
    assert answer.bias is not None
    answer.bias[number] += by


def _noise(network: nn.Module, share: float) -> None:
    torch.manual_seed(6)
    for each in network.parameters():
        each.add_(torch.randn_like(each) * each.std() * share)


def _zero(network: nn.Module, place: int) -> None:
    convolutions(network)[place].weight.zero_()


def _negate(network: nn.Module) -> None:
    first = convolutions(network)[0]
    first.weight.neg_()


def _not_numbers(network: nn.Module) -> None:
    convolutions(network)[1].weight.fill_(float("nan"))


def _shuffle(network: nn.Module) -> None:
    torch.manual_seed(7)
    for each in convolutions(network)[:-1]:
        flat = each.weight.flatten()
        each.weight.copy_(flat[torch.randperm(len(flat))].view_as(each.weight))


def _round(network: nn.Module) -> None:
    """Round the weights to what a bad conversion leaves of them."""
    for each in network.parameters():
        each.copy_(each.round())


def _other_window(_network: nn.Module, manifest: ModelManifest) -> ModelManifest:
    intensity = dataclasses.replace(manifest.plan.intensity, window=(0.0, 4000.0))
    plan = dataclasses.replace(manifest.plan, intensity=intensity)
    return as_next(dataclasses.replace(manifest, plan=plan))


def _classes_exchanged_by_name(_network: nn.Module, manifest: ModelManifest) -> ModelManifest:
    names = (CLASSES[1], CLASSES[0])
    plan = dataclasses.replace(manifest.plan, classes=names)
    return as_next(dataclasses.replace(manifest, plan=plan, classes=names))


def _looser_gate(network: nn.Module, manifest: ModelManifest) -> ModelManifest:
    with torch.no_grad():
        _noise(network, 3.0)
    gate = RECIPE.gate.model_copy(
        update={"at_least": 0.0, "low_at_least": None, "worst_stratum": None, "shadow_dice": 0.0}
    )
    return with_recipe(manifest, gate=gate)


def _takes_little(_network: nn.Module, manifest: ModelManifest) -> ModelManifest:
    recipe = Recipe.from_yaml(manifest.recipe)
    accepts = recipe.accepts.model_copy(update={"min_slices": 50})
    return with_recipe(as_next(manifest), accepts=accepts)


def _never_urgent(_network: nn.Module, manifest: ModelManifest) -> ModelManifest:
    return with_recipe(as_next(manifest), triage=[])


def _too_slow(_network: nn.Module, manifest: ModelManifest) -> ModelManifest:
    # It looks at each voxel hundreds of times.
    plan = dataclasses.replace(manifest.plan, patch=(4, 8, 8), overlap=0.85)
    gate = RECIPE.gate.model_copy(update={"max_seconds": 4})
    return with_recipe(dataclasses.replace(manifest, plan=plan), gate=gate)


def unchanged(_network: nn.Module, manifest: ModelManifest) -> ModelManifest:
    """Make a next version as good as the live one."""
    return as_next(manifest)


@dataclasses.dataclass(frozen=True)
class Drill:
    """A next version, and what of the way to a release it went."""

    changed: Changed
    is_evaluated: bool = True
    is_shadowed: bool = True


DRILLS: dict[str, Drill] = {
    "never trained": Drill(spoilt(_fresh)),
    "classes exchanged in its weights": Drill(spoilt(_swap_classes)),
    "classes exchanged by name": Drill(_classes_exchanged_by_name),
    "finds nothing": Drill(spoilt(lambda network: _lean(network, 0, 100))),
    "finds ground glass everywhere": Drill(spoilt(lambda network: _lean(network, 1, 100))),
    "never finds consolidation": Drill(spoilt(lambda network: _lean(network, 2, -100))),
    "noise in its weights": Drill(spoilt(lambda network: _noise(network, 2.0))),
    "first layer lost": Drill(spoilt(lambda network: _zero(network, 0))),
    "a middle layer lost": Drill(spoilt(lambda network: _zero(network, 1))),
    "black is white to it": Drill(spoilt(_negate)),
    "weights that are no numbers": Drill(spoilt(_not_numbers)),
    "weights in another order": Drill(spoilt(_shuffle)),
    "weights rounded away": Drill(spoilt(_round)),
    "another window": Drill(_other_window),
    "a gate of its own": Drill(_looser_gate),
    "refuses what comes": Drill(_takes_little),
    "never urgent": Drill(_never_urgent),
    "too slow": Drill(_too_slow),
    "as good, never evaluated": Drill(unchanged, is_evaluated=False),
    "as good, never in shadow": Drill(unchanged, is_shadowed=False),
}
"""Twenty next versions that must not go live."""


def go_through(house: House, drill: Drill) -> ModelRecord:
    """Make a next version and put it through what comes before a release.

    What refuses to look at it at all is a stop, too: then it has no evaluation, or no shadow.
    """
    record = house.again(drill.changed)
    if drill.is_evaluated:
        with contextlib.suppress(SightlineError):
            house.evaluate(record)
    if drill.is_shadowed:
        house.run_in_shadow(record)
    return record
