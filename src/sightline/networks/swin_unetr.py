"""MONAI's Swin UNETR: shifted windows of attention, a convolutional decoder (2201.01266)."""

import dataclasses

from torch import nn

from sightline.networks.contract import Network
from sightline.networks.framed import Framed, OwnAxes, isotropic, rounded_up, settings_of
from sightline.networks.monai_part import monai_network
from sightline.values.plan import Plan

# Features are split evenly over three heads and their doublings, and normalised in halves of them.
_FEATURES = 12
_HALVINGS = 5
_SETTINGS = {
    "patch_size": 2,
    "depths": [2, 2, 2, 2],
    "num_heads": [3, 6, 12, 24],
    "window_size": 7,
    "qkv_bias": True,
    "mlp_ratio": 4.0,
    "norm_name": "instance",
    "drop_rate": 0.0,
    "attn_drop_rate": 0.0,
    "dropout_path_rate": 0.0,
    "normalize": True,
    "use_checkpoint": False,
    "downsample": "merging",
    "use_v2": False,
}


def _adapt(plan: Plan) -> Plan:
    """Halve every axis five times; features double from the second halving on."""
    first = -(-plan.channels[0] // _FEATURES) * _FEATURES
    coarsest = 2**_HALVINGS
    a, b, c = rounded_up(plan.patch, isotropic(plan, coarsest))
    if a <= b == c == coarsest:
        c *= 2  # a single voxel at the coarsest level has no deviation to normalise by
    return dataclasses.replace(
        plan,
        channels=(first, *(first * 2**level for level in range(_HALVINGS))),
        strides=((1, 1, 1), *[isotropic(plan, 2)] * _HALVINGS),
        kernels=(isotropic(plan, 3),) * (_HALVINGS + 1),
        patch=(a, b, c),
    )


def _build(plan: Plan) -> nn.Module:
    arguments = settings_of(plan, _SETTINGS) | {
        "spatial_dims": OwnAxes.of(plan).dimensions,
        "feature_size": plan.channels[0],
        "in_channels": plan.input_channels,
        "out_channels": plan.output_count,
    }
    return Framed(monai_network("SwinUNETR", plan, arguments), plan)


PLUGIN = Network(
    title="Swin UNETR of MONAI",
    build=_build,
    head=("net.out.",),
    stem=(
        "net.swinViT.patch_embed.proj.weight",
        "net.encoder1.layer.conv1.",
        "net.encoder1.layer.conv3.",
    ),
    adapt=_adapt,
)
