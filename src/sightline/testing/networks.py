"""What every network must hold, ours and outsiders'.

Subclass `NetworkConformance` in a test file and say which network is meant:

    class TestMine(NetworkConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def candidate(cls) -> Network:
            return PLUGIN

Every test runs in three dimensions and in two. A network that has one of them alone overrides
`flat`.
"""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from sightline.networks.contract import Network
from sightline.networks.weights import load_tensors, tensors_of
from sightline.values.plan import Intensity, Plan, Triple

torch = pytest.importorskip("torch", reason="networks need the extra `learn`")

Module: TypeAlias = Any
"""A torch module: this room does not import torch by name."""
Tensor: TypeAlias = Any
"""A torch tensor, likewise."""

_BATCH = 2
_OTHER = "RAS"


def example_plan(*, is_flat: bool, outputs: int = 3, channels: int = 1) -> Plan:
    """Return a small plan of three levels, as planning makes it."""
    across = 1 if is_flat else 2
    return Plan(
        task="segment",
        classes=("one", "two"),
        modality="MR",
        spacing_mm=(1.0, 1.0, 1.0),
        patch=(1 if is_flat else 16, 16, 16),
        batch=_BATCH,
        intensity=Intensity(scheme="robust"),
        network="candidate",
        channels=(4, 8, 16),
        strides=((1, 1, 1), (across, 2, 2), (across, 2, 2)),
        kernels=((1 if is_flat else 3, 3, 3),) * 3,
        overlap=0.25,
        memory_mb=0,
        reasons={},
        outputs=outputs,
        input_channels=channels,
    )


