"""From a member of a collection to an example: does what is known of it answer what is asked?"""

from typing import Any

from sightline.errors import Refused
from sightline.feed.example import Example
from sightline.hub.admission import volume_geometry
from sightline.hub.collections import StoredMember
from sightline.tasks.contract import TASKS, Task
from sightline.values.collection import CollectionVersion
from sightline.values.recipe import Recipe
from sightline.values.statement import Statement


def example_of(stored: StoredMember, recipe: Recipe, chosen: CollectionVersion) -> Example:
    """Turn a member of a collection into an example of a recipe.

    Raises:
        Refused: It is annotated with something else than the recipe asks for, or not at all.
    """
    task = TASKS.get(recipe.task.kind)
    attributes = stored.volume.attributes
    slope, intercept = stored.volume.scale
    return Example(
        series_uid=stored.member.series_uid,
        subject_id=stored.member.subject_id,
        volume=stored.volume,
        geometry=volume_geometry(attributes, stored.volume.shape),
        modality=attributes["modality"],
        slope=slope,
        intercept=intercept,
        **_taught(stored, task, recipe=recipe, chosen=chosen),
    )


def _taught(
    stored: StoredMember, task: Task, *, recipe: Recipe, chosen: CollectionVersion
) -> dict[str, Any]:
    if task.needs == "mask":
        _check_mask(stored, recipe, chosen)
        return {"mask": stored.mask}
    if task.needs == "image":
        return {"image": _image(stored, recipe, chosen)}
    said = _statement(stored, task, recipe=recipe, chosen=chosen)
    if task.needs == "places":
        return {"mask": stored.mask, "statement": said}
    if task.encode is None:
        raise AssertionError("a task of whole images says how its target is encoded")
    return {"statement": said, "numbers": task.encode(said, tuple(recipe.task.classes))}


def _check_mask(stored: StoredMember, recipe: Recipe, chosen: CollectionVersion) -> None:
    classes = stored.mask.attributes["classes"] if stored.mask else None
    if classes != recipe.task.classes or stored.statement is not None:
        raise Refused(
            f"{stored.member.series_uid} of {chosen.label} is annotated with {classes}; "
            f"recipe {recipe.name} asks {recipe.task.classes}",
            hint="Make the collection with --classes as in the recipe.",
        )


def _image(stored: StoredMember, recipe: Recipe, chosen: CollectionVersion) -> Any:  # noqa: ANN401 - a StoredArray
    image = stored.image
    if image is None:
        raise Refused(
            f"{stored.member.series_uid} of {chosen.label} has no series beside it to be made "
            f"into; recipe {recipe.name} restores images",
            hint="Make the collection with --into WORDS of the description of that series.",
        )
    grids = [volume_geometry(each.attributes, each.shape) for each in (stored.volume, image)]
    if not grids[0].is_same_grid(grids[1]) or stored.volume.scale != image.scale:
        raise Refused(
            f"{stored.member.series_uid} of {chosen.label} and the series it is to be made into "
            "differ in grid or rescale",
            hint="Resample one of them to the other's grid, and send it as a series of its own.",
        )
    return image


def _statement(
    stored: StoredMember, task: Task, *, recipe: Recipe, chosen: CollectionVersion
) -> Statement:
    asked, said = recipe.task, stored.statement
    named = f"{stored.member.series_uid} of {chosen.label}"
    if said is None or said.target != asked.target or said.kind != task.needs:
        found = f"{said.kind} of {said.target!r}" if said else "no statement"
        raise Refused(
            f"{named} is annotated with {found}; recipe {recipe.name} asks {task.needs} of "
            f"{asked.target!r}",
            hint="Make the collection with --target as in the recipe.",
        )
    is_answered = set(asked.classes) <= set(said.classes)
    if task.needs == "places":
        # Places are drawn with the numbers of the reader's classes.
        is_answered = tuple(asked.classes) == said.classes
    if not is_answered:
        raise Refused(
            f"{named} says {', '.join(said.classes)}; recipe {recipe.name} asks "
            f"{', '.join(asked.classes)}",
            hint="Name the classes in the recipe as the readers did.",
        )
    holding = [name for name in asked.classes if name in said.present]
    needs_one = asked.kind == "grade" or (asked.kind == "classify" and asked.exclusive)
    if needs_one and len(holding) != 1:
        raise Refused(
            f"{named} says {len(holding)} of {', '.join(asked.classes)}, and exactly one must hold",
            hint="Correct the statement, or say exclusive: false in a classification.",
        )
    return said
