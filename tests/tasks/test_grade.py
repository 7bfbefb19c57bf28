import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.tasks.grade import PLUGIN
from sightline.testing.tasks import plan_of
from sightline.values.recipe import Task as Asked

LEVELS = ["none", "mild", "moderate", "severe"]
PLAN = plan_of(PLUGIN, Asked.model_construct(kind="grade", classes=LEVELS))


@given(st.lists(st.floats(-30, 30), min_size=3, max_size=3))
def test_levels_have_probabilities_whatever_a_network_says(logits: list[float]) -> None:
    shares = list(PLUGIN.decode(torch.tensor(logits), PLAN).numbers.values())
    assert min(shares) >= 0
    assert abs(sum(shares) - 1) < 1e-9


def test_a_far_error_costs_more_than_a_near_one() -> None:
    sure = {level: PLUGIN.ideal(torch.tensor([[float(level)]]), PLAN)[0] for level in range(4)}
    target = torch.tensor([[0.0]])
    costs = [float(PLUGIN.loss([sure[k]], target, PLAN, class_balance=0)) for k in range(4)]
    assert costs == sorted(costs)
    assert costs[3] > 2.5 * costs[1]
