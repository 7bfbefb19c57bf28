"""MONAI's DenseNet-121: one answer a patch (10.1109/CVPR.2017.243)."""

import dataclasses

from torch import nn

from sightline.networks.contract import Network
from sightline.networks.framed import Framed, OwnAxes, isotropic, settings_of
from sightline.networks.monai_part import monai_network
from sightline.values.plan import Plan

_SETTINGS = {
    "init_features": 64,
    "growth_rate": 32,
    "block_config": [6, 12, 24, 16],
    "act": ["relu", {"inplace": True}],
    "norm": "batch",
    "dropout_prob": 0.0,
}
_CHANNELS = (64, 256, 512, 1024, 1024)
_SMALLEST_EDGE = 32


def _adapt(plan: Plan) -> Plan:
    """Take the published levels; no edge is shorter than all halvings need."""
    a, b, c = (max(size, _SMALLEST_EDGE) for size in plan.patch)
    return dataclasses.replace(
        plan,
        channels=_CHANNELS,
        strides=((1, 1, 1), isotropic(plan, 4), *[isotropic(plan, 2)] * 3),
        kernels=(isotropic(plan, 7), *[isotropic(plan, 3)] * 4),
        patch=(1 if plan.is_flat else a, b, c),
    )


def _build(plan: Plan) -> nn.Module:
    arguments = settings_of(plan, _SETTINGS) | {
        "spatial_dims": OwnAxes.of(plan).dimensions,
        "in_channels": plan.input_channels,
        "out_channels": plan.output_count,
    }
    return Framed(monai_network("DenseNet", plan, arguments), plan)


PLUGIN = Network(
    title="DenseNet-121 of MONAI",
    build=_build,
    head=("net.class_layers.out.",),
    stem=("net.features.conv0.",),
    answers="each patch",
    adapt=_adapt,
)
