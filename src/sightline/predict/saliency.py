"""What a classifier's answer rests on: gradient times input, smoothed.

(Shrikumar et al., 2017, arXiv 1605.01713.) Attributions are signed per voxel and noisy; their
absolute values, averaged over a few voxels around, show regions. They show where the answer would
change first, not why: a map that looks right proves nothing (Adebayo et al., 2018, arXiv
1810.03292).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from sightline.predict.engine import whole
from sightline.predict.model import Model
from sightline.prepare.grid import Lerp, positions
from sightline.prepare.image import prepare_image
from sightline.tasks.contract import TASKS
from sightline.values.arrays import Mask
from sightline.values.volume import Volume

_BLUR_SHARE = 1 / 24
_BRIGHTEST = 0.995


def is_of_whole_images(model: Model) -> bool:
    """Tell whether a model answers with numbers of a whole image, which can be attributed.

    Through a graph of ONNX no gradient leads back.
    """
    is_whole = TASKS.get(model.manifest.plan.task).answers == "each patch"
    return is_whole and model.manifest.weights != "onnx"


def attribution(model: Model, volume: Volume, *, class_name: str) -> Mask:
    """Return what an answer rests on, 0 to 255, on the grid of the volume.

    Args:
        model: answers with numbers of a whole image.
        volume: what it was asked for.
        class_name: whose number; of a name that is no class, all numbers together.
    """
    plan = model.manifest.plan
    prepared = prepare_image(volume, plan, is_whole=True)
    grid = prepared.grid
    fitted = whole(prepared.image, plan.patch).to(model.device)
    is_known = class_name in plan.classes and plan.output_count == len(plan.classes)
    output = plan.classes.index(class_name) if is_known else None
    heat = torch.from_numpy(saliency(model.network, fitted, output=output)).float()
    image = whole(heat, grid.shape)
    for axis, (count, ratio) in enumerate(zip(grid.source_shape, grid.ratio, strict=True)):
        image = Lerp.at(positions(count, 1 / ratio), image.shape[axis]).along(image, axis)
    back = grid.restore(image.round().to(torch.uint8).numpy())
    return np.asarray(back, dtype=np.uint8)


def saliency(
    network: nn.Module, image: torch.Tensor, *, output: int | None
) -> npt.NDArray[np.uint8]:
    """Return how much each voxel moves one output, 0 to 255; the same every time.

    Args:
        network: in evaluation mode; answers (batch, channels, slices, rows, columns) with logits
            (batch, outputs).
        image: (slices, rows, columns), prepared as the network expects it.
        output: which number; None for the sum of all.
    """
    leaf = image.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        logits = network(leaf[None, None])[0]
        logit = logits.sum() if output is None else logits[output]
        (gradient,) = torch.autograd.grad(logit, leaf)
    # A grey of 0 is no information of its own: what counts is how far a voxel is from the middle.
    moved = (gradient * (image - image.mean())).abs()
    smooth = _blurred(moved).detach().cpu().numpy()
    top = float(np.quantile(smooth, _BRIGHTEST))
    if top <= 0:
        return np.zeros(smooth.shape, np.uint8)
    return np.asarray((np.clip(smooth / top, 0, 1) * 255).astype(np.uint8))


def _blurred(values: torch.Tensor) -> torch.Tensor:
    """Average over a box within each slice, twice, which is near a Gaussian."""
    side = 2 * max(1, round(min(values.shape[1:]) * _BLUR_SHARE)) + 1
    for _ in range(2):
        values = functional.avg_pool2d(
            values[:, None], side, stride=1, padding=side // 2, count_include_pad=False
        )[:, 0]
    return values
