"""Train a recipe on a collection; resumable, and repeatable bit for bit."""

import functools
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sightline import extras
from sightline.cli.context import new_verb, settings_of
from sightline.errors import Refused
from sightline.hub.hub import Hub
from sightline.hub.models import run as known_run
from sightline.recipes.library import recipe_named
from sightline.settings import Settings
from sightline.values.identity import LineageId
from sightline.values.recipe import Recipe

APP = new_verb()
Made = TypeVar("Made")
_PLAIN_EVERY = 25


@APP.command()
def train(
    ctx: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a .yaml file.")] = "",
    on: Annotated[str, typer.Option(help="The collection: NAME@N, or NAME: the newest.")] = "",
    start_from: Annotated[
        str | None, typer.Option("--from", help="Fine-tune this model: NAME@N.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps, instead of the recipe's.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Take as many steps as end in so many minutes on this device."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Cross-validate: so many trainings, and a model that averages them."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Train on auto, cpu, cuda or cuda:1.")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with a run that was stopped.")] = None,
) -> None:
    """Train a recipe on a collection and keep the model with its lineage."""
    settings = settings_of(ctx, device=device)
    sessions = extras.load("sightline.train.session", extra="learn")
    hub = Hub.open(settings)
    if resume is not None:
        session = sessions.resume(hub, resume, runs_dir=settings.runs_dir)
    elif not recipe or not on:
        raise Refused("nothing to train", hint="sightline train RECIPE --on NAME@N")
    else:
        session = _beginning(folds)(
            hub,
            _with_steps(recipe_named(recipe), steps),
            on,
            workplace=sessions.Workplace.of(settings),
            wish=sessions.Wish(start_from=start_from, minutes=minutes),
        )
    print(
        f"{session.run_id}: if it is stopped, go on with: sightline train --resume {session.run_id}"
    )
    print(f"{session.plan.steps} steps: {session.plan.reasons.get('steps', '')}")
    is_crossed = bool(known_run(hub, LineageId(session.run_id)).record.get("folds"))
    (_train_cross if is_crossed else _train_one)(hub, session, settings)


def run_with_progress(steps: int, work: Callable[[Callable[[Any], None]], Made]) -> Made:
    """Do a training and show its steps: a bar on a terminal, whole lines in a log."""
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(bar_width=24),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, refresh_per_second=2, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task("", total=steps)

        def show(state: Any) -> None:  # noqa: ANN401 - loaded with the extra
            progress.update(bar, completed=state.step, description=_line(state))
            if not console.is_terminal and state.step % _PLAIN_EVERY == 0:
                line = f"step {state.step}/{state.steps}  {_line(state)}"
                console.print(line, highlight=False, soft_wrap=True)

        return work(show)


def _beginning(folds: int | None) -> Callable[..., Any]:
    if folds is None:
        begin: Callable[..., Any] = extras.load("sightline.train.session", extra="learn").begin
        return begin
    crossing = extras.load("sightline.train.cross", extra="learn")
    return functools.partial(crossing.begin_cross, folds=folds)


def _train_one(hub: Hub, session: Any, settings: Settings) -> None:  # noqa: ANN401 - loaded with the extra
    sessions = extras.load("sightline.train.session", extra="learn")
    trained = run_with_progress(
        session.plan.steps,
        lambda show: sessions.train(
            hub, session, tracking=settings.tracking_file, on_progress=show
        ),
    )
    _report(trained)


def _train_cross(hub: Hub, session: Any, settings: Settings) -> None:  # noqa: ANN401 - loaded with the extra
    crossing = extras.load("sightline.train.cross", extra="learn")
    trained = run_with_progress(
        session.plan.steps,
        lambda show: crossing.train_cross(
            hub,
            session,
            tracking=settings.tracking_file,
            on_fold=lambda own: print(f"fold {own.fold}: {own.run_id}"),
            on_progress=show,
        ),
    )
    for each in trained.record["cross_validation"]:
        print(
            f"fold {each['fold']}: {each['model']}, {each['metric']} {_score(each['score'])} over "
            f"{each['subjects']} subjects it has not seen"
        )
    print(
        f"{trained.model.label}: averages {len(trained.record['cross_validation'])} networks; "
        f"cross-validated {trained.record['metric']} "
        f"{_score(trained.record['validation_score'])}, "
        f"weights {trained.model.weights_digest[:12]}"
    )


def _line(state: Any) -> str:  # noqa: ANN401 - loaded with the extra
    reached = _score(state.validation_score)
    return (
        f"loss {state.loss:.3f}  validation {state.metric} {reached}  "
        f"{state.patches_per_s:.1f} patches/s  "
        f"{state.time_left_s / 60:.1f} min left  waiting for data {state.wait_share:.1%}"
    )


def _report(trained: Any) -> None:  # noqa: ANN401 - loaded with the extra
    record = trained.record
    if trained.transfer is not None:
        print(
            f"taken from the earlier model: {len(trained.transfer.loaded)} layers; "
            f"adapted: {len(trained.transfer.adapted)}; "
            f"made fresh: {len(trained.transfer.skipped)}"
        )
        for name, why in (trained.transfer.adapted | trained.transfer.skipped).items():
            print(f"  {name}: {why}")
    if record["kept_step"] != record["steps"]:
        print(f"stopped early: the weights of step {record['kept_step']} were the best")
    print(
        f"{trained.model.label}: {record['steps']} steps in {record['seconds'] / 60:.1f} min, "
        f"waited for data {record['wait_share']:.1%}, weights {trained.model.weights_digest[:12]}"
    )
    feed = record["feed"]
    print(
        f"the feed settled on {feed['threads']} threads that read ({feed['reader']}), "
        f"{feed['ready']} batches of {feed['batch']} ahead and {feed['announced']} more announced, "
        f"and kept {feed['kept_mb'] / 1024:.1f} GB of decoded voxels in memory"
    )
    if "determinism_cost" in record:
        print(f"repeatability cost {record['determinism_cost']:+.1%} of a step")
    print(f"Next: sightline evaluate {trained.model.label}")


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _with_steps(recipe: Recipe, steps: int | None) -> Recipe:
    if steps is None:
        return recipe
    training = recipe.training.model_copy(update={"steps": steps})
    return Recipe.model_validate(recipe.model_copy(update={"training": training}).model_dump())
