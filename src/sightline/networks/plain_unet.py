"""nnU-Net's plain U-Net: two convolutions a level (10.1038/s41592-020-01008-z)."""

from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from sightline.networks.contract import Network
from sightline.networks.unet import HEAD, DeeplySupervised, layer_settings
from sightline.values.plan import Plan


def _build(plan: Plan) -> nn.Module:
    net = PlainConvUNet(**layer_settings(plan), n_conv_per_stage=2, n_conv_per_stage_decoder=2)
    net.apply(PlainConvUNet.initialize)
    return DeeplySupervised(net)


PLUGIN = Network(title="plain U-Net", build=_build, head=HEAD)
