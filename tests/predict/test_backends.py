"""Every back end runs every kind of network as eager float32 does, within its precision."""

import dataclasses

import pytest
import torch

from sightline.errors import MissingExtra
from sightline.predict.backends.contract import BACK_ENDS, EXACT
from sightline.predict.trial import agreement, try_back_ends
from sightline.testing.networks import example_plan
from sightline.values.plan import Plan
from tests.predict.test_engine import model_of

CPU = torch.device("cpu")
# A network that was never taught says almost the same of every class.
LEAST = {"float32": 0.99, "bfloat16": 0.8, "float16": 0.9}
HERE = [
    pytest.param(name, marks=pytest.mark.gate if name.startswith("compiled") else ())
    for name in BACK_ENDS.names()
    if not BACK_ENDS.get(name).missing(CPU)
]


def plan_of(*, is_flat: bool = False) -> Plan:
    plan = example_plan(is_flat=is_flat)
    return dataclasses.replace(plan, network="plain_unet", mirror_axes=())


def windows_of(plan: Plan) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn((1, plan.input_channels, *plan.patch)) for _ in range(2)]


@pytest.mark.parametrize("name", HERE)
def test_a_back_end_says_what_eager_says_again_and_again(name: str) -> None:
    plan = plan_of()
    model, windows = model_of(plan), windows_of(plan)
    before = [each.clone() for each in model.network.parameters()]
    look = model.by(name).look
    first, other = (look(each).clone() for each in windows)
    assert first.dtype == torch.float32
    assert not torch.equal(first, other)
    assert torch.equal(look(windows[0]), first)
    exact = model.look(windows[0])
    assert agreement(first, exact, plan) >= LEAST[BACK_ENDS.get(name).precision]
    for was, parameter in zip(before, model.network.parameters(), strict=True):
        assert torch.equal(was, parameter)


def test_slices_are_tried_as_volumes_are() -> None:
    plan = plan_of(is_flat=True)
    told = []
    trials = try_back_ends(
        model_of(plan), windows_of(plan), names=["openvino", "tensorrt"], tell=told.append
    )
    assert list(trials) == told
    exact, converted, missing = trials
    assert exact.back_end == EXACT
    assert exact.agreement == 1.0
    assert converted.agreement >= LEAST["float32"]
    assert converted.window_s > 0
    assert converted.ready_s > 0
    assert "does not run on cpu" in missing.problem


def test_one_that_is_not_there_says_why() -> None:
    model = model_of(plan_of())
    with pytest.raises(MissingExtra) as refusal:
        model.by("tensorrt")
    assert "does not run on cpu" in refusal.value.hint
