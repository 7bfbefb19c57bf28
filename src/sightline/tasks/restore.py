"""Make an image of an image, voxel by voxel: noise removed, a contrast foretold.

The target is another series of the study on the same grid, scaled as the input is; so what the
network says has the input's unit.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from sightline.tasks.contract import Decoded, Task
from sightline.values.answer import Answer
from sightline.values.evaluation import PictureNumbers
from sightline.values.plan import Plan
from sightline.values.recipe import Task as Asked

# Wang 2004 (10.1109/TIP.2003.819861): a window of 7 voxels, and constants for a range of 1.
_WINDOW, _C1, _C2 = 7, 0.01**2, 0.03**2


def loss(
    logits: Sequence[torch.Tensor],
    target: torch.Tensor,
    plan: Plan,  # noqa: ARG001 - a task's
    *,
    class_balance: float,  # noqa: ARG001 - a task's; images have no classes
) -> torch.Tensor:
    """Return the mean absolute difference at full resolution, which keeps edges sharp."""
    return functional.l1_loss(logits[0].float()[:, 0], target.float())


def ideal(target: torch.Tensor, plan: Plan) -> list[torch.Tensor]:  # noqa: ARG001 - a task's
    """Return what a network must say for images (batch, slices, rows, columns)."""
    return [target.float()[:, None]]


def decode(logits: torch.Tensor, plan: Plan) -> Decoded:  # noqa: ARG001 - a task's
    """Return the image."""
    return Decoded(image=logits[0].float())


def score(answer: Answer, truth: Answer, plan: Plan) -> tuple[PictureNumbers, ...]:
    """Compare two images of one grid; what is 1 is the range of the true one."""
    if answer.image is None or truth.image is None:
        raise AssertionError("a restoration answers with an image")
    made, true = answer.image.astype(np.float64), truth.image.astype(np.float64)
    low, high = float(true.min()), float(true.max())
    width = (high - low) or 1.0
    error = (made - true) / width
    squared = max(float((error**2).mean()), 1e-12)
    return (
        PictureNumbers(
            class_name=plan.classes[0],
            psnr_db=-10 * float(np.log10(squared)),
            mean_error=float(np.abs(made - true).mean()),
            ssim=_ssim((made - low) / width, (true - low) / width),
        ),
    )


def outputs(asked: Asked) -> int:  # noqa: ARG001 - a task's
    """Return one number."""
    return 1


def _ssim(made: npt.NDArray[np.float64], true: npt.NDArray[np.float64]) -> float:
    a, b = torch.from_numpy(made)[None, None], torch.from_numpy(true)[None, None]
    window = [min(_WINDOW, size) for size in made.shape]

    def mean(values: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool3d(values, window, stride=1)

    mean_a, mean_b = mean(a), mean(b)
    spread_a, spread_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    shared = mean(a * b) - mean_a * mean_b
    likeness = ((2 * mean_a * mean_b + _C1) * (2 * shared + _C2)) / (
        (mean_a**2 + mean_b**2 + _C1) * (spread_a + spread_b + _C2)
    )
    return float(likeness.mean())


def _words(_answer: Answer, _plan: Plan) -> str:
    return "image made"


PLUGIN = Task(
    title="an image made of an image",
    needs="image",
    answers="each voxel",
    outputs=outputs,
    loss=loss,
    ideal=ideal,
    decode=decode,
    score=score,
    words=_words,
)
