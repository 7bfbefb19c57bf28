"""What a task is: its loss in training, and how an answer is scored."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import torch

from sightline.registry import Registry
from sightline.values.arrays import Mask


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClassScore:
    """One class of one answer against the truth.

    Attributes:
        dice: None where the class is in neither.
        volume_error_ml: answer minus truth.
    """

    class_name: str
    dice: float | None
    truth_ml: float
    volume_error_ml: float


class Loss(Protocol):
    """Tells how far logits are from a mask; the less, the better."""

    def __call__(
        self, logits: Sequence[torch.Tensor], mask: torch.Tensor, *, class_balance: float
    ) -> torch.Tensor:
        """Compare logits (batch, classes + 1, ...), finest level first, with a mask.

        Args:
            logits: of every level.
            mask: uint8 (batch, slices, rows, columns).
            class_balance: 0 counts every voxel alike; at 1 every class weighs the same.
        """


class Score(Protocol):
    """Compares an answer with the truth."""

    def __call__(
        self, answer: Mask, truth: Mask, classes: tuple[str, ...], *, voxel_ml: float
    ) -> tuple[ClassScore, ...]:
        """Score every class."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One kind of prediction.

    Attributes:
        title: for people.
        loss: what training makes small.
        score: compares two masks on one grid, class by class.
    """

    title: str
    loss: Loss
    score: Score


TASKS: Registry[Task] = Registry(package="sightline.tasks", kind=Task, skip=frozenset({"contract"}))
