"""Name the class of every voxel: Dice and cross-entropy with deep supervision."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from sightline.tasks.contract import ClassScore, Task
from sightline.values.arrays import Mask

# Keeps the Dice of a class that no patch of a batch holds from deciding the gradient.
_SMOOTH = 1.0


def loss(
    logits: Sequence[torch.Tensor], mask: torch.Tensor, *, class_balance: float = 0.0
) -> torch.Tensor:
    """Sum Dice and cross-entropy over the levels, each half the weight of the finer one.

    The coarsest level is left out: a few voxels of it cannot show a small class. In the
    cross-entropy a voxel weighs its class's share of the voxels to the power -`class_balance`:
    where a class is rare, plain cross-entropy first drives its share of every voxel to nothing,
    and with it the gradient of its Dice.
    """
    levels = logits[:-1] if len(logits) > 1 else logits
    weights = [0.5**level for level in range(len(levels))]
    total = sum(
        weight * _level_loss(level, _shrunk(mask, level.shape[2:]), class_balance)
        for weight, level in zip(weights, levels, strict=True)
    )
    return torch.as_tensor(total / sum(weights))


def score(
    answer: Mask, truth: Mask, classes: tuple[str, ...], *, voxel_ml: float
) -> tuple[ClassScore, ...]:
    """Compare two masks on one grid."""
    return tuple(
        _class_score(answer == number, truth == number, name=name, voxel_ml=voxel_ml)
        for number, name in enumerate(classes, start=1)
    )


def _level_loss(logits: torch.Tensor, mask: torch.Tensor, class_balance: float) -> torch.Tensor:
    log_shares = functional.log_softmax(logits.float(), dim=1)
    # Compared instead of nll_loss, whose CUDA backward is not deterministic.
    numbers = torch.arange(logits.shape[1], device=mask.device).view(1, -1, 1, 1, 1)
    truth = (mask[:, None] == numbers).to(log_shares.dtype)
    axes = (0, 2, 3, 4)
    counts = truth.sum(axes)
    weights = (counts.sum() / counts.clamp_min(1)) ** class_balance
    entropy = -((log_shares * truth).sum(axes) * weights).sum() / (counts * weights).sum()
    shares, truth = log_shares.exp()[:, 1:], truth[:, 1:]
    shared = (shares * truth).sum(axes)
    dice = (2 * shared + _SMOOTH) / (shares.sum(axes) + counts[1:] + _SMOOTH)
    return entropy + 1 - dice.mean()


def _shrunk(mask: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    strides = [full // small for full, small in zip(mask.shape[1:], shape, strict=True)]
    return mask[:, :: strides[0], :: strides[1], :: strides[2]]


def _class_score(
    answer: np.ndarray, truth: np.ndarray, *, name: str, voxel_ml: float
) -> ClassScore:
    drawn, true = int(answer.sum()), int(truth.sum())
    shared = int((answer & truth).sum())
    return ClassScore(
        class_name=name,
        dice=2 * shared / (drawn + true) if drawn + true else None,
        truth_ml=true * voxel_ml,
        volume_error_ml=(drawn - true) * voxel_ml,
    )


PLUGIN = Task(title="voxel-wise segmentation", loss=loss, score=score)
