"""MONAI's DynUNet: nnU-Net's architecture as MONAI writes it (10.1038/s41592-020-01008-z)."""

from typing import Any

import torch
from torch import nn

from sightline.networks.contract import Network
from sightline.networks.framed import Framed, OwnAxes, settings_of
from sightline.networks.monai_part import monai_network
from sightline.values.plan import Plan

_SETTINGS = {
    "norm_name": ["INSTANCE", {"affine": True}],
    "act_name": ["leakyrelu", {"inplace": True, "negative_slope": 0.01}],
    "dropout": None,
    "res_block": False,
    "trans_bias": False,
    "upsample_kernel_size": None,
    "deep_supr_num": None,
}
_HEADS = "deep_supr_num"


class _DynUNet(Framed):
    """MONAI scales coarse answers up to full resolution; here they stay as they are."""

    def answer(self, image: torch.Tensor) -> list[torch.Tensor]:
        net: Any = self.net
        finest = net.output_block(net.skip_layers(image))
        if not (self.training and net.deep_supervision):
            return [finest]
        coarser = list(net.heads)
        # Kept, they would hold on to the graph, and nothing that holds a graph can be copied.
        net.heads[:] = [torch.empty(0)] * len(coarser)
        return [finest, *coarser]


def _build(plan: Plan) -> nn.Module:
    own = OwnAxes.of(plan)
    settings = settings_of(plan, _SETTINGS)
    heads = len(plan.channels) - 2 if settings[_HEADS] is None else settings[_HEADS]
    upsampling = settings["upsample_kernel_size"] or own.strides[1:]
    net = monai_network(
        "DynUNet",
        plan,
        {
            **settings,
            "spatial_dims": own.dimensions,
            "in_channels": plan.input_channels,
            "out_channels": plan.output_count,
            "kernel_size": own.kernels,
            "strides": own.strides,
            "filters": plan.channels,
            "upsample_kernel_size": upsampling,
            "deep_supervision": heads > 0,
            _HEADS: max(heads, 1),
        },
    )
    return _DynUNet(net, plan)


PLUGIN = Network(
    title="DynUNet of MONAI",
    build=_build,
    head=("net.output_block.", "net.deep_supervision_heads."),
    stem=("net.input_block.conv1.", "net.input_block.conv3."),
)
