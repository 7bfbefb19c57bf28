"""Finding a recipe by its name or its path."""

import importlib.resources
from pathlib import Path

from sightline.errors import UnknownName
from sightline.values.recipe import Recipe

_SUFFIX = ".yaml"


def recipe_names() -> list[str]:
    """List the recipes that come with Sightline."""
    folder = importlib.resources.files("sightline.recipes")
    files = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX))


def recipe_named(name_or_path: str) -> Recipe:
    """Read a recipe of ours by its name, or any by its path, which ends in .yaml or .yml.

    Raises:
        UnknownName: There is no recipe of that name.
        BadRecipe: The file is missing, is no YAML or does not validate.
    """
    if name_or_path.endswith((_SUFFIX, ".yml")):
        return Recipe.from_file(Path(name_or_path))
    if name_or_path not in recipe_names():
        raise UnknownName(
            f"there is no recipe {name_or_path!r}",
            hint=f"Known: {', '.join(recipe_names())}; or give the path of a .yaml file.",
        )
    file = importlib.resources.files("sightline.recipes") / f"{name_or_path}{_SUFFIX}"
    return Recipe.from_yaml(file.read_text(encoding="utf-8"))
