"""nnU-Net's plain U-Net: two convolutions a level (10.1038/s41592-020-01008-z)."""

from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from sightline.networks.contract import Network
from sightline.networks.framed import settings_of
from sightline.networks.unet import (
    HEAD,
    DeeplySupervised,
    layer_settings,
    per_level,
    suited_to_gpus,
)
from sightline.values.plan import Plan

_SETTINGS = {"convolutions": 2, "decoder_convolutions": 2}


def _build(plan: Plan) -> nn.Module:
    levels = len(plan.channels)
    settings = settings_of(plan, _SETTINGS)
    net = PlainConvUNet(
        **layer_settings(plan),
        n_conv_per_stage=per_level(settings["convolutions"], levels),
        n_conv_per_stage_decoder=per_level(settings["decoder_convolutions"], levels - 1),
    )
    net.apply(PlainConvUNet.initialize)
    return DeeplySupervised(suited_to_gpus(net), plan)


PLUGIN = Network(
    title="plain U-Net",
    build=_build,
    head=HEAD,
    stem=("net.encoder.stages.0.0.convs.0.conv.weight",),
)
