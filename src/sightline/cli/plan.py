"""Show what a recipe leaves open, how it is decided for a collection, and why."""

import json
from typing import Annotated

import typer

from sightline import extras
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub
from sightline.recipes.library import recipe_named

APP = new_verb()


@APP.command()
def plan(
    ctx: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a .yaml file.")],
    on: Annotated[str | None, typer.Option(help="The collection: NAME@N.")] = None,
    start_from: Annotated[
        str | None, typer.Option("--from", help="Plan a fine-tuning of this model.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Time the first steps here, and plan what ends in so many minutes."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Plan for auto, cpu, cuda or cuda:1.")] = None,
) -> None:
    """Print the recipe with every default, and, for a collection, every planned value and why."""
    chosen = recipe_named(recipe)
    print(chosen.to_yaml(), end="")
    if on is None:
        return
    settings = settings_of(ctx, device=device)
    sessions = extras.load("sightline.train.session", extra="learn")
    wish = sessions.Wish(start_from=start_from, minutes=minutes)
    workplace = sessions.Workplace.of(settings)
    drawn = sessions.draft(Hub.open(settings), chosen, on, workplace=workplace, wish=wish)
    planned = drawn.plan.to_json()
    reasons = planned.pop("reasons")
    rows = [
        (name, json.dumps(value), reasons.get(name, ""))
        for name, value in planned.items()
        if name not in {"format", "version"}
    ]
    print_table(("planned", "value", "why"), rows)
