"""What every back end must hold, ours and outsiders'.

Subclass `BackEndConformance` in a test file and say which back end is meant:

    class TestMine(BackEndConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def candidate(cls) -> BackEnd:
            return PLUGIN

A back end that this machine cannot have is skipped, with the reason that it gives.
"""

import dataclasses
from typing import Any, TypeAlias

import pytest

from sightline.networks.contract import build_network
from sightline.networks.framed import lay_out
from sightline.predict.backends import eager
from sightline.predict.backends.contract import BackEnd, Look
from sightline.predict.trial import agreement
from sightline.testing.networks import example_plan
from sightline.values.plan import Plan

torch = pytest.importorskip("torch", reason="back ends need the extra `learn`")

Module: TypeAlias = Any
"""A torch module: this room does not import torch by name."""
Tensor: TypeAlias = Any
"""A torch tensor, likewise."""

# A network that was never taught says almost the same of every class.
_LEAST = {"float32": 0.99, "bfloat16": 0.8, "float16": 0.9}


class BackEndConformance:
    """Tests that every back end passes, on nnU-Net's plain U-Net."""

    @pytest.fixture(scope="class")
    @classmethod
    def candidate(cls) -> BackEnd:
        """Give the back end; every subclass says which."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def plan(cls) -> Plan:
        """Give the plan of the network."""
        return dataclasses.replace(example_plan(is_flat=False), network="plain_unet")

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls, plan: Plan) -> Module:
        """Give a network in evaluation mode, laid out as models are."""
        torch.manual_seed(0)
        network = build_network(plan).eval()
        lay_out(network)
        return network

    @pytest.fixture(scope="class")
    @classmethod
    def windows(cls, plan: Plan) -> list[Tensor]:
        """Give two windows of noise."""
        torch.manual_seed(1)
        return [torch.randn((1, plan.input_channels, *plan.patch)) for _ in range(2)]

    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls, network: Module) -> list[Tensor]:
        """Give the weights as they were before."""
        return [each.clone() for each in network.parameters()]

    @pytest.fixture(scope="class")
    @classmethod
    def look(
        cls, candidate: BackEnd, network: Module, *, weights: list[Tensor], windows: list[Tensor]
    ) -> Look:
        """Make the network ready once."""
        why = candidate.missing(windows[0].device)
        if why:
            pytest.skip(f"{candidate.title}: {why}")
        assert weights
        return candidate.ready(network, windows[0])

    def test_describes_itself(self, candidate: BackEnd) -> None:
        """The title is usable as it is, and a reason is text."""
        assert candidate.title.strip() == candidate.title != ""
        assert isinstance(candidate.missing(torch.device("cpu")), str)

    def test_says_what_eager_says(
        self, candidate: BackEnd, plan: Plan, *, look: Look, network: Module, windows: list[Tensor]
    ) -> None:
        """Float32 logits of the same shape, and the same classes within its precision."""
        exact = eager.ready(network, windows[0])(windows[0])
        said = look(windows[0]).clone()
        assert said.dtype == torch.float32
        assert said.shape == exact.shape
        assert agreement(said, exact, plan) >= _LEAST[candidate.precision]

    def test_repeats_itself(self, look: Look, windows: list[Tensor]) -> None:
        """The same bits of the same window, whatever was asked in between."""
        first = look(windows[0]).clone()
        assert not torch.equal(look(windows[1]), first)
        assert torch.equal(look(windows[0]), first)

    def test_leaves_the_weights_alone(
        self, look: Look, network: Module, *, weights: list[Tensor], windows: list[Tensor]
    ) -> None:
        """Nobody who has the network notices."""
        look(windows[0])
        for was, parameter in zip(weights, network.parameters(), strict=True):
            assert torch.equal(was, parameter)
