"""A model applied to a volume."""

import itertools
import os

import numpy as np
import torch

from sightline.predict.labels import LogitsBox, decide
from sightline.predict.model import Model
from sightline.predict.windows import slide
from sightline.prepare.image import PreparedImage, prepare_image
from sightline.values.plan import Plan, Triple
from sightline.values.volume import Segmentation, Volume

_BODY_HU = -500.0
_BODY_STEP = 4


def set_threads(count: int) -> None:
    """Let torch use so many threads; 0 means one a core this process may use."""
    torch.set_num_threads(count or len(os.sched_getaffinity(0)))


def predict(model: Model, volume: Volume) -> Segmentation:
    """Draw what a model finds, on the grid of the volume; the same bytes every time.

    Logits exist on the network's grid only, classes on the volume's.
    """
    plan = model.manifest.plan
    prepared = prepare_image(volume, plan)
    first, stop = _body_box(prepared, plan)
    a, b, c = (slice(x, y) for x, y in zip(first, stop, strict=True))
    image = prepared.image[a, b, c].to(model.device)
    with torch.inference_mode():
        logits = _mirrored(model, image, plan).cpu()
    grid = prepared.grid
    mask = decide(
        LogitsBox(logits=logits, first=first, grid_shape=grid.shape),
        shape=grid.source_shape,
        ratio=grid.ratio,
    )
    return Segmentation(
        mask=grid.restore(mask),
        geometry=volume.geometry,
        classes=model.manifest.classes,
        author=model.manifest.name,
    )


def _mirrored(model: Model, image: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Average the logits of an image and of its mirror images along the plan's axes."""

    def look(axes: tuple[int, ...]) -> torch.Tensor:
        logits = slide(model.network, image.flip(axes), patch=plan.patch, overlap=plan.overlap)
        return logits.flip([axis + 1 for axis in axes])  # logits have classes before the axes

    total, looks = look(()), 1
    for count in range(1, len(plan.mirror_axes) + 1):
        for axes in itertools.combinations(plan.mirror_axes, count):
            total += look(axes)
            looks += 1
    total /= looks
    return total


def _body_box(prepared: PreparedImage, plan: Plan) -> tuple[Triple, Triple]:
    """Find the box of a CT that holds the body; everything of other modalities."""
    shape = prepared.grid.shape
    window = plan.intensity.window
    if plan.modality != "CT" or window is None or not window[0] < _BODY_HU < window[1]:
        return (0, 0, 0), shape
    level = (_BODY_HU - window[0]) / (window[1] - window[0])
    is_body = (prepared.image[::_BODY_STEP, ::_BODY_STEP, ::_BODY_STEP] > level).numpy()
    if not is_body.any():
        return (0, 0, 0), shape
    bounds = []
    for axis, size in enumerate(shape):
        others = tuple(other for other in range(3) if other != axis)
        where = np.flatnonzero(is_body.any(axis=others))
        first = max(0, (int(where[0]) - 1) * _BODY_STEP)
        bounds.append((first, min(size, (int(where[-1]) + 2) * _BODY_STEP)))
    (a, b), (c, d), (e, f) = bounds
    return (a, c, e), (b, d, f)
