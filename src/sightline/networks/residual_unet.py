"""nnU-Net's U-Net with a residual encoder (10.1007/978-3-031-72114-4_47)."""

from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet
from torch import nn

from sightline.networks.contract import Network
from sightline.networks.unet import HEAD, DeeplySupervised, layer_settings
from sightline.values.plan import Plan

# Blocks a level of nnU-Net's ResEnc presets; deeper levels repeat the last.
_BLOCKS = (1, 3, 4, 6)


def _build(plan: Plan) -> nn.Module:
    levels = len(plan.channels)
    blocks = [_BLOCKS[min(level, len(_BLOCKS) - 1)] for level in range(levels)]
    net = ResidualEncoderUNet(
        **layer_settings(plan), n_blocks_per_stage=blocks, n_conv_per_stage_decoder=1
    )
    net.apply(ResidualEncoderUNet.initialize)
    return DeeplySupervised(net)


PLUGIN = Network(title="U-Net with a residual encoder", build=_build, head=HEAD)
