"""A hub with a small collection, and a recipe that trains on it in a second."""

from pathlib import Path

from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, Shares, make_version
from sightline.hub.hub import Hub
from sightline.train.session import Workplace
from sightline.values.recipe import Recipe
from tests.hubs import CLASSES, study_of

TINY = Recipe.from_yaml(
    """
    name: tiny
    title: Two kinds of box
    accepts: {modality: CT, min_slices: 4}
    task: {classes: [ground_glass, consolidation]}
    inputs: {patch: [8, 16, 16], window: [-1000, 300]}
    network: {base_channels: 4, levels: 2}
    training: {steps: 6, batch: 2, validate_every: 2, checkpoint_every: 2, validation_volumes: 2}
    """
)
LABEL = "boxes@1"


def fill(folder: Path) -> None:
    """Admit six studies and make a collection of them: three to learn from, two to look at."""
    hub = Hub.at(folder / "hub")
    sources = folder / "sources"
    sources.mkdir(parents=True)
    for number in range(6):
        admit(hub, study_of(number, sources))
    make_version(hub, "boxes", Criteria(classes=CLASSES), shares=Shares(validation=0.34, test=0.17))
    hub.close()


def workplace(folder: Path) -> Workplace:
    """Train on two threads of the processor."""
    return Workplace(runs_dir=folder / "runs", threads=2, device="cpu")


def with_training(**changes: object) -> Recipe:
    """Change the schedule of the recipe."""
    training = TINY.training.model_dump() | changes
    return Recipe.model_validate(TINY.model_dump() | {"training": training})
