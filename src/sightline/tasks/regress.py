"""Tell numbers of a whole image, such as an age or a volume.

The network learns how many deviations a number is from its mean in training, so that numbers of
any size learn alike.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

from sightline.tasks.contract import Decoded, Task, constant
from sightline.values.answer import Answer
from sightline.values.evaluation import AmountNumbers
from sightline.values.plan import Plan
from sightline.values.recipe import Task as Asked
from sightline.values.statement import Statement


def encode(statement: Statement, classes: tuple[str, ...]) -> tuple[float, ...]:
    """Return the numbers in the order that is asked."""
    by_name = dict(zip(statement.classes, statement.numbers, strict=True))
    return tuple(by_name[name] for name in classes)


def loss(
    logits: Sequence[torch.Tensor],
    target: torch.Tensor,
    plan: Plan,
    *,
    class_balance: float,  # noqa: ARG001 - a task's; numbers have no classes
) -> torch.Tensor:
    """Return the Huber loss in deviations: one outlier does not decide."""
    (said,) = logits
    return functional.smooth_l1_loss(said.float(), ideal(target, plan)[0])


def ideal(target: torch.Tensor, plan: Plan) -> list[torch.Tensor]:
    """Return what a network must say for numbers (batch, count)."""
    means, deviations = _scales(plan, target.device)
    return [(target.float() - means) / deviations]


def decode(logits: torch.Tensor, plan: Plan) -> Decoded:
    """Return the numbers in their units."""
    means, deviations = _scales(plan, logits.device)
    said = logits.float() * deviations + means
    return Decoded(numbers=dict(zip(plan.classes, said.tolist(), strict=True)))


def score(answer: Answer, truth: Answer, plan: Plan) -> tuple[AmountNumbers, ...]:
    """Put what was said beside what holds."""
    return tuple(
        AmountNumbers(class_name=name, answer=answer.numbers[name], truth=truth.numbers[name])
        for name in plan.classes
    )


def outputs(asked: Asked) -> int:
    """Return one number a name."""
    return len(asked.classes)


def _scales(plan: Plan, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    scales = plan.scales or ((0.0, 1.0),) * len(plan.classes)
    table = constant(scales, torch.float32, device)
    return table[:, 0], torch.where(table[:, 1] > 0, table[:, 1], 1.0)


def _words(answer: Answer, plan: Plan) -> str:
    found = (f"{name.replace('_', ' ')} {answer.numbers[name]:.3g}" for name in plan.classes)
    return ", ".join(found)


PLUGIN = Task(
    title="numbers of a whole image",
    needs="numbers",
    answers="each patch",
    outputs=outputs,
    loss=loss,
    ideal=ideal,
    decode=decode,
    score=score,
    words=_words,
    encode=encode,
)
