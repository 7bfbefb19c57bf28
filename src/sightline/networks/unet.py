"""What both U-Nets share: nnU-Net's conventions for layers, and outputs by mode."""

import functools
import importlib
from types import ModuleType
from typing import Any

import torch
from dynamic_network_architectures.building_blocks.simple_conv_blocks import ConvDropoutNormReLU
from torch import nn
from torch.nn import functional

from sightline import extras
from sightline.networks.framed import Framed, OwnAxes
from sightline.values.plan import Plan

HEAD = ("net.decoder.seg_layers.",)


class DeeplySupervised(Framed):
    """A U-Net that returns every level's logits in training and the finest in evaluation."""

    def answer(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return the logits of every level in training, of the finest alone in evaluation."""
        self.net.decoder.deep_supervision = self.training  # type: ignore[union-attr]  # both U-Nets have one
        logits = self.net(image)
        return logits if self.training else [logits]


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation that leaves channels last where they are.

    `InstanceNorm3d` copies every image to channels first and back: a twelfth of a step. On a GPU
    `GroupNorm` does so too; there our own kernel does it, and the activation after it.

    Attributes:
        slope: of the leaky activation that follows, below 0; 1 for none.
    """

    slope = 1.0

    def __init__(self, channels: int, *, eps: float, affine: bool) -> None:
        super().__init__(channels, channels, eps=eps, affine=affine)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Normalise (batch, channels, ...), and activate."""
        fused = _kernels(image.device) if image.is_cuda else None
        if fused is not None:
            answer: torch.Tensor = fused.normalised(
                image, self.weight, self.bias, eps=self.eps, slope=self.slope
            )
            return answer
        normal = super().forward(image)
        return normal if self.slope == 1 else functional.leaky_relu_(normal, self.slope)


@functools.cache
def _kernels(device: torch.device) -> ModuleType | None:
    """Return our kernels where they can be compiled for a GPU, once tried."""
    if not extras.is_installed("triton"):
        return None
    fused = importlib.import_module("sightline.networks.fused")
    # Whoever asks first may be applying a model, where nothing has gradients.
    with torch.inference_mode(mode=False), torch.enable_grad():
        return fused if fused.is_usable(device) else None


class MeanPool(nn.AvgPool3d):
    """Average pooling of whole windows whose gradient is the same each time on a GPU, too."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Average (batch, channels, slices, rows, columns) over windows side by side."""
        steps = (self.stride,) * 3 if isinstance(self.stride, int) else tuple(self.stride)
        places = image.shape[2:]
        if not image.is_cuda or any(n % step for n, step in zip(places, steps, strict=True)):
            return super().forward(image)
        shape = [part for n, step in zip(places, steps, strict=True) for part in (n // step, step)]
        return image.reshape(*image.shape[:2], *shape).mean(dim=(3, 5, 7))


def suited_to_gpus(net: nn.Module) -> nn.Module:
    """Join normalisation and activation, and replace layers that a GPU cannot repeat, in place.

    Weights keep their names, and a processor computes the same bits.
    """
    for module in list(net.modules()):
        if isinstance(module, ConvDropoutNormReLU):
            norm, after = getattr(module, "norm", None), getattr(module, "nonlin", None)
            if isinstance(norm, InstanceNorm) and isinstance(after, nn.LeakyReLU):
                norm.slope = after.negative_slope
                module.nonlin = module.all_modules[-1] = nn.Identity()
        for name, child in module.named_children():
            if isinstance(child, nn.AvgPool3d) and child.kernel_size == child.stride:
                setattr(module, name, MeanPool(child.kernel_size, child.stride))
    return net


def layer_settings(plan: Plan) -> dict[str, Any]:
    """Return what dynamic-network-architectures' U-Nets take, as nnU-Net sets it."""
    own = OwnAxes.of(plan)
    return {
        "input_channels": plan.input_channels,
        "n_stages": len(plan.channels),
        "features_per_stage": list(plan.channels),
        "conv_op": nn.Conv2d if plan.is_flat else nn.Conv3d,
        "kernel_sizes": [list(kernel) for kernel in own.kernels],
        "strides": [list(stride) for stride in own.strides],
        "num_classes": plan.output_count,
        "conv_bias": True,
        "norm_op": InstanceNorm,
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": nn.LeakyReLU,
        "nonlin_kwargs": {"inplace": True},
        "deep_supervision": True,
    }


def per_level(value: int | list[int], levels: int) -> list[int]:
    """Return one number a level: the same for each, or the last of a list for deeper ones."""
    listed = value if isinstance(value, list) else [value]
    return [listed[min(level, len(listed) - 1)] for level in range(levels)]
