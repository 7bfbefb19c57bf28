"""nnU-Net's U-Net with a residual encoder (10.1007/978-3-031-72114-4_47)."""

from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet
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

# Blocks a level of nnU-Net's ResEnc presets; deeper levels repeat the last.
_SETTINGS = {"blocks": [1, 3, 4, 6], "decoder_convolutions": 1}


def _build(plan: Plan) -> nn.Module:
    levels = len(plan.channels)
    settings = settings_of(plan, _SETTINGS)
    net = ResidualEncoderUNet(
        **layer_settings(plan),
        n_blocks_per_stage=per_level(settings["blocks"], levels),
        n_conv_per_stage_decoder=per_level(settings["decoder_convolutions"], levels - 1),
    )
    net.apply(ResidualEncoderUNet.initialize)
    return DeeplySupervised(suited_to_gpus(net), plan)


PLUGIN = Network(
    title="U-Net with a residual encoder",
    build=_build,
    head=HEAD,
    stem=("net.encoder.stem.convs.0.conv.weight",),
)
