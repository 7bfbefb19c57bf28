"""Name the class of every voxel: Dice and cross-entropy with deep supervision.

Classes exclude each other (softmax), or the recipe names overlapping regions of them (a sigmoid
each), which are painted one over the other into classes, as nnU-Net does.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from sightline.tasks.averaging import mean_of_each, mean_of_one
from sightline.tasks.contract import Decoded, Task, constant, strides_between
from sightline.values.answer import Answer
from sightline.values.arrays import Mask
from sightline.values.evaluation import MaskNumbers
from sightline.values.plan import Plan
from sightline.values.recipe import Task as Asked

# Keeps the Dice of a class that no patch of a batch holds from deciding the gradient.
_SMOOTH = 1.0
_SURE = 20.0
_AXES = (0, 2, 3, 4)


def loss(
    logits: Sequence[torch.Tensor], target: torch.Tensor, plan: Plan, *, class_balance: float
) -> torch.Tensor:
    """Sum Dice and cross-entropy over the levels, each half the weight of the finer one.

    The coarsest level is left out: a few voxels of it cannot show a small class. In the
    cross-entropy a voxel weighs its class's share of the voxels to the power -`class_balance`:
    where a class is rare, plain cross-entropy first drives its share of every voxel to nothing,
    and with it the gradient of its Dice.
    """
    levels = logits[:-1] if len(logits) > 1 else logits
    weights = [0.5**level for level in range(len(levels))]
    level_loss = _regions_loss if plan.regions else _classes_loss
    total = sum(
        weight
        * level_loss(level, _shrunk(target, level.shape[2:]), plan, class_balance=class_balance)
        for weight, level in zip(weights, levels, strict=True)
    )
    return torch.as_tensor(total / sum(weights))


def decode(logits: torch.Tensor, plan: Plan) -> Decoded:
    """Return the class that wins in each voxel of logits (outputs, slices, rows, columns)."""
    classes = torch.zeros(logits.shape[1:], dtype=torch.uint8, device=logits.device)
    if not plan.regions:
        # On a processor argmax takes six times as long.
        highest = logits[0].clone()
        for number, one in enumerate(logits[1:], start=1):
            classes.masked_fill_(one > highest, number)
            torch.maximum(highest, one, out=highest)
        return Decoded(classes=classes)
    for region, number in zip(logits, _painted(plan), strict=True):
        classes = torch.where(region > 0, torch.as_tensor(number, dtype=torch.uint8), classes)
    return Decoded(classes=classes)


def score(answer: Answer, truth: Answer, plan: Plan) -> tuple[MaskNumbers, ...]:
    """Compare two masks on one grid, class by class or region by region."""
    if answer.segmentation is None or truth.segmentation is None:
        raise AssertionError("a segmentation answers with a mask")
    voxel_ml = truth.segmentation.geometry.voxel_ml
    return tuple(
        _numbers(
            member(answer.segmentation.mask, numbers),
            member(truth.segmentation.mask, numbers),
            name=name,
            voxel_ml=voxel_ml,
        )
        for name, numbers in scored(plan)
    )


def ideal(target: torch.Tensor, plan: Plan) -> list[torch.Tensor]:
    """Return logits that are sure of a mask (batch, slices, rows, columns)."""
    truth = _regions_of(target, plan) if plan.regions else _classes_of(target, plan.output_count)
    return [(truth.float() * 2 - 1) * _SURE]


def outputs(asked: Asked) -> int:
    """Return one number a region, or one a class and one for the background."""
    return len(asked.regions) or len(asked.classes) + 1


def averaged(answers: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Average probabilities: of regions each by itself, of classes together."""
    return mean_of_each(answers) if plan.regions else mean_of_one(answers)


def _words(answer: Answer, plan: Plan) -> str:
    if answer.segmentation is None:
        return "nothing found"
    present = np.unique(answer.segmentation.mask)
    found = [name for number, name in enumerate(plan.classes, start=1) if number in present]
    return ", ".join(name.replace("_", " ") for name in found) or "nothing found"


def scored(plan: Plan) -> list[tuple[str, tuple[int, ...]]]:
    """Return what is scored, each with the numbers of a mask that it is made of."""
    if plan.regions:
        return list(plan.regions)
    return [(name, (number,)) for number, name in enumerate(plan.classes, start=1)]


def member(mask: Mask, numbers: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Tell which voxels hold one of the numbers."""
    return np.asarray(mask == numbers[0]) if len(numbers) == 1 else np.isin(mask, numbers)


def _painted(plan: Plan) -> list[int]:
    """Return the class that stands where a region is the last of those that hold."""
    found = []
    for index, (_, numbers) in enumerate(plan.regions):
        later = {number for _, others in plan.regions[index + 1 :] for number in others}
        found.append(next(number for number in numbers if number not in later))
    return found


def _classes_loss(
    logits: torch.Tensor, mask: torch.Tensor, plan: Plan, *, class_balance: float
) -> torch.Tensor:
    log_shares = functional.log_softmax(logits.float(), dim=1)
    # Compared instead of nll_loss, whose CUDA backward is not deterministic.
    truth = _classes_of(mask, plan.output_count).to(log_shares.dtype)
    counts = truth.sum(_AXES)
    weights = (counts.sum() / counts.clamp_min(1)) ** class_balance
    entropy = -((log_shares * truth).sum(_AXES) * weights).sum() / (counts * weights).sum()
    return entropy + _dice_loss(log_shares.exp()[:, 1:], truth[:, 1:])


def _regions_loss(
    logits: torch.Tensor, mask: torch.Tensor, plan: Plan, *, class_balance: float
) -> torch.Tensor:
    truth = _regions_of(mask, plan).float()
    inside = truth.sum(_AXES)
    outside = (1 - truth).sum(_AXES)
    weight = (outside.clamp_min(1) / inside.clamp_min(1)) ** class_balance
    entropy = functional.binary_cross_entropy_with_logits(
        logits.float(), truth, pos_weight=weight.view(1, -1, 1, 1, 1)
    )
    return entropy + _dice_loss(logits.float().sigmoid(), truth)


def _dice_loss(shares: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    shared = (shares * truth).sum(_AXES)
    dice = (2 * shared + _SMOOTH) / (shares.sum(_AXES) + truth.sum(_AXES) + _SMOOTH)
    return 1 - dice.mean()


def _classes_of(mask: torch.Tensor, count: int) -> torch.Tensor:
    return mask[:, None] == torch.arange(count, device=mask.device).view(1, -1, 1, 1, 1)


def _regions_of(mask: torch.Tensor, plan: Plan) -> torch.Tensor:
    regions = (
        torch.isin(mask, constant(numbers, mask.dtype, mask.device)) for _, numbers in plan.regions
    )
    return torch.stack(list(regions), dim=1)


def _shrunk(mask: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    strides = strides_between(mask.shape[1:], shape)
    return mask[:, :: strides[0], :: strides[1], :: strides[2]]


def _numbers(
    answer: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_], *, name: str, voxel_ml: float
) -> MaskNumbers:
    drawn, true = int(answer.sum()), int(truth.sum())
    shared = int((answer & truth).sum())
    return MaskNumbers(
        class_name=name,
        dice=2 * shared / (drawn + true) if drawn + true else None,
        truth_ml=true * voxel_ml,
        answer_ml=drawn * voxel_ml,
    )


PLUGIN = Task(
    title="voxel-wise segmentation",
    needs="mask",
    answers="each voxel",
    outputs=outputs,
    loss=loss,
    ideal=ideal,
    decode=decode,
    score=score,
    words=_words,
    averaged=averaged,
)
