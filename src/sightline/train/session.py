"""A training on a collection of the hub: from its name to a model with lineage."""

import dataclasses
import hashlib
import importlib.metadata
import importlib.resources
import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from sightline import clock, log
from sightline.errors import Refused
from sightline.feed.example import Example
from sightline.hub.admission import volume_geometry
from sightline.hub.collections import StoredMember, open_members, open_test_members, version
from sightline.hub.hub import Hub, new_id
from sightline.hub.models import (
    add_evaluation,
    add_model,
    finish_run,
    model,
    run,
    start_run,
)
from sightline.predict.engine import set_threads
from sightline.predict.model import Model, ModelManifest
from sightline.train.environment import environment
from sightline.train.evaluate import Evaluation, evaluate
from sightline.train.fingerprint import take_fingerprint
from sightline.train.plan import plan as make_plan
from sightline.train.progress import Progress
from sightline.train.run import Splits, fit
from sightline.train.transfer import Transfer
from sightline.values.collection import CollectionVersion
from sightline.values.identity import LineageId
from sightline.values.model import ModelRecord, RunRecord
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

_log = log.get("train")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One training that is entered in the hub and may be stopped and resumed.

    Attributes:
        start_from: the model whose weights it begins with; None for fresh ones.
        workdir: where its checkpoints lie until the model is kept.
    """

    run_id: LineageId
    recipe: Recipe
    collection: CollectionVersion
    start_from: ModelRecord | None
    workdir: Path


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What a session made."""

    model: ModelRecord
    record: dict[str, Any]
    transfer: Transfer | None


def begin(
    hub: Hub, recipe: Recipe, label: str, *, start_from: str | None, runs_dir: Path
) -> Session:
    """Enter a new run in the hub.

    Raises:
        UnknownName: There is no such collection or model.
    """
    chosen = version(hub, label)
    earlier = model(hub, start_from) if start_from else None
    run_id = new_id("run")
    start_run(
        hub,
        RunRecord(
            lineage_id=run_id,
            recipe=recipe.to_yaml(),
            collection=chosen.label,
            state="started",
            record={"code": code_facts(), "environment": environment()},
            created_at=clock.now().isoformat(),
            start_from=earlier.lineage_id if earlier else None,
        ),
    )
    return _session(run_id, recipe, chosen, earlier=earlier, runs_dir=runs_dir)


def resume(hub: Hub, run_id: str, *, runs_dir: Path) -> Session:
    """Take up a run that was stopped.

    Raises:
        UnknownName: There is no such run.
        Refused: It is finished, or another version of the code began it.
    """
    known = run(hub, LineageId(run_id))
    if known.state == "finished":
        raise Refused(f"{run_id} is finished", hint="`sightline models list` shows its model.")
    if known.record["code"] != code_facts():
        raise Refused(
            f"{run_id} was begun by other code than this",
            hint="Install the Sightline that began it, or train anew.",
        )
    earlier = model(hub, known.start_from) if known.start_from else None
    recipe = Recipe.from_yaml(known.recipe)
    chosen = version(hub, known.collection)
    return _session(known.lineage_id, recipe, chosen, earlier=earlier, runs_dir=runs_dir)


def plan_for(
    hub: Hub, recipe: Recipe, chosen: CollectionVersion, *, earlier: ModelRecord | None
) -> Plan:
    """Decide what the recipe leaves open, from the training split.

    Raises:
        Refused: The split is empty, or its annotations mark other classes than the recipe's.
        BadRecipe: The earlier model does not fit the recipe.
    """
    training = examples(_needed(open_members(hub, chosen, "train"), chosen), recipe, chosen)
    before = ModelManifest.from_json(earlier.manifest).plan if earlier else None
    return make_plan(
        recipe, take_fingerprint(training, tuple(recipe.task.classes)), start_from=before
    )


