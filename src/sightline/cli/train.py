"""Train a recipe on a collection; resumable, and repeatable bit for bit."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sightline import extras
from sightline.cli.context import new_verb, settings_of
from sightline.errors import Refused
from sightline.hub.hub import Hub
from sightline.recipes.library import recipe_named
from sightline.settings import Settings
from sightline.values.recipe import Recipe

APP = new_verb()


@APP.command()
def train(
    ctx: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a .yaml file.")] = "",
    on: Annotated[str, typer.Option(help="The collection: NAME@N, or NAME: the newest.")] = "",
    start_from: Annotated[
        str | None, typer.Option("--from", help="Fine-tune this model: NAME@N.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps, instead of the recipe's.")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with a run that was stopped.")] = None,
) -> None:
    """Train a recipe on a collection and keep the model with its lineage."""
    settings = settings_of(ctx)
    sessions = extras.load("sightline.train.session", extra="learn")
    hub = Hub.open(settings)
    if resume is None:
        if not recipe or not on:
            raise Refused("nothing to train", hint="sightline train RECIPE --on NAME@N")
        chosen = _with_steps(recipe_named(recipe), steps)
        session = sessions.begin(hub, chosen, on, start_from=start_from, runs_dir=settings.runs_dir)
    else:
        session = sessions.resume(hub, resume, runs_dir=settings.runs_dir)
    print(
        f"{session.run_id}: if it is stopped, go on with: sightline train --resume {session.run_id}"
    )
    _report(_train(sessions, hub, session, settings=settings))


def _train(sessions: Any, hub: Hub, session: Any, *, settings: Settings) -> Any:  # noqa: ANN401 - loaded with the extra
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(bar_width=24),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    console = Console(stderr=True)
    # A log gets whole lines, a terminal a bar.
    with Progress(
        *columns, console=console, refresh_per_second=2, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task("", total=session.recipe.training.steps)

        def show(state: Any) -> None:  # noqa: ANN401 - loaded with the extra
            progress.update(bar, completed=state.step, description=_line(state))
            if not console.is_terminal and state.step % _PLAIN_EVERY == 0:
                line = f"step {state.step}/{state.steps}  {_line(state)}"
                console.print(line, highlight=False, soft_wrap=True)

        return sessions.train(hub, session, threads=settings.threads, on_progress=show)


_PLAIN_EVERY = 25


def _line(state: Any) -> str:  # noqa: ANN401 - loaded with the extra
    dice = "-" if state.validation_dice is None else f"{state.validation_dice:.3f}"
    return (
        f"loss {state.loss:.3f}  validation Dice {dice}  {state.patches_per_s:.1f} patches/s  "
        f"{state.time_left_s / 60:.1f} min left  waiting for data {state.wait_share:.1%}"
    )


def _report(trained: Any) -> None:  # noqa: ANN401 - loaded with the extra
    record = trained.record
    if trained.transfer is not None:
        print(
            f"taken from the earlier model: {len(trained.transfer.loaded)} layers; "
            f"made fresh: {len(trained.transfer.skipped)}"
        )
        for name, why in trained.transfer.skipped.items():
            print(f"  {name}: {why}")
    print(
        f"{trained.model.label}: {record['steps']} steps in {record['seconds'] / 60:.1f} min, "
        f"waited for data {record['wait_share']:.1%}, weights {trained.model.weights_digest[:12]}"
    )
    print(f"Next: sightline evaluate {trained.model.label}")


def _with_steps(recipe: Recipe, steps: int | None) -> Recipe:
    if steps is None:
        return recipe
    training = recipe.training.model_copy(update={"steps": steps})
    return Recipe.model_validate(recipe.model_copy(update={"training": training}).model_dump())
