"""MONAI's V-Net: residual levels of kernels of five voxels (10.1109/3DV.2016.79)."""

import dataclasses

from torch import nn

from sightline.networks.contract import Network
from sightline.networks.framed import Framed, OwnAxes, isotropic, rounded_up, settings_of
from sightline.networks.monai_part import monai_network
from sightline.values.plan import Plan

_CHANNELS = (16, 32, 64, 128, 256)
_SETTINGS = {
    "act": ["elu", {"inplace": True}],
    "dropout_prob_down": 0.5,
    "dropout_prob_up": [0.5, 0.5],
    "bias": False,
}


def _adapt(plan: Plan) -> Plan:
    """Take the published channels, halve every axis four times."""
    levels = len(_CHANNELS)
    return dataclasses.replace(
        plan,
        channels=_CHANNELS,
        strides=((1, 1, 1), *[isotropic(plan, 2)] * (levels - 1)),
        kernels=(isotropic(plan, 5),) * levels,
        patch=rounded_up(plan.patch, isotropic(plan, 2 ** (levels - 1))),
    )


def _build(plan: Plan) -> nn.Module:
    arguments = settings_of(plan, _SETTINGS) | {
        "spatial_dims": OwnAxes.of(plan).dimensions,
        "in_channels": plan.input_channels,
        "out_channels": plan.output_count,
    }
    return Framed(monai_network("VNet", plan, arguments), plan)


PLUGIN = Network(
    title="V-Net of MONAI",
    build=_build,
    head=("net.out_tr.",),
    stem=("net.in_tr.conv_block.",),
    adapt=_adapt,
)
