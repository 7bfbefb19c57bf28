"""A small residual network with one answer a patch, flat or not: trained in minutes.

Two convolutions a level, as in ResNet-18 (10.1109/CVPR.2016.90); instance normalisation, so that a
batch of few examples does as well as a large one, and nothing but weights needs to be kept.
"""

import torch
from torch import nn
from torch.nn import functional

from sightline.networks.contract import Network
from sightline.networks.framed import Framed, OwnAxes, Steps
from sightline.networks.unet import InstanceNorm
from sightline.values.plan import Plan, Triple

_FLAT_AXES = 4


class _Convolution(nn.Conv3d):
    """A convolution whose weights have three axes, and that takes flat images as flat.

    Of one slice a processor makes a convolution of three axes many times slower than of two.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch names it
        """Convolve (batch, channels, rows, columns), or with slices before the rows."""
        if input.dim() > _FLAT_AXES:
            return functional.conv3d(input, self.weight, None, self.stride, self._padding)
        _, *stride = self.stride
        return functional.conv2d(input, self.weight[:, :, 0], None, stride, self._padding[1:])

    @property
    def _padding(self) -> Triple:
        a, b, c = (size // 2 for size in self.kernel_size)
        return (a, b, c)


class _Block(nn.Module):
    def __init__(self, channels: tuple[int, int], *, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        before, after = channels
        self.first = _convolution(before, after, kernel=kernel, stride=stride)
        self.norm = InstanceNorm(after, eps=1e-5, affine=True)
        self.second = _convolution(after, after, kernel=kernel, stride=(1, 1, 1))
        self.last_norm = InstanceNorm(after, eps=1e-5, affine=True)
        is_same = before == after and stride == (1, 1, 1)
        self.shortcut = (
            nn.Identity()
            if is_same
            else _Convolution(before, after, kernel_size=1, stride=stride, bias=False)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Add what two convolutions make of an image to the image."""
        made = functional.relu(self.norm(self.first(image)), inplace=True)
        made = self.last_norm(self.second(made))
        return functional.relu(made + self.shortcut(image), inplace=True)


class SmallResNet(nn.Module):
    """Levels of one block each, the mean and the maximum over the patch, and a linear answer."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        own = OwnAxes.of(plan)
        channels = (plan.input_channels, *plan.channels)
        self.levels = nn.Sequential(
            *(
                _Block((before, after), kernel=_three(kernel), stride=_three(stride))
                for before, after, kernel, stride in zip(
                    channels, plan.channels, own.kernels, own.strides, strict=False
                )
            )
        )
        self.head = nn.Linear(2 * plan.channels[-1], plan.output_count)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute logits (batch, outputs) of (batch, channels, slices, rows, columns)."""
        features = self.levels(image.contiguous()).flatten(start_dim=2)
        # What fills an image shows in the mean, what is small in the maximum.
        pooled = torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1)
        logits: torch.Tensor = self.head(pooled)
        return logits


def _convolution(before: int, after: int, *, kernel: Triple, stride: Triple) -> nn.Module:
    return _Convolution(before, after, kernel, stride=stride, bias=False)


def _three(steps: Steps) -> Triple:
    """Give a step across slices to a network that sees one."""
    rows, columns = steps[-2:]
    return (steps[0] if len(steps) == 3 else 1, rows, columns)  # noqa: PLR2004 - of three axes


def _build(plan: Plan) -> nn.Module:
    return Framed(SmallResNet(plan), plan)


PLUGIN = Network(
    title="small residual network",
    build=_build,
    head=("net.head.",),
    stem=("net.levels.0.first.", "net.levels.0.shortcut."),
    answers="each patch",
)
