"""Small annotated examples and a recipe that trains on them in a second."""

from pathlib import Path

import numpy as np

from sightline.feed.example import Example
from sightline.store.arrays import StoredArray, write_array
from sightline.train.fingerprint import take_fingerprint
from sightline.train.plan import plan
from sightline.values.geometry import Geometry
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

CLASSES = ("bright", "brighter")
AXIAL = np.diag([1.5, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
"""Slices of 1.5 mm towards the head, rows to the back, columns to the left."""

RECIPE = Recipe.from_yaml(
    """
    name: blobs
    title: Two kinds of blob
    accepts: {modality: MR}
    task: {classes: [bright, brighter]}
    inputs: {patch: [16, 16, 16]}
    network: {base_channels: 4, levels: 2}
    training: {steps: 12, batch: 2, validate_every: 6, checkpoint_every: 4, validation_volumes: 2}
    """
)


def blobs(seed: int, shape: tuple[int, int, int] = (20, 24, 22)) -> tuple[np.ndarray, np.ndarray]:
    """Make an image with one box of each class, and its mask."""
    random = np.random.default_rng(seed)
    image = random.normal(100, 5, shape)
    mask = np.zeros(shape, np.uint8)
    for number in (1, 2):
        corner = [int(random.integers(1, size // 2 - 6)) for size in shape]
        corner[2] += (number - 1) * shape[2] // 2
        box = tuple(slice(at, at + 6) for at in corner)
        image[box] += 60 * number
        mask[box] = number
    return image.astype(np.int16), mask


def example(folder: Path, seed: int, affine: np.ndarray = AXIAL, *, scale: int = 1) -> Example:
    """Store one volume with its mask; `scale` multiplies its values."""
    image, mask = blobs(seed)
    write_array(folder / f"image-{seed}", image * scale, {})
    write_array(folder / f"mask-{seed}", mask, {})
    return stored(folder, seed, affine)


def stored(folder: Path, seed: int, affine: np.ndarray = AXIAL) -> Example:
    """Open one that was stored."""
    volume = StoredArray.open(folder / f"image-{seed}")
    return Example(
        series_uid=f"2.25.{seed}",
        subject_id=f"S-{seed:010d}",
        volume=volume,
        mask=StoredArray.open(folder / f"mask-{seed}"),
        geometry=Geometry.from_affine(volume.shape, affine),
        modality="MR",
    )


def examples(folder: Path, count: int, *, first: int = 0) -> list[Example]:
    """Store some."""
    return [example(folder, first + index) for index in range(count)]


def planned(found: list[Example], recipe: Recipe = RECIPE) -> Plan:
    """Plan a recipe on examples."""
    return plan(recipe, take_fingerprint(found, tuple(recipe.task.classes)))


def with_training(recipe: Recipe = RECIPE, **changes: object) -> Recipe:
    """Change the schedule of a recipe."""
    training = recipe.training.model_dump() | changes
    return Recipe.model_validate(recipe.model_dump() | {"training": training})
