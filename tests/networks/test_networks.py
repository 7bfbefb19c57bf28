"""What the suite that every network passes leaves open."""

import pytest
import torch
from torch import nn

from sightline.errors import DamagedObject
from sightline.networks.contract import NETWORKS
from sightline.networks.unet import InstanceNorm
from sightline.networks.weights import load_tensors, tensors_of
from sightline.testing.networks import example_plan


@pytest.fixture
def network() -> nn.Module:
    return NETWORKS.get("plain_unet").build(example_plan(is_flat=False))


def test_listing_names_every_network() -> None:
    assert {
        "densenet121",
        "dynunet",
        "plain_unet",
        "residual_unet",
        "resnet",
        "segresnet",
        "swin_unetr",
        "vnet",
    } <= set(NETWORKS.names())


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
