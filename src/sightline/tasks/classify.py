"""Say which classes an image shows: exactly one of them, or any (multi-label)."""

from collections.abc import Sequence

import torch
from torch.nn import functional

from sightline.tasks.averaging import mean_of_each, mean_of_one
from sightline.tasks.contract import Decoded, Task, constant
from sightline.values.answer import Answer
from sightline.values.evaluation import ProbabilityNumbers
from sightline.values.plan import Plan
from sightline.values.recipe import Task as Asked
from sightline.values.statement import Statement

_SURE = 20.0
_LIKELY = 0.5


def encode(statement: Statement, classes: tuple[str, ...]) -> tuple[float, ...]:
    """Return 1 for each class that is there, else 0."""
    return tuple(float(name in statement.present) for name in classes)


def loss(
    logits: Sequence[torch.Tensor], target: torch.Tensor, plan: Plan, *, class_balance: float
) -> torch.Tensor:
    """Cross-entropy of the classes, or of each class by itself where several may hold.

    A class weighs its share of the training examples to the power -`class_balance`.
    """
    (said,) = logits
    said, target = said.float(), target.float()
    shares = constant(tuple(mean for mean, _ in plan.scales), torch.float32, said.device)
    shares = shares.clamp(1e-3, 1 - 1e-3) if len(shares) else torch.full_like(said[0], _LIKELY)
    if plan.is_exclusive:
        weights = (target * shares**-class_balance).sum(dim=1)
        entropy = -(functional.log_softmax(said, dim=1) * target).sum(dim=1)
        return (entropy * weights).sum() / weights.sum().clamp_min(1e-6)
    weights = ((1 - shares) / shares) ** class_balance
    return functional.binary_cross_entropy_with_logits(said, target, pos_weight=weights)


def ideal(target: torch.Tensor, plan: Plan) -> list[torch.Tensor]:  # noqa: ARG001 - a task's
    """Return logits that are sure of numbers (batch, classes)."""
    return [(target.float() * 2 - 1) * _SURE]


def decode(logits: torch.Tensor, plan: Plan) -> Decoded:
    """Return the probability of each class."""
    said = logits.double()
    shares = said.softmax(dim=0) if plan.is_exclusive else said.sigmoid()
    return Decoded(numbers=dict(zip(plan.classes, shares.tolist(), strict=True)))


def score(answer: Answer, truth: Answer, plan: Plan) -> tuple[ProbabilityNumbers, ...]:
    """Put what was said beside what holds."""
    return tuple(
        ProbabilityNumbers(
            class_name=name, score=answer.numbers[name], truth=bool(truth.numbers[name])
        )
        for name in plan.classes
    )


def outputs(asked: Asked) -> int:
    """Return one number a class."""
    return len(asked.classes)


def averaged(answers: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Average probabilities."""
    return mean_of_one(answers) if plan.is_exclusive else mean_of_each(answers)


def _words(answer: Answer, plan: Plan) -> str:
    if plan.is_exclusive:
        name = max(plan.classes, key=lambda each: answer.numbers[each])
        return f"{name.replace('_', ' ')} {answer.numbers[name]:.2f}"
    likely = [name for name in plan.classes if answer.numbers[name] >= _LIKELY]
    likely.sort(key=lambda name: -answer.numbers[name])
    found = [f"{name.replace('_', ' ')} {answer.numbers[name]:.2f}" for name in likely]
    highest = max(answer.numbers.values())
    return ", ".join(found) or f"nothing found (highest probability {highest:.2f})"


PLUGIN = Task(
    title="classification of a whole image",
    needs="presence",
    answers="each patch",
    outputs=outputs,
    loss=loss,
    ideal=ideal,
    decode=decode,
    score=score,
    words=_words,
    averaged=averaged,
    encode=encode,
)
