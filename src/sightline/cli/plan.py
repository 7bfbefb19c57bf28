"""Show what a recipe leaves open, how it is decided for a collection, and why."""

import json
from typing import Annotated

import typer

from sightline import extras
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.collections import version
from sightline.hub.hub import Hub
from sightline.hub.models import model
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
) -> None:
    """Print the recipe with every default, and, for a collection, every planned value and why."""
    chosen = recipe_named(recipe)
    print(chosen.to_yaml(), end="")
    if on is None:
        return
    hub = Hub.open(settings_of(ctx))
    sessions = extras.load("sightline.train.session", extra="learn")
    earlier = model(hub, start_from) if start_from else None
    planned = sessions.plan_for(hub, chosen, version(hub, on), earlier=earlier).to_json()
    reasons = planned.pop("reasons")
    rows = [
        (name, json.dumps(value), reasons.get(name, ""))
        for name, value in planned.items()
        if name not in {"format", "version"}
    ]
    print_table(("planned", "value", "why"), rows)
