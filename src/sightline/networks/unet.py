"""What both U-Nets share: nnU-Net's conventions for layers, and outputs by mode."""

from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from sightline.values.plan import Plan

HEAD = ("net.decoder.seg_layers.",)


class DeeplySupervised(nn.Module):
    """A U-Net that returns every level's logits in training and the finest in evaluation."""

    def __init__(self, net: PlainConvUNet | ResidualEncoderUNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> list[torch.Tensor] | torch.Tensor:
        """Compute logits of (batch, 1, slices, rows, columns)."""
        self.net.decoder.deep_supervision = self.training
        logits: list[torch.Tensor] | torch.Tensor = self.net(image)
        return logits


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation that leaves channels last where they are.

    `InstanceNorm3d` copies every image to channels first and back: a twelfth of a step.
    """

    def __init__(self, channels: int, *, eps: float, affine: bool) -> None:
        super().__init__(channels, channels, eps=eps, affine=affine)


def layer_settings(plan: Plan) -> dict[str, Any]:
    """Return what dynamic-network-architectures' U-Nets take, as nnU-Net sets it."""
    return {
        "input_channels": 1,
        "n_stages": len(plan.channels),
        "features_per_stage": list(plan.channels),
        "conv_op": nn.Conv3d,
        "kernel_sizes": [list(kernel) for kernel in plan.kernels],
        "strides": [list(stride) for stride in plan.strides],
        "num_classes": len(plan.classes) + 1,
        "conv_bias": True,
        "norm_op": InstanceNorm,
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": nn.LeakyReLU,
        "nonlin_kwargs": {"inplace": True},
        "deep_supervision": True,
    }
