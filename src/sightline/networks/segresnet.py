"""MONAI's SegResNet, without the autoencoder's branch (10.1007/978-3-030-11726-9_28)."""

import dataclasses

from torch import nn

from sightline.networks.contract import Network
from sightline.networks.framed import Framed, OwnAxes, isotropic, rounded_up, settings_of
from sightline.networks.monai_part import monai_network
from sightline.values.plan import Plan

# Blocks a level as published; deeper levels repeat the last.
_BLOCKS = (1, 2, 2, 4)
# Channels are normalised in eight groups.
_GROUPS = 8
_SETTINGS = {
    "blocks_down": None,
    "blocks_up": None,
    "norm": ["GROUP", {"num_groups": _GROUPS}],
    "act": ["RELU", {"inplace": True}],
    "dropout_prob": None,
    "upsample_mode": "nontrainable",
}


def _adapt(plan: Plan) -> Plan:
    """Halve every axis alike and double the channels at every level."""
    levels = len(plan.channels)
    first = -(-plan.channels[0] // _GROUPS) * _GROUPS
    kernel = isotropic(plan, 3)
    return dataclasses.replace(
        plan,
        channels=tuple(first * 2**level for level in range(levels)),
        strides=((1, 1, 1), *[isotropic(plan, 2)] * (levels - 1)),
        kernels=(kernel,) * levels,
        patch=rounded_up(plan.patch, isotropic(plan, 2 ** (levels - 1))),
    )


def _build(plan: Plan) -> nn.Module:
    levels = len(plan.channels)
    settings = settings_of(plan, _SETTINGS)
    blocks = [_BLOCKS[min(level, len(_BLOCKS) - 1)] for level in range(levels)]
    net = monai_network(
        "SegResNet",
        plan,
        {
            **settings,
            "blocks_down": settings["blocks_down"] or blocks,
            "blocks_up": settings["blocks_up"] or [1] * (levels - 1),
            "spatial_dims": OwnAxes.of(plan).dimensions,
            "init_filters": plan.channels[0],
            "in_channels": plan.input_channels,
            "out_channels": plan.output_count,
        },
    )
    return Framed(net, plan)


PLUGIN = Network(
    title="SegResNet of MONAI",
    build=_build,
    head=("net.conv_final.2.",),
    stem=("net.convInit.",),
    adapt=_adapt,
)
