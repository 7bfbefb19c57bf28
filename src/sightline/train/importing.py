"""Weights of others become a model of the hub, with what is known of where they come from."""

import dataclasses
import hashlib
import re
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from sightline import clock, log
from sightline.errors import Refused
from sightline.hub.hub import Hub, new_id
from sightline.hub.models import add_model, enter_foreign_run
from sightline.hub.packages import Vouched
from sightline.networks.contract import NETWORKS
from sightline.networks.fitting import LayerReport, fit_tensors
from sightline.networks.sources.contract import Brought, Hints, read_weights
from sightline.networks.sources.plain_safetensors import write_folder
from sightline.predict.model import ModelManifest, weights_bytes
from sightline.train.environment import environment
from sightline.values.model import ModelRecord, RunRecord
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

_log = log.get("train")
_SEED = 0
_CHUNK_BYTES = 2**20


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What came in.

    Attributes:
        source: which kind of folder it was.
        report: what became of every tensor.
        notes: what is not here as it was at home, for people.
    """

    model: ModelRecord
    source: str
    report: LayerReport
    notes: tuple[str, ...]


def import_model(
    hub: Hub,
    folder: Path,
    *,
    name: str,
    hints: Hints,
    source: str = "",
    recipe: Recipe | None = None,
    is_partial: bool = False,
) -> Imported:
    """Read weights of others and keep them as the next version of a model.

    Args:
        hub: the store.
        folder: of an nnU-Net training, a MONAI bundle, or safetensors with a plan.
        name: of the model.
        hints: what the folder may not say.
        source: which kind of folder it is; empty to find out.
        recipe: its accepts, triage and gate become the model's; None makes a plain one.
        is_partial: whether layers may be missing, for a model that is only to be trained on.

    Raises:
        UnknownName: No source knows the folder.
        BadFile: It is broken or hostile.
        Refused: It is something that Sightline does not have, or layers are missing.
        BadRecipe: The name is none, or the recipe is for something else.
        MissingExtra: What the network stands on is not installed.
    """
    kind, brought = read_weights(folder, hints, source=source)
    return enter_brought(hub, kind, brought, name=name, recipe=recipe, is_partial=is_partial)


def enter_brought(
    hub: Hub,
    source: str,
    brought: Brought,
    *,
    name: str,
    recipe: Recipe | None,
    is_partial: bool = False,
    vouched: Vouched | None = None,
) -> Imported:
    """Keep weights that a source read as the next version of a model.

    Args:
        hub: the store.
        source: its name.
        brought: what it read.
        name: of the model.
        recipe: its accepts, triage and gate become the model's; None makes a plain one.
        is_partial: whether layers may be missing.
        vouched: the package that they came in; None where they came in none.

    Raises:
        Refused: Layers are missing, or two classes would be called alike.
        BadRecipe: The name is none, or the recipe is for something else.
        MissingExtra: What the network stands on is not installed.
    """
    plan = _with_our_names(brought.plan)
    chosen = recipe_for(plan, name, recipe or _their_recipe(brought))
    network, report = _filled(plan, brought)
    _check_whole(report, is_partial=is_partial)
    weights = weights_bytes(network, plan.classes)
    manifest = ModelManifest(
        recipe=chosen.to_yaml(),
        plan=plan,
        classes=plan.classes,
        weights_digest=hashlib.sha256(weights).hexdigest(),
    )
    made = enter_foreign(
        hub,
        name,
        manifest,
        weights=weights,
        facts=_facts(source, brought),
        report=report,
        vouched=vouched,
    )
    return Imported(model=made, source=source, report=report, notes=(*brought.notes, *_hint(plan)))


def _filled(plan: Plan, brought: Brought) -> tuple[nn.Module, LayerReport]:
    """Build the network of a plan, with the weights that fit into it."""
    kind = NETWORKS.get(plan.network)
    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        network = kind.build(plan)
    return network, fit_tensors(network, brought.tensors, kind=kind)


def _facts(source: str, brought: Brought) -> dict[str, Any]:
    """Return where weights came from, as a run keeps it."""
    return {
        "source": source,
        "origin": brought.origin,
        "files": {path.name: _digest(path) for path in brought.files},
        "notes": list(brought.notes),
    }


def enter_foreign(
    hub: Hub,
    name: str,
    manifest: ModelManifest,
    *,
    weights: bytes,
    facts: dict[str, Any],
    report: LayerReport | None = None,
    vouched: Vouched | None = None,
) -> ModelRecord:
    """Keep a model that was made elsewhere, with the run that stands for its making.

    Args:
        hub: the store.
        name: of the model.
        manifest: what applying it needs.
        weights: as it names them.
        facts: source, origin, files and notes.
        report: what became of every tensor.
        vouched: the package that it came in.
    """
    now = clock.now().isoformat()
    package = {"package": vouched.installed.to_json()} if vouched else {}
    run = RunRecord(
        lineage_id=vouched.run_id if vouched else new_id("run"),
        recipe=manifest.recipe,
        collection="",
        state="finished",
        record={
            "elsewhere": facts | package,
            "plan": manifest.plan.to_json(),
            "transfer": dataclasses.asdict(report) if report else {},
            "environment": environment(),
        },
        created_at=now,
        finished_at=now,
    )
    told = {"source": str(facts["source"]), **facts["origin"], **facts["files"]}
    enter_foreign_run(hub, run, facts=told, package=vouched.installed if vouched else None)
    made = add_model(hub, name, run_id=run.lineage_id, weights=weights, manifest=manifest.to_json())
    source, digest = facts["source"], made.weights_digest[:12]
    _log.info("model_imported", model=made.label, source=source, weights=digest)
    return made


def export_model(hub: Hub, record: ModelRecord, folder: Path) -> None:
    """Write a model as a folder that `import_model` takes: plan, recipe and weights.

    Raises:
        DamagedObject: The weights do not match their digest.
        Refused: The folder holds something already, or the model is an ONNX graph.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} holds something already", hint="Name a new folder.")
    manifest = ModelManifest.from_json(record.manifest)
    if manifest.weights == "onnx":
        raise Refused(
            f"{record.label} is an ONNX graph, which no source of weights reads",
            hint=f"Give it away as a package: sightline models pack {record.label} --to FILE",
        )
    write_folder(
        folder,
        plan=manifest.plan,
        recipe=manifest.recipe,
        weights=hub.objects.get(record.weights_digest),
    )


