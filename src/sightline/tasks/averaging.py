"""What several networks say together: the mean of what they hold probable, as logits."""

import math

import torch
from torch.nn import functional


def mean_answer(answers: torch.Tensor) -> torch.Tensor:
    """Average (networks, batch, outputs, ...) as they are."""
    return answers.mean(dim=0)


def mean_of_one(answers: torch.Tensor) -> torch.Tensor:
    """Average the probabilities of outputs of which exactly one holds."""
    shares = answers.log_softmax(dim=2).logsumexp(dim=0)
    return shares - math.log(len(answers))


def mean_of_each(answers: torch.Tensor) -> torch.Tensor:
    """Average the probabilities of outputs that hold independently of each other."""
    holds = functional.logsigmoid(answers).logsumexp(dim=0)
    return holds - functional.logsigmoid(-answers).logsumexp(dim=0)
