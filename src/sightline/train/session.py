"""A training on a collection of the hub: from its name to a model with lineage."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from sightline import clock, log
from sightline.errors import NotKept, Refused
from sightline.hub.collections import version
from sightline.hub.hub import Hub, new_id
from sightline.hub.models import (
    add_model,
    finish_run,
    model,
    run,
    start_run,
)
from sightline.networks.fitting import LayerReport
from sightline.predict.model import ModelManifest
from sightline.settings import Settings
from sightline.train.budget import Budget
from sightline.train.device import device_named, thread_count
from sightline.train.environment import code_facts, environment
from sightline.train.familiarity import become_familiar
from sightline.train.fingerprint import take_fingerprint
from sightline.train.folds import Fold
from sightline.train.material import examples, learnable, naming_damage, needed, splits
from sightline.train.pace import measure_pace, within
from sightline.train.plan import plan as make_plan
from sightline.train.progress import Progress
from sightline.train.run import FittedModel, fit
from sightline.train.tracking import Tracker
from sightline.values.collection import CollectionVersion
from sightline.values.identity import LineageId
from sightline.values.model import ModelRecord, RunRecord
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

_log = log.get("train")
# Of the time that is there, for timing the first steps.
_TRIAL_SHARE = 0.03
_LONGEST_TRIAL_S = 30.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """Where a training happens.

    Attributes:
        runs_dir: checkpoints lie in a folder of it.
        threads: that torch uses; 0 means one a core.
        device: by name; `auto` is a GPU where there is one.
    """

    runs_dir: Path
    threads: int = 0
    device: str = "auto"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read it from the settings."""
        return cls(runs_dir=settings.runs_dir, threads=settings.threads, device=settings.device)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a training is asked to do beyond its recipe.

    Attributes:
        start_from: name of the model whose weights it begins with; None for fresh ones.
        minutes: that it may take; None for as long as its steps take.
        fold: of a cross-validation; None to learn from the training split.
        plan: made before; None to make one.
        part_of: the cross-validation that it is a part of.
    """

    start_from: str | None = None
    minutes: float | None = None
    fold: Fold | None = None
    plan: Plan | None = None
    part_of: LineageId | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One training that is entered in the hub and may be stopped and resumed.

    Attributes:
        plan: what the recipe left open, decided when it began.
        start_from: the model whose weights it begins with; None for fresh ones.
        fold: of a cross-validation; None to learn from the training split.
        workdir: where its checkpoints lie until the model is kept.
        threads: that it began with, and goes on with.
        device: likewise.
    """

    run_id: LineageId
    recipe: Recipe
    collection: CollectionVersion
    plan: Plan
    start_from: ModelRecord | None
    fold: Fold | None
    workdir: Path
    threads: int
    device: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What a session made."""

    model: ModelRecord
    record: dict[str, Any]
    transfer: LayerReport | None


_NO_WISH = Wish()


def draft(
    hub: Hub, recipe: Recipe, label: str, *, workplace: Workplace, wish: Wish = _NO_WISH
) -> Session:
    """Plan a new run, and time its first steps where it has to end in time; enter nothing.

    Raises:
        UnknownName: There is no such collection or model.
        Refused: A split is empty, its annotations mark other classes than the recipe's, or the
            time is too short.
        BadRecipe: The earlier model does not fit the recipe.
        DamagedObject: An array cannot be read.
        MissingDevice: The device is not there.
    """
    began = clock.monotonic()
    chosen = version(hub, label)
    device, threads = device_named(workplace.device), thread_count(workplace.threads)
    earlier = model(hub, wish.start_from) if wish.start_from else None
    if earlier is not None:
        check_trainable(earlier)
    run_id = new_id("run")
    budget = Budget.of(device, threads)
    session = Session(
        run_id=run_id,
        recipe=recipe,
        collection=chosen,
        plan=wish.plan or _planned(hub, recipe, chosen, earlier=earlier, wish=wish, budget=budget),
        start_from=earlier,
        fold=wish.fold,
        workdir=workplace.runs_dir / run_id,
        threads=threads,
        device=str(device),
    )
    if wish.minutes is None:
        return session
    return _in_time(hub, session, minutes=wish.minutes, until=began + wish.minutes * 60)


def begin(
    hub: Hub, recipe: Recipe, label: str, *, workplace: Workplace, wish: Wish = _NO_WISH
) -> Session:
    """Plan a new run and enter it in the hub.

    Raises:
        UnknownName: There is no such collection or model.
        Refused: A split is empty, its annotations mark other classes than the recipe's, or the
            time is too short.
        BadRecipe: The earlier model does not fit the recipe.
        DamagedObject: An array cannot be read.
        MissingDevice: The device is not there.
    """
    session = draft(hub, recipe, label, workplace=workplace, wish=wish)
    enter(
        hub,
        session,
        {
            "fold": str(session.fold) if session.fold else None,
            "part_of": wish.part_of,
            "minutes": wish.minutes,
        },
    )
    return session


def enter(hub: Hub, session: Session, facts: dict[str, Any]) -> None:
    """Enter a session in the hub as a run that begins; `facts` joins its record."""
    record = {
        "code": code_facts(),
        "environment": environment(),
        "plan": session.plan.to_json(),
        "threads": session.threads,
        "device": session.device,
    }
    earlier = session.start_from
    start_run(
        hub,
        RunRecord(
            lineage_id=session.run_id,
            recipe=session.recipe.to_yaml(),
            collection=session.collection.label,
            state="started",
            record=record | facts,
            created_at=clock.now().isoformat(),
            start_from=earlier.lineage_id if earlier else None,
        ),
    )


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
    return session_of(hub, known, runs_dir=runs_dir)


def session_of(hub: Hub, known: RunRecord, *, runs_dir: Path) -> Session:
    """Return what a run does, as its record says.

    Raises:
        UnknownName: Its collection or the model it starts from is gone.
        DamagedObject: Its plan cannot be read.
    """
    fold = known.record.get("fold")
    # Runs of earlier versions tell it with what they measured.
    machine = known.record.get("hardware", {})
    return Session(
        run_id=known.lineage_id,
        recipe=Recipe.from_yaml(known.recipe),
        collection=version(hub, known.collection),
        plan=Plan.from_json(known.record["plan"]),
        start_from=model(hub, known.start_from) if known.start_from else None,
        fold=Fold.parse(fold) if fold else None,
        workdir=runs_dir / known.lineage_id,
        threads=int(known.record.get("threads") or machine["threads"]),
        device=known.record.get("device") or machine["device"],
    )


def train(
    hub: Hub,
    session: Session,
    *,
    on_progress: Callable[[Progress], None],
    tracking: Path | None = None,
) -> Trained:
    """Train to the end and keep the model; its checkpoints are removed then.

    Args:
        hub: the store.
        session: what to train.
        on_progress: called after every step.
        tracking: MLflow's database; None to write none.

    Raises:
        Refused: A split is empty, or its annotations mark other classes than the recipe's.
        BadRecipe: The earlier model does not fit the recipe.
        DamagedObject: An array, weights or a checkpoint cannot be read.
        MissingDevice: The device that it began on is not there.
        NotKept: A checkpoint or the model could not be written; what was kept before stands.
    """
    tracker = Tracker.of(tracking, session.run_id, name=session.recipe.name)
    fitted = fitted_by(
        hub, session, workdir=session.workdir, on_progress=tracker.heard_by(on_progress)
    )
    tracker.end(fitted.record)
    name = session.recipe.name
    try:
        # The model first: a run is finished only when nothing of it can be lost.
        made = add_model(
            hub,
            f"{name}-fold-{session.fold.number}" if session.fold else name,
            run_id=session.run_id,
            weights=fitted.weights,
            manifest=fitted.manifest.to_json(),
        )
        become_familiar(hub, made, session.collection, is_cross=session.fold is not None)
        finish_run(hub, session.run_id, fitted.record)
    except OSError as error:
        raise NotKept(
            f"the model of {session.run_id} could not be kept: {error}",
            hint="Its last checkpoint stands. Make room, then: "
            f"sightline train --resume {session.run_id}",
        ) from error
    shutil.rmtree(session.workdir, ignore_errors=True)
    _log.info("model_made", model=made.label, run=session.run_id, weights=made.weights_digest[:12])
    return Trained(model=made, record=fitted.record, transfer=fitted.transfer)


def fitted_by(
    hub: Hub, session: Session, *, workdir: Path, on_progress: Callable[[Progress], None]
) -> FittedModel:
    """Do the training of a session and keep nothing of it.

    Raises:
        Refused: A split is empty, or its annotations mark other classes than the recipe's.
        BadRecipe: The earlier model does not fit the recipe.
        DamagedObject: An array, weights or a checkpoint cannot be read.
        MissingDevice: The device that it began on is not there.
        NotKept: A checkpoint could not be written; the one before stands.
    """
    earlier, chosen = session.start_from, session.collection
    with (
        hub.objects.local_copies([earlier.weights_digest] if earlier else []) as weights,
        naming_damage(hub, chosen),
    ):
        return fit(
            session.recipe,
            session.plan,
            splits(hub, session.recipe, chosen, fold=session.fold),
            workdir=workdir,
            start_from=weights[0] if weights else None,
            threads=session.threads,
            device=session.device,
            on_progress=on_progress,
        )


def _planned(
    hub: Hub,
    recipe: Recipe,
    chosen: CollectionVersion,
    *,
    earlier: ModelRecord | None,
    wish: Wish,
    budget: Budget,
) -> Plan:
    """Decide what the recipe leaves open, from what may be learned from and the device."""
    members = needed(learnable(hub, chosen, is_cross=wish.fold is not None), chosen)
    before = ModelManifest.from_json(earlier.manifest).plan if earlier else None
    training = examples(members, recipe, chosen)
    with naming_damage(hub, chosen):
        mark = take_fingerprint(training, tuple(recipe.task.classes))
    return make_plan(recipe, mark, start_from=before, budget=budget)


def check_trainable(earlier: ModelRecord) -> None:
    """Do nothing where a training can start from a model.

    Raises:
        Refused: It is several networks, or a graph.
    """
    manifest = ModelManifest.from_json(earlier.manifest)
    if manifest.members > 1:
        raise Refused(
            f"{earlier.label} is several networks",
            hint="Fine-tune one of its folds; `sightline models list` shows them.",
        )
    if manifest.weights == "onnx":
        raise Refused(
            f"{earlier.label} is an ONNX graph, which can only be applied",
            hint="Ask its publisher for a package of safetensors.",
        )


def _in_time(hub: Hub, session: Session, *, minutes: float, until: float) -> Session:
    """Choose the steps that end until a moment of the monotonic clock."""
    earlier = session.start_from
    left = until - clock.monotonic()
    with hub.objects.local_copies([earlier.weights_digest] if earlier else []) as weights:
        pace = measure_pace(
            session.recipe,
            session.plan,
            splits(hub, session.recipe, session.collection, fold=session.fold),
            start_from=weights[0] if weights else None,
            threads=session.threads,
            device=session.device,
            seconds=min(_LONGEST_TRIAL_S, left * _TRIAL_SHARE),
        )
    return dataclasses.replace(
        session,
        plan=within(
            session.plan,
            session.recipe,
            pace,
            seconds=until - clock.monotonic(),
            why=f"what ends in {minutes:g} minutes",
        ),
    )