class NetworkConformance:
    """Tests that every network passes."""

    @pytest.fixture(scope="class")
    @classmethod
    def candidate(cls) -> Network:
        """Give the network; every subclass says which."""
        raise NotImplementedError

    @pytest.fixture(scope="class", params=[False, True], ids=["volume", "slice"])
    @classmethod
    def flat(cls, request: pytest.FixtureRequest) -> bool:
        """Tell whether the network sees single slices."""
        return bool(request.param)

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls) -> dict[str, Any]:
        """Give settings that make a large architecture small: none, unless overridden."""
        return {}

    @pytest.fixture(scope="class")
    @classmethod
    def plan(cls, candidate: Network, flat: bool, settings: dict[str, Any]) -> Plan:
        """Give a plan that the network was adapted to."""
        plan = dataclasses.replace(example_plan(is_flat=flat), network_settings=settings)
        return candidate.adapt(plan)

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls, candidate: Network, plan: Plan) -> Module:
        """Give the module; tests leave its weights as they are."""
        return _built(candidate, plan)

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, plan: Plan) -> Tensor:
        """Give a batch of noise."""
        return _noise(plan)

    def test_describes_itself(self, candidate: Network) -> None:
        """Title, head and stem are usable as they are."""
        assert candidate.title.strip() == candidate.title != ""
        assert candidate.head
        assert candidate.stem

    def test_adapts_a_plan_once(self, candidate: Network, plan: Plan, flat: bool) -> None:
        """What it made of a plan it leaves alone; flat stays flat, and every level is told."""
        assert candidate.adapt(plan) == plan
        assert plan.is_flat == flat
        assert len(plan.channels) == len(plan.strides) == len(plan.kernels)
        assert plan.strides[0] == (1, 1, 1)

    def test_training_answers_every_level(
        self, candidate: Network, plan: Plan, *, network: Module, image: Tensor
    ) -> None:
        """A list, finest first, each level coarser by the plan's strides."""
        answers = network.train()(image)
        assert isinstance(answers, list)
        if candidate.answers == "each patch":
            assert [tuple(each.shape) for each in answers] == [(_BATCH, plan.output_count)]
            return
        for level, answer in enumerate(answers):
            shape = _shape_of(plan, level)
            assert tuple(answer.shape) == (_BATCH, plan.output_count, *shape)

    def test_evaluation_answers_once_and_alike(self, network: Module, image: Tensor) -> None:
        """The finest alone, the same each time, and no example depends on its neighbours."""
        with torch.inference_mode():
            answer = network.eval()(image)
            again = network(image)
            alone = network(image[:1])
        assert torch.equal(answer, again)
        assert torch.isfinite(answer).all()
        torch.testing.assert_close(alone, answer[:1], rtol=1e-3, atol=1e-4)

    def test_gradients_reach_every_parameter(
        self,
        network: Module,
        image: Tensor,
    ) -> None:
        """No parameter is left out of training, and none gets what is no number."""
        network.train().zero_grad()
        sum(answer.float().square().mean() for answer in network(image)).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
        network.zero_grad()

    def test_computes_in_bfloat16(self, network: Module, image: Tensor) -> None:
        """Autocast gives about what full precision gives."""
        with torch.inference_mode():
            exact = network.eval()(image)
            with torch.autocast("cpu", torch.bfloat16):
                rough = network(image).float()
        assert torch.isfinite(rough).all()
        assert (rough - exact).abs().mean() < 0.1 * exact.abs().mean() + 0.05

    def test_a_seed_decides_its_weights(
        self, candidate: Network, plan: Plan, network: Module
    ) -> None:
        """The same seed gives the same weights, another seed others."""
        same, other = tensors_of(_built(candidate, plan)), tensors_of(_built(candidate, plan, 1))
        own = tensors_of(network)
        trained = {name for name, _ in network.named_parameters()}
        assert all(torch.equal(own[name], same[name]) for name in trained)
        assert not all(torch.equal(own[name], other[name]) for name in trained)

    def test_weights_move_to_another(
        self, candidate: Network, plan: Plan, *, network: Module, image: Tensor
    ) -> None:
        """Its tensors, put into another of the kind, make it answer alike; so does a copy."""
        other = _built(candidate, plan, 1)
        load_tensors(other, tensors_of(network))
        with torch.inference_mode():
            wanted = network.eval()(image)
            assert torch.equal(other.eval()(image), wanted)
            assert torch.equal(copy.deepcopy(network)(image), wanted)

    def test_head_and_stem_are_what_depends_on_outputs_and_channels(
        self,
        candidate: Network,
        plan: Plan,
        network: Module,
    ) -> None:
        """Exactly these names change their shape with them, the stem's in their second axis."""
        own = tensors_of(network)
        outputs = tensors_of(_built(candidate, dataclasses.replace(plan, outputs=4)))
        heads = {name for name in own if own[name].shape != outputs[name].shape}
        assert heads
        assert all(name.startswith(candidate.head) for name in heads)
        channels = tensors_of(_built(candidate, dataclasses.replace(plan, input_channels=2)))
        stems = {name for name in own if own[name].shape != channels[name].shape}
        assert stems
        assert all(name.startswith(candidate.stem) for name in stems)
        for name in stems:
            assert (own[name].shape[1], channels[name].shape[1]) == (1, 2)

    def test_turns_images_to_its_own_axes(
        self, candidate: Network, plan: Plan, *, network: Module, image: Tensor
    ) -> None:
        """On axes that run otherwise it answers what it answers on a turned image, turned back."""
        letters = f"S{_OTHER[:2]}" if plan.is_flat else _OTHER
        oriented = _built(candidate, dataclasses.replace(plan, orientation=letters))
        load_tensors(oriented, tensors_of(network))
        to_own, from_own = _turns(plan)
        with torch.inference_mode():
            wanted = network.eval()(to_own(image))
            found = oriented.eval()(image)
        if candidate.answers == "each voxel":
            wanted = from_own(wanted)
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def _built(candidate: Network, plan: Plan, seed: int = 0) -> Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return candidate.build(plan)


def _noise(plan: Plan) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((_BATCH, plan.input_channels, *plan.patch), generator=generator)


def _shape_of(plan: Plan, level: int) -> Triple:
    size = list(plan.patch)
    for stride in plan.strides[: level + 1]:
        size = [length // step for length, step in zip(size, stride, strict=True)]
    return (size[0], size[1], size[2])


def _turns(plan: Plan) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Turn an image from SPL to RAS and back; in two dimensions from SPL to SRA."""
    if plan.is_flat:
        return (
            lambda image: image.permute(0, 1, 2, 4, 3).flip(3, 4),
            lambda image: image.flip(3, 4).permute(0, 1, 2, 4, 3),
        )
    return (
        lambda image: image.permute(0, 1, 4, 3, 2).flip(2, 3),
        lambda image: image.flip(2, 3).permute(0, 1, 4, 3, 2),
    )