def train(
    hub: Hub, session: Session, *, threads: int, on_progress: Callable[[Progress], None]
) -> Trained:
    """Train to the end and keep the model; its checkpoints are removed then.

    Raises:
        Refused: A split is empty, or its annotations mark other classes than the recipe's.
        BadRecipe: The earlier model does not fit the recipe.
        DamagedObject: An array, weights or a checkpoint cannot be read.
    """
    recipe, chosen = session.recipe, session.collection
    earlier = session.start_from
    plan = plan_for(hub, recipe, chosen, earlier=earlier)
    with hub.objects.local_copies([earlier.weights_digest] if earlier else []) as weights:
        fitted = fit(
            recipe,
            plan,
            Splits(
                training=examples(open_members(hub, chosen, "train"), recipe, chosen),
                validation=examples(open_members(hub, chosen, "validation"), recipe, chosen),
            ),
            workdir=session.workdir,
            start_from=weights[0] if weights else None,
            threads=threads,
            on_progress=on_progress,
        )
    finish_run(hub, session.run_id, fitted.record)
    made = add_model(
        hub,
        recipe.name,
        run_id=session.run_id,
        weights=fitted.weights,
        manifest=fitted.manifest.to_json(),
    )
    shutil.rmtree(session.workdir, ignore_errors=True)
    _log.info("model_made", model=made.label, run=session.run_id, weights=made.weights_digest[:12])
    return Trained(model=made, record=fitted.record, transfer=fitted.transfer)


def evaluate_on_test(
    hub: Hub,
    record: ModelRecord,
    label: str | None,
    *,
    threads: int,
    on_progress: Callable[[int, int], None],
) -> tuple[CollectionVersion, Evaluation]:
    """Evaluate a model on a locked test split; the evaluation is counted and kept.

    Args:
        hub: the store.
        record: the model.
        label: the collection; None for the one it was trained on.
        threads: that torch uses; 0 means one a core.
        on_progress: called after every series with how many are done, and of how many.

    Raises:
        UnknownName: There is no such collection.
        Refused: The test split is empty, or its annotations mark other classes than the recipe's.
        DamagedObject: An array or the weights cannot be read.
    """
    chosen = version(hub, label or run(hub, record.run_id).collection)
    manifest = ModelManifest.from_json(record.manifest)
    recipe = Recipe.from_yaml(manifest.recipe)
    set_threads(threads)
    with hub.objects.local_copies([record.weights_digest]) as (weights,):
        loaded = Model.load(weights, manifest)
    tested = examples(_needed(open_test_members(hub, chosen), chosen), recipe, chosen)
    scored = evaluate(loaded, tested, on_done=lambda done: on_progress(done, len(tested)))
    add_evaluation(hub, record.lineage_id, chosen, split="test", content=scored.to_json())
    return chosen, scored


def examples(
    members: Sequence[StoredMember], recipe: Recipe, chosen: CollectionVersion
) -> list[Example]:
    """Turn members of a collection into examples of a recipe.

    Raises:
        Refused: Their annotations mark other classes than the recipe's.
    """
    for each in members:
        classes = each.mask.attributes["classes"] if each.mask else None
        if classes != recipe.task.classes:
            raise Refused(
                f"{each.member.series_uid} of {chosen.label} is annotated with {classes}; "
                f"recipe {recipe.name} asks {recipe.task.classes}",
                hint="Make the collection with --classes as in the recipe.",
            )
    return [_example(each) for each in members]


def _needed(members: list[StoredMember], chosen: CollectionVersion) -> list[StoredMember]:
    if not members:
        raise Refused(
            f"a split of {chosen.label} that is needed is empty",
            hint="Make a version with more subjects, or with other shares.",
        )
    return members


def code_facts() -> dict[str, str]:
    """Return version and digest of the code that trains."""
    digest = hashlib.sha256()
    for path, content in _sources(importlib.resources.files("sightline"), ""):
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    installed = importlib.metadata.version("sightline")
    return {"name": f"sightline {installed}", "digest": digest.hexdigest()}


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name not in {"web", "__pycache__"}:
            yield from _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield f"{prefix}{entry.name}", entry.read_bytes()


def _session(
    run_id: LineageId,
    recipe: Recipe,
    chosen: CollectionVersion,
    *,
    earlier: ModelRecord | None,
    runs_dir: Path,
) -> Session:
    return Session(
        run_id=run_id,
        recipe=recipe,
        collection=chosen,
        start_from=earlier,
        workdir=runs_dir / run_id,
    )


def _example(stored: StoredMember) -> Example:
    attributes = stored.volume.attributes
    slope, intercept = stored.volume.scale
    return Example(
        series_uid=stored.member.series_uid,
        subject_id=stored.member.subject_id,
        volume=stored.volume,
        geometry=volume_geometry(attributes, stored.volume.shape),
        modality=attributes["modality"],
        slope=slope,
        intercept=intercept,
        mask=stored.mask,
    )