def _hint(plan: Plan) -> tuple[str, ...]:
    if plan.input_channels == 1:
        return ()
    count = plan.input_channels
    return (f"it looks at {count} images together: a training that starts from it adapts that",)


def _with_our_names(plan: Plan) -> Plan:
    """Write the classes as recipes may name them."""
    names = [_as_name(each) for each in plan.classes]
    if len(set(names)) < len(names):
        raise Refused(
            f"two classes would be called alike: {', '.join(names)}",
            hint="Rename them in the file that lists them.",
        )
    return dataclasses.replace(plan, classes=tuple(names))


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "_", text.lower()).strip("_-")[:64] or "class"


def recipe_for(plan: Plan, name: str, given: Recipe | None) -> Recipe:
    """Return the recipe that the model will be routed and tuned by.

    Raises:
        Refused: The recipe is of other classes or another modality.
        BadRecipe: The name is none.
    """
    if given is None:
        plain = {
            "name": name,
            "title": f"{', '.join(plan.classes)}, by weights from elsewhere",
            "accepts": {"modality": plan.modality},
            "task": {"kind": plan.task, "classes": list(plan.classes)},
            "network": {"name": plan.network},
        }
        return Recipe.from_yaml(yaml.safe_dump(plain))
    wanted = tuple(given.task.classes), given.accepts.modality
    if wanted != (plan.classes, plan.modality):
        raise Refused(
            f"recipe {given.name} is for {', '.join(wanted[0])} on {wanted[1]}; the weights are "
            f"for {', '.join(plan.classes)} on {plan.modality}",
            hint="Give a recipe of these classes, or none.",
        )
    return Recipe.from_yaml(yaml.safe_dump(given.model_dump(mode="json") | {"name": name}))


def _their_recipe(brought: Brought) -> Recipe | None:
    return Recipe.from_yaml(brought.recipe) if brought.recipe else None


def _check_whole(report: LayerReport, *, is_partial: bool) -> None:
    if report.skipped and not is_partial:
        name, why = next(iter(report.skipped.items()))
        raise Refused(
            f"{len(report.skipped)} layers of the network are not in the weights; the first is "
            f"{name}: {why}",
            hint="--partial keeps it all the same, to start a training from; it would predict "
            "nonsense.",
        )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
