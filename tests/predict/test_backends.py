"""Every back end runs a network as eager float32 does, within its precision."""

import dataclasses

import pytest
import torch

from sightline.errors import MissingExtra, UnknownName
from sightline.predict.backends.contract import BACK_ENDS, EXACT, BackEnd
from sightline.predict.trial import try_back_ends
from sightline.testing.backends import BackEndConformance
from sightline.testing.networks import example_plan
from sightline.values.plan import Plan
from tests.predict.test_engine import model_of

# A compiler of C++ takes a minute or two.
NAMES = [
    pytest.param(name, marks=pytest.mark.gate if name.startswith("compiled") else ())
    for name in BACK_ENDS.names()
]


class TestEveryBackEnd(BackEndConformance):
    @pytest.fixture(scope="class", params=NAMES)
    @classmethod
    def candidate(cls, request: pytest.FixtureRequest) -> BackEnd:
        return BACK_ENDS.get(request.param)


def plan_of(*, is_flat: bool = False) -> Plan:
    return dataclasses.replace(example_plan(is_flat=is_flat), network="plain_unet")


def windows_of(plan: Plan) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn((1, plan.input_channels, *plan.patch)) for _ in range(2)]


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
    assert converted.agreement >= 0.99
    assert converted.window_s > 0
    assert converted.ready_s > 0
    assert "does not run on cpu" in missing.problem


def test_one_that_is_not_there_says_why() -> None:
    model = model_of(plan_of())
    with pytest.raises(MissingExtra) as refusal:
        model.by("tensorrt")
    assert "does not run on cpu" in refusal.value.hint
    with pytest.raises(UnknownName, match="openvno"):
        try_back_ends(model, windows_of(plan_of()), names=["openvno"])


class Odd(torch.nn.Module):
    """Asks the other library for what it does not have."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        shares = torch.linalg.eigvals(image[0, 0, :8, :8, 0]).real.sum()
        return torch.cat([image * shares, image, -image], dim=1)


@pytest.mark.parametrize("name", ["openvino", "onnx_runtime"])
def test_a_network_that_is_not_taken_is_a_reason_and_no_crash(name: str) -> None:
    plan = plan_of()
    model = dataclasses.replace(model_of(plan), network=Odd().eval())
    _, trial = try_back_ends(model, windows_of(plan), names=[name])
    assert trial.problem
    assert not trial.is_fit(0.0)
