"""Evaluate a model on a locked test split, with bootstrap intervals."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from sightline import extras
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub
from sightline.hub.models import model

APP = new_verb()


@APP.command()
def evaluate(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The model: NAME@N, or NAME: the newest.")],
    on: Annotated[
        str | None, typer.Option(help="The collection; without it, the one it was trained on.")
    ] = None,
) -> None:
    """Evaluate a model on a locked test split; the evaluation is counted and kept."""
    settings = settings_of(ctx)
    sessions = extras.load("sightline.train.session", extra="learn")
    hub = Hub.open(settings)
    chosen = model(hub, name)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("series")
        collection, scored = sessions.evaluate_on_test(
            hub,
            chosen,
            on,
            threads=settings.threads,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    print(f"{chosen.label} on the locked test split of {collection.label}:")
    rows = [("all classes", scored.subjects, *_interval(scored.dice))]
    rows += [(each, "", *_interval(dice)) for each, dice in scored.dice_by_class.items()]
    print_table(("class", "subjects", "Dice", "95 % interval"), rows)
    print(scored.note)


def _interval(found: Any) -> tuple[str, str]:  # noqa: ANN401 - loaded with the extra
    if found.mean is None:
        return "-", ""
    return f"{found.mean:.4f}", f"{found.low:.4f} to {found.high:.4f}"
