"""Several networks as one: what they say together."""

from collections.abc import Sequence

import torch
from torch import nn

from sightline.tasks.contract import TASKS
from sightline.values.plan import Plan


class Ensemble(nn.Module):
    """Networks of one plan, looked at as one; only for applying."""

    def __init__(self, members: Sequence[nn.Module], plan: Plan) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._plan = plan

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Average what the networks say of (batch, channels, slices, rows, columns)."""
        answers = torch.stack([member(image).float() for member in self.members])
        return TASKS.get(self._plan.task).averaged(answers, self._plan)
