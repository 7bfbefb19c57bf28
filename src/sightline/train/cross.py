"""Cross-validation: a run a fold, each held out once, and a model of them all."""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load

from sightline import log
from sightline.errors import NotKept, Refused
from sightline.hub.hub import Hub
from sightline.hub.models import (
    add_model,
    add_run_parents,
    finish_run,
    model_of_run,
    note_run,
    run,
    runs,
)
from sightline.networks.weights import load_tensors
from sightline.predict.engine import set_threads
from sightline.predict.model import Model, ModelManifest, weights_bytes
from sightline.train.evaluate import evaluate
from sightline.train.familiarity import become_familiar
from sightline.train.folds import Fold
from sightline.train.learner import Tensors
from sightline.train.material import splits
from sightline.train.progress import Progress
from sightline.train.session import (
    Session,
    Trained,
    Wish,
    Workplace,
    begin,
    draft,
    enter,
    session_of,
    train,
)
from sightline.values.model import ModelRecord, RunRecord
from sightline.values.recipe import Recipe

_log = log.get("train")
_FEWEST = 2


def begin_cross(
    hub: Hub, recipe: Recipe, label: str, *, folds: int, workplace: Workplace, wish: Wish
) -> Session:
    """Plan a cross-validation and enter it in the hub; its folds share one plan.

    Args:
        hub: the store.
        recipe: what to train.
        label: the collection.
        folds: how many parts the subjects of train and validation are parted into.
        workplace: where it shall happen.
        wish: what every fold begins with, and how long all of them together may take.

    Raises:
        UnknownName: There is no such collection or model.
        Refused: There are too few folds, subjects or minutes.
        BadRecipe: The earlier model does not fit the recipe.
        DamagedObject: An array cannot be read.
        MissingDevice: The device is not there.
    """
    if folds < _FEWEST:
        raise Refused(f"{folds} fold holds nothing out", hint="Ask for two folds at least.")
    minutes = wish.minutes / folds if wish.minutes is not None else None
    first = dataclasses.replace(wish, minutes=minutes, fold=Fold(number=1, count=folds))
    session = draft(hub, recipe, label, workplace=workplace, wish=first)
    splits(hub, recipe, session.collection, fold=session.fold)
    enter(hub, session, {"folds": folds, "minutes": wish.minutes})
    return session


def train_cross(
    hub: Hub,
    session: Session,
    *,
    on_fold: Callable[[Session], None],
    on_progress: Callable[[Progress], None],
    tracking: Path | None = None,
) -> Trained:
    """Train every fold that is left, and keep the model that averages them.

    Args:
        hub: the store.
        session: of the cross-validation.
        on_fold: called before a fold is trained.
        on_progress: called after every step of it.
        tracking: MLflow's database; None to write none.

    Raises:
        Refused: There are fewer subjects than folds.
        BadRecipe: The earlier model does not fit the recipe.
        DamagedObject: An array, weights or a checkpoint cannot be read.
        MissingDevice: The device that it began on is not there.
        NotKept: A checkpoint or a model could not be written; what was kept before stands.
    """
    count = int(run(hub, session.run_id).record["folds"])
    runs_dir = session.workdir.parent
    models, results = [], []
    for number in range(1, count + 1):
        part = _part(hub, session, Fold(number=number, count=count))
        if part.state == "started":
            own = session_of(hub, part, runs_dir=runs_dir)
            on_fold(own)
            train(hub, own, tracking=tracking, on_progress=on_progress)
        made = model_of_run(hub, part.lineage_id)
        if made is None:
            raise AssertionError("a finished run has a model")
        models.append(made)
        results.append(_held_out(hub, run(hub, part.lineage_id), made, runs_dir=runs_dir))
    return _kept(hub, session, models, results=results)


