"""Place an image on a scale of levels, lowest first: cumulative logits that never cross.

Output k says how likely the level is above k. Each is the one before less something positive, so
that the probabilities of the levels are none below 0 (the proportional-odds idea, with a threshold
of its own for each image).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from sightline.tasks.contract import Decoded, Task
from sightline.values.answer import Answer
from sightline.values.evaluation import AmountNumbers
from sightline.values.plan import Plan
from sightline.values.recipe import Task as Asked
from sightline.values.statement import Statement

_SURE = 20.0
_LEVEL = "level"


def encode(statement: Statement, classes: tuple[str, ...]) -> tuple[float, ...]:
    """Return the number of the level, from 0."""
    (level,) = (name for name in classes if name in statement.present)
    return (float(classes.index(level)),)


def loss(
    logits: Sequence[torch.Tensor],
    target: torch.Tensor,
    plan: Plan,
    *,
    class_balance: float,  # noqa: ARG001 - a task's; levels are balanced by their order
) -> torch.Tensor:
    """Cross-entropy of the answers to `is it above this level?`."""
    (said,) = logits
    above = (target.float() > torch.arange(len(plan.classes) - 1, device=said.device)).float()
    return functional.binary_cross_entropy_with_logits(_cumulative(said.float()), above)


def ideal(target: torch.Tensor, plan: Plan) -> list[torch.Tensor]:
    """Return logits that are sure of levels (batch, 1)."""
    level = target.float()
    steps = torch.arange(len(plan.classes) - 1, device=target.device)
    # The first fall below 0 comes where the level ends.
    later = torch.where(steps == level, 2 * _SURE, -_SURE)
    first = torch.where(level[:, :1] > 0, _SURE, -_SURE)
    return [torch.cat([first, later[:, 1:]], dim=1)]


def decode(logits: torch.Tensor, plan: Plan) -> Decoded:
    """Return the probability of each level."""
    above = _cumulative(logits.double()[None])[0].sigmoid()
    bounds = torch.cat([above.new_ones(1), above, above.new_zeros(1)])
    shares = (bounds[:-1] - bounds[1:]).tolist()
    return Decoded(numbers=dict(zip(plan.classes, shares, strict=True)))


def score(answer: Answer, truth: Answer, plan: Plan) -> tuple[AmountNumbers, ...]:
    """Put the level that is likeliest beside the one that holds, both as numbers from 0."""
    return (
        AmountNumbers(
            class_name=_LEVEL,
            answer=float(_likeliest(answer, plan)),
            truth=float(_likeliest(truth, plan)),
            is_grade=True,
        ),
    )


def outputs(asked: Asked) -> int:
    """Return one number a step between levels."""
    return len(asked.classes) - 1


def _cumulative(logits: torch.Tensor) -> torch.Tensor:
    first, steps = logits[:, :1], functional.softplus(logits[:, 1:])
    return torch.cat([first, first - torch.cumsum(steps, dim=1)], dim=1)


def _likeliest(answer: Answer, plan: Plan) -> int:
    return int(np.argmax([answer.numbers[name] for name in plan.classes]))


def _words(answer: Answer, plan: Plan) -> str:
    name = plan.classes[_likeliest(answer, plan)]
    return f"{name.replace('_', ' ')} {answer.numbers[name]:.2f}"


PLUGIN = Task(
    title="grading on ordered levels",
    needs="presence",
    answers="each patch",
    outputs=outputs,
    loss=loss,
    ideal=ideal,
    decode=decode,
    score=score,
    words=_words,
    encode=encode,
)
