"""A model applied to a volume."""

import os
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch

from sightline.errors import Refused
from sightline.predict.backends.contract import Look
from sightline.predict.labels import LogitsBox, decide
from sightline.predict.model import Model
from sightline.predict.windows import Sliding, corners, mirrored, padded, slide, stitched
from sightline.prepare.grid import Lerp, positions
from sightline.prepare.image import PreparedImage, prepare_image
from sightline.tasks.contract import TASKS, Peak
from sightline.values.answer import Answer
from sightline.values.arrays import Voxels
from sightline.values.plan import Plan, Triple
from sightline.values.statement import Place
from sightline.values.volume import Segmentation, Volume

Prepare: TypeAlias = Callable[..., PreparedImage]
"""`prepare_image`, or what answers as it does."""


def set_threads(count: int) -> None:
    """Let torch use so many threads; 0 means one a core this process may use."""
    torch.set_num_threads(count or len(os.sched_getaffinity(0)))


def predict(model: Model, volume: Volume) -> Segmentation:
    """Draw what a model finds, on the grid of the volume; the same bytes every time.

    Raises:
        Refused: The model draws nothing: it answers with numbers, places or an image.
    """
    drawn = answer(model, volume).segmentation
    if drawn is None:
        raise Refused(
            f"{model.manifest.name} answers with no mask: its task is {model.manifest.plan.task}",
            hint="Use a model that segments.",
        )
    return drawn


def answer(model: Model, volume: Volume, *, prepare: Prepare = prepare_image) -> Answer:
    """Return what a model says of a volume; the same every time.

    Logits exist on the network's grid only, classes and images on the volume's.

    Args:
        model: what is applied.
        volume: what it is applied to.
        prepare: makes of a volume what a network sees, or has it ready from another network.
    """
    plan = model.manifest.plan
    task = TASKS.get(plan.task)
    prepared = prepare(volume, plan, is_whole=task.answers == "each patch")
    if task.answers == "each patch":
        image = whole(prepared.image, plan.patch).to(model.device)
        logits = _look(model)(image[None, None])[0]
        return Answer(numbers=task.decode(logits.cpu(), plan).numbers)
    sliding = Sliding(
        patch=plan.patch,
        overlap=plan.overlap,
        outputs=plan.output_count,
        # Air is background in a mask; in an image it is a value like any other.
        air=prepared.air if task.needs == "mask" else None,
    )
    if task.needs == "mask":
        return Answer(segmentation=_drawn(model, volume, prepared, sliding=sliding))
    logits = slide(_look(model), prepared.image.to(model.device), sliding).cpu()
    decoded = task.decode(logits, plan)
    if decoded.image is not None:
        return Answer(image=_made(decoded.image, volume, prepared))
    return Answer(places=_places(decoded.peaks, volume, prepared, plan=plan))


def windows_of(model: Model, volume: Volume, count: int = 3) -> list[torch.Tensor]:
    """Return some of the windows of a volume that a model is asked for, as it is asked for them."""
    plan = model.manifest.plan
    if TASKS.get(plan.task).answers == "each patch":
        image = prepare_image(volume, plan, is_whole=True).image
        return [whole(image, plan.patch)[None, None].to(model.device)]
    image = padded(prepare_image(volume, plan).image, plan.patch)
    slices, rows, columns = image.shape
    placed = list(corners((slices, rows, columns), plan.patch, plan.overlap))
    chosen = placed[:: max(1, len(placed) // count)][-count:]
    boxes = [tuple(slice(a, a + n) for a, n in zip(at, plan.patch, strict=True)) for at in chosen]
    return [image[box][None, None].to(model.device) for box in boxes]


def _look(model: Model) -> Look:
    return mirrored(model.look, model.manifest.plan.mirror_axes)


def _drawn(
    model: Model, volume: Volume, prepared: PreparedImage, *, sliding: Sliding
) -> Segmentation:
    plan, grid = model.manifest.plan, prepared.grid
    decode = TASKS.get(plan.task).decode

    def winner_of(logits: torch.Tensor) -> torch.Tensor:
        classes = decode(logits, plan).classes
        if classes is None:
            raise AssertionError("a task that needs a mask answers with one")
        return classes

    image = prepared.image.to(model.device)
    box = LogitsBox(
        slabs=stitched(_look(model), image, sliding),
        shape=prepared.shape,
        first=prepared.first,
        grid_shape=grid.shape,
    )
    mask = decide(box, shape=grid.source_shape, ratio=grid.ratio, winner_of=winner_of)
    return Segmentation(
        mask=grid.restore(mask),
        geometry=volume.geometry,
        classes=model.manifest.classes,
        author=model.manifest.name,
    )


def whole(image: torch.Tensor, patch: Triple) -> torch.Tensor:
    """Bring a whole image to the shape of a patch: padded with 0 or cut on both sides alike."""
    for axis, length in enumerate(patch):
        size = image.shape[axis]
        if size > length:
            image = image.narrow(axis, (size - length) // 2, length)
    missing = [length - size for length, size in zip(patch, image.shape, strict=True)]
    sides = [side for gap in reversed(missing) for side in (gap // 2, gap - gap // 2)]
    return torch.nn.functional.pad(image, sides)


def _made(image: torch.Tensor, volume: Volume, prepared: PreparedImage) -> Voxels:
    """Bring an image back to the grid and the unit of the volume."""
    grid, scaling = prepared.grid, prepared.scaling
    for axis, (count, ratio) in enumerate(zip(grid.source_shape, grid.ratio, strict=True)):
        at = positions(count, 1 / ratio) - prepared.first[axis]
        image = Lerp.at(at, image.shape[axis]).along(image, axis)
    stored = grid.restore((image * scaling.width + scaling.centre).numpy())
    return (stored * volume.slope + volume.intercept).astype(np.float32)


def _places(
    peaks: Sequence[Peak], volume: Volume, prepared: PreparedImage, *, plan: Plan
) -> tuple[Place, ...]:
    """Bring places of the network's grid to the patient."""
    to_source, to_patient = prepared.grid.to_source(), volume.geometry.matrix
    places = []
    for peak in peaks:
        index = np.array([*np.add(peak.index, prepared.first), 1.0])
        x, y, z, _ = (to_patient @ np.array([*(to_source @ index), 1.0])).tolist()
        height, depth, width = np.multiply(peak.size, plan.spacing_mm).tolist()
        places.append(
            Place(
                class_name=peak.class_name,
                centre_mm=(x, y, z),
                size_mm=(width, depth, height),
                score=peak.score,
            )
        )
    return tuple(places)