def _part(hub: Hub, parent: Session, fold: Fold) -> RunRecord:
    """Return the run of a fold, begun now unless it was before."""
    for each in runs(hub):
        is_part = each.record.get("part_of") == parent.run_id
        if is_part and each.record.get("fold") == str(fold):
            return each
    begun = begin(
        hub,
        parent.recipe,
        parent.collection.label,
        workplace=Workplace(
            runs_dir=parent.workdir.parent, threads=parent.threads, device=parent.device
        ),
        wish=Wish(
            start_from=parent.start_from.label if parent.start_from else None,
            fold=fold,
            plan=parent.plan,
            part_of=parent.run_id,
        ),
    )
    return run(hub, begun.run_id)


def _held_out(hub: Hub, part: RunRecord, made: ModelRecord, *, runs_dir: Path) -> dict[str, Any]:
    """Evaluate a fold's model on every subject that it has not seen; once."""
    if "held_out" not in part.record:
        own = session_of(hub, part, runs_dir=runs_dir)
        set_threads(own.threads)
        held = splits(hub, own.recipe, own.collection, fold=own.fold).validation
        with hub.objects.local_copies([made.weights_digest]) as (weights,):
            scored = evaluate(Model.load(weights, ModelManifest.from_json(made.manifest)), held)
        facts: dict[str, Any] = {
            "fold": str(own.fold),
            "model": made.label,
            "subjects": scored.subjects,
        }
        headline = scored.headline
        facts |= {"metric": headline.metric, "score": headline.figure.value}
        note_run(hub, part.lineage_id, {"held_out": facts})
    found: dict[str, Any] = run(hub, part.lineage_id).record["held_out"]
    return found


def _kept(
    hub: Hub, session: Session, models: list[ModelRecord], *, results: list[dict[str, Any]]
) -> Trained:
    """Keep the model of all folds, and what the folds came to."""
    first = ModelManifest.from_json(models[0].manifest)
    ensemble = ModelManifest(
        recipe=first.recipe,
        plan=first.plan,
        classes=first.classes,
        weights_digest="",
        members=len(models),
    )
    weights = _together(hub, ensemble, models)
    manifest = ensemble.to_json() | {"weights_digest": hashlib.sha256(weights).hexdigest()}
    record = {
        "recipe": ensemble.recipe,
        "cross_validation": results,
        "metric": results[0]["metric"],
        "validation_score": _mean(results),
        "steps": sum(run(hub, each.run_id).record["steps"] for each in models),
        "seconds": round(sum(run(hub, each.run_id).record["seconds"] for each in models), 1),
    }
    try:
        add_run_parents(hub, session.run_id, [each.lineage_id for each in models])
        made = add_model(
            hub, session.recipe.name, run_id=session.run_id, weights=weights, manifest=manifest
        )
        become_familiar(hub, made, session.collection, is_cross=True)
        finish_run(hub, session.run_id, record)
    except OSError as error:
        raise NotKept(
            f"the model of {session.run_id} could not be kept: {error}",
            hint=f"Its folds are kept. Make room, then: sightline train --resume {session.run_id}",
        ) from error
    shutil.rmtree(session.workdir, ignore_errors=True)
    _log.info("model_made", model=made.label, run=session.run_id, members=len(models))
    return Trained(model=made, record=record, transfer=None)


def _together(hub: Hub, manifest: ModelManifest, models: list[ModelRecord]) -> bytes:
    """Write the weights of all folds as one file."""
    network = manifest.build()
    tensors = Tensors()
    for index, each in enumerate(models):
        own = load(hub.objects.get(each.weights_digest))
        tensors |= {f"members.{index}.{name}": value for name, value in own.items()}
    load_tensors(network, tensors)
    return weights_bytes(network, manifest.classes)


def _mean(results: list[dict[str, Any]]) -> float | None:
    """Average over subjects, each scored by the model that has not seen it."""
    scored = [each for each in results if each["score"] is not None]
    subjects = sum(each["subjects"] for each in scored)
    return sum(each["score"] * each["subjects"] for each in scored) / subjects if subjects else None
