"""What every registered network must do."""

import pytest
import torch
from torch import nn

from sightline.errors import DamagedObject
from sightline.networks.contract import NETWORKS
from sightline.networks.unet import InstanceNorm
from sightline.networks.weights import load_tensors, tensors_of
from sightline.values.plan import Plan
from tests.learning import examples, planned


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(examples(tmp_path_factory.mktemp("arrays"), 1))


@pytest.fixture(params=NETWORKS.names())
def network(request: pytest.FixtureRequest, plan: Plan) -> nn.Module:
    return NETWORKS.get(request.param).build(plan)


def test_listing_names_both_u_nets() -> None:
    assert {"plain_unet", "residual_unet"} <= set(NETWORKS.names())


def test_training_gives_every_level_and_evaluation_the_finest(
    network: nn.Module, plan: Plan
) -> None:
    image = torch.zeros((2, 1, *plan.patch))
    levels = network.train()(image)
    assert levels[0].shape == (2, 3, *plan.patch)
    assert len(levels) == len(plan.channels) - 1
    assert network.eval()(image).shape == (2, 3, *plan.patch)


def test_the_head_is_named(plan: Plan) -> None:
    for name in NETWORKS.names():
        kind = NETWORKS.get(name)
        heads = [each for each in tensors_of(kind.build(plan)) if each.startswith(kind.head)]
        assert heads, name


def test_tensors_can_be_put_into_another_of_the_kind(network: nn.Module) -> None:
    before = {name: value.clone() for name, value in tensors_of(network).items()}
    load_tensors(network, {name: value + 1 for name, value in before.items()})
    assert all((tensors_of(network)[name] == before[name] + 1).all() for name in before)


def test_tensors_of_another_network_are_refused_and_nothing_changes(network: nn.Module) -> None:
    tensors = {name: value + 1 for name, value in tensors_of(network).items()}
    tensors.pop(next(iter(tensors)))
    before = {name: value.clone() for name, value in tensors_of(network).items()}
    with pytest.raises(DamagedObject, match="1 tensors differ"):
        load_tensors(network, tensors)
    assert all((tensors_of(network)[name] == before[name]).all() for name in before)


def test_our_instance_norm_computes_what_torchs_own_does() -> None:
    torch.manual_seed(0)
    ours, theirs = InstanceNorm(3, eps=1e-5, affine=True), nn.InstanceNorm3d(3, affine=True)
    state = {"weight": torch.randn(3), "bias": torch.randn(3)}
    ours.load_state_dict(state)
    theirs.load_state_dict(state)
    image = 7 + 3 * torch.randn((2, 3, 4, 6, 5))
    torch.testing.assert_close(ours(image), theirs(image))
    channels_last = ours(image.contiguous(memory_format=torch.channels_last_3d))
    assert channels_last.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(channels_last, theirs(image))
