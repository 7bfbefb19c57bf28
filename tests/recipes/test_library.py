from pathlib import Path

import pytest

from sightline.errors import BadRecipe, UnknownName
from sightline.recipes.library import recipe_named, recipe_names
from sightline.values.recipe import Recipe


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_validates_and_is_named_as_its_file(name: str) -> None:
    recipe = recipe_named(name)
    assert recipe.name == name
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_the_uses_of_the_first_release_are_there() -> None:
    assert {"hippocampus", "covid-chest"} <= set(recipe_names())


def test_a_recipe_is_read_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(recipe_named("hippocampus").to_yaml())
    assert recipe_named(str(path)) == recipe_named("hippocampus")


def test_unknown_names_and_broken_files_are_said() -> None:
    with pytest.raises(UnknownName, match="no recipe 'liver'"):
        recipe_named("liver")
    with pytest.raises(BadRecipe, match="cannot be read"):
        recipe_named("missing.yaml")
