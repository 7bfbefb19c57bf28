"""List the recipes that come with Sightline."""

from sightline.cli.context import new_verb, print_table
from sightline.recipes.library import recipe_named, recipe_names

APP = new_verb()


@APP.command()
def recipes() -> None:
    """List the recipes that come with Sightline."""
    found = [(name, recipe_named(name)) for name in recipe_names()]
    rows = [
        (name, each.title, each.accepts.modality, ", ".join(each.task.classes))
        for name, each in found
    ]
    print_table(("recipe", "title", "modality", "classes"), rows)
