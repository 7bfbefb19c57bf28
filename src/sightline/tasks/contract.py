"""What a task is: the target it learns from, its loss, its answer, and how that is scored.

A task is one file. Everything in it goes by the plan, which names the classes; it knows no hub, no
file and no patient. A target reaches the loss as a tensor: a mask, or an image, cut as the patch
was, or numbers of the whole patch. docs/reference/tasks.md lists what every task takes and gives.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import torch

from sightline.registry import Registry
from sightline.tasks.averaging import mean_answer
from sightline.values.answer import Answer
from sightline.values.evaluation import Numbers
from sightline.values.plan import Plan, Triple
from sightline.values.recipe import Task as Asked
from sightline.values.statement import Statement

Target: TypeAlias = Literal["mask", "presence", "numbers", "places", "image"]
"""What an example must hold: a mask, a statement of that kind, or another series."""


class Loss(Protocol):
    """Tells how far logits are from a target; the less, the better."""

    def __call__(
        self,
        logits: Sequence[torch.Tensor],
        target: torch.Tensor,
        plan: Plan,
        *,
        class_balance: float,
    ) -> torch.Tensor:
        """Compare what a network says with a target.

        Args:
            logits: as the network contract says: of every level, finest first, or of the patch.
            target: uint8 mask or float32 image (batch, slices, rows, columns), or float32 numbers
                (batch, count).
            plan: names the classes.
            class_balance: 0 counts every voxel, or every example, alike; at 1 every class weighs
                the same.
        """


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """One place on a network's grid.

    Attributes:
        index: of its centre, in voxels of the grid.
        size: in voxels of the grid.
    """

    class_name: str
    index: tuple[float, float, float]
    size: tuple[float, float, float]
    score: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """Logits read as the task means them, still on the network's grid.

    Attributes:
        numbers: by class, of one patch.
        classes: uint8 (slices, rows, columns), the class that wins in each voxel.
        peaks: surest first.
        image: float32 (slices, rows, columns).
    """

    numbers: dict[str, float] = dataclasses.field(default_factory=dict)
    classes: torch.Tensor | None = None
    peaks: tuple[Peak, ...] = ()
    image: torch.Tensor | None = None


def _mean(answers: torch.Tensor, _plan: Plan) -> torch.Tensor:
    return mean_answer(answers)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One kind of prediction.

    Attributes:
        title: for people.
        needs: what an example must hold.
        answers: for what a network must give its numbers.
        outputs: how many numbers it must give, by what the recipe asks.
        averaged: what several networks, (networks, batch, outputs, ...), say together.
        encode: numbers that the loss compares with, from a statement and the classes asked; None
            where the target is cut as the patch is.
        loss: what training makes small.
        ideal: logits of a network that is sure of a target, so that what a loss and a score come
            to at best can be measured.
        decode: what logits of one volume or patch (outputs, ...) say.
        score: compares an answer with the truth, which is an answer of the same task; what judges
            a task by these numbers stands in `sightline.judge.metrics`.
        words: says an answer in a line.
    """

    title: str
    needs: Target
    answers: Literal["each voxel", "each patch"]
    outputs: Callable[[Asked], int]
    loss: Loss
    ideal: Callable[[torch.Tensor, Plan], list[torch.Tensor]]
    decode: Callable[[torch.Tensor, Plan], Decoded]
    score: Callable[[Answer, Answer, Plan], tuple[Numbers, ...]]
    words: Callable[[Answer, Plan], str]
    averaged: Callable[[torch.Tensor, Plan], torch.Tensor] = _mean
    encode: Callable[[Statement, tuple[str, ...]], tuple[float, ...]] | None = None


def truth_of(statement: Statement) -> Answer:
    """Return the answer that a reader gave: 1 for what is there, else 0; or numbers, or places."""
    if statement.kind == "numbers":
        return Answer(numbers=dict(zip(statement.classes, statement.numbers, strict=True)))
    if statement.kind == "places":
        return Answer(places=statement.places)
    return Answer(numbers={name: float(name in statement.present) for name in statement.classes})


def strides_between(full: Sequence[int], small: Sequence[int]) -> Triple:
    """Return how many voxels of a full grid make one of a smaller level of it."""
    a, b, c = (large // little for large, little in zip(full, small, strict=True))
    return (a, b, c)


@functools.cache
def constant(
    values: tuple[float | tuple[float, ...], ...], dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Keep numbers of a plan on a device: sent each time, they would have it waited for.

    They stay for ever: a recorded step goes on reading them where they are.
    """
    return torch.tensor(values, dtype=dtype, device=device)


TASKS: Registry[Task] = Registry(
    package="sightline.tasks",
    kind=Task,
    skip=frozenset({"averaging", "contract", "matching"}),
)
