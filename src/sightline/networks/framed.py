"""Our conventions around an architecture of others: axes, flat patches, answers by mode."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import nn

from sightline.errors import BadRecipe
from sightline.values.plan import OUR_ORIENTATION, Plan, Triple

Steps: TypeAlias = tuple[int, ...]
"""One number an axis that the architecture has: two where the plan is flat."""

# As many as the vectors of a processor hold.
_FEW_CHANNELS = 16
_AXIS = {"S": 0, "I": 0, "A": 1, "P": 1, "R": 2, "L": 2}


class Framed(nn.Module):
    """An architecture that takes and answers on our axes, whatever its own are.

    In training it returns a list of answers, in evaluation the first alone.
    """

    def __init__(self, net: nn.Module, plan: Plan) -> None:
        super().__init__()
        self.net = net
        self._order = axes_of(plan)
        self._back = tuple(self._order.index(axis) for axis in range(3))
        self._flips = tuple(
            axis
            for axis, letter in enumerate(plan.orientation)
            if letter not in OUR_ORIENTATION  # it runs against ours
        )
        self._is_flat = plan.is_flat

    def answer(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return what the architecture answers on its own axes, finest first."""
        return [self.net(image)]

    def forward(self, image: torch.Tensor) -> list[torch.Tensor] | torch.Tensor:
        """Compute the answers for (batch, channels, slices, rows, columns)."""
        answers = [self._from_own(each) for each in self.answer(self._to_own(image))]
        return answers if self.training else answers[0]

    def _to_own(self, image: torch.Tensor) -> torch.Tensor:
        if self._order != (0, 1, 2):
            image = image.permute(0, 1, *(2 + axis for axis in self._order))
        if self._flips:
            image = image.flip([2 + axis for axis in self._flips])
        return image.squeeze(2) if self._is_flat else image

    def _from_own(self, answer: torch.Tensor) -> torch.Tensor:
        if answer.dim() == 2:  # noqa: PLR2004 - one answer a patch has no place
            return answer
        if self._is_flat:
            answer = answer.unsqueeze(2)
        if self._flips:
            answer = answer.flip([2 + axis for axis in self._flips])
        if self._order != (0, 1, 2):
            answer = answer.permute(0, 1, *(2 + axis for axis in self._back))
        return answer


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OwnAxes:
    """The parts of a plan on the axes that the architecture has.

    Attributes:
        dimensions: 3, or 2 where the plan is flat.
    """

    dimensions: int
    patch: Steps
    strides: tuple[Steps, ...]
    kernels: tuple[Steps, ...]

    @classmethod
    def of(cls, plan: Plan) -> "OwnAxes":
        """Turn a plan to the axes of its architecture."""
        order = axes_of(plan)

        def own(values: Triple) -> Steps:
            return tuple(values[axis] for axis in order)[plan.is_flat :]

        return cls(
            dimensions=3 - plan.is_flat,
            patch=own(plan.patch),
            strides=tuple(own(stride) for stride in plan.strides),
            kernels=tuple(own(kernel) for kernel in plan.kernels),
        )


def axes_of(plan: Plan) -> Triple:
    """Return which axis of our grid each axis of the architecture is.

    Raises:
        BadRecipe: The plan's orientation names no three axes, or a flat plan's slices lie across.
    """
    axes = tuple(_AXIS.get(letter, -1) for letter in plan.orientation)
    if sorted(axes) != [0, 1, 2]:
        raise BadRecipe(
            f"{plan.orientation!r} is no orientation",
            hint="Name where the three axes run, as in SPL or RAS.",
        )
    if plan.is_flat and axes[0] != 0:
        raise BadRecipe(
            f"a flat network with the axes {plan.orientation} looks at slices across ours",
            hint="Its first axis must run along the body: S or I.",
        )
    return (axes[0], axes[1], axes[2])


def settings_of(plan: Plan, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an architecture: the plan's where it has them.

    Args:
        plan: may set any of `known`.
        known: every setting with its default.

    Raises:
        BadRecipe: The plan sets something else.
    """
    odd = sorted(plan.network_settings.keys() - known.keys())
    if odd:
        raise BadRecipe(
            f"{plan.network} has no setting {odd[0]!r}",
            hint=f"Known: {', '.join(sorted(known)) or 'none'}.",
        )
    return {**known, **plan.network_settings}


def lay_out(network: nn.Module) -> None:
    """Keep the weights of convolutions channels last, in place: they run half as long so."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.dim() in {4, 5}:
            tensor.data = channels_last(tensor.data)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            _step_before(module)


def _step_before(convolution: nn.Conv2d | nn.Conv3d) -> None:
    """Let a convolution of single voxels that takes strides be handed what it strides over to.

    That is the same sum. The gradient of such weights with few channels, channels last, is
    written beyond its memory on a processor (github.com/uxlfoundation/oneDNN/issues/6035).
    """
    stride, one = convolution.stride, (1,) * len(convolution.stride)
    is_pointwise = convolution.kernel_size == one and convolution.padding == (0,) * len(one)
    if is_pointwise and stride != one and convolution.in_channels < _FEW_CHANNELS:
        convolution.stride = one
        convolution.register_forward_pre_hook(functools.partial(_take_steps, stride))


def _take_steps(
    stride: tuple[int, ...], _convolution: nn.Module, given: tuple[torch.Tensor]
) -> torch.Tensor:
    (image,) = given
    axes = stride[-(image.dim() - 2) :]
    return image[(slice(None), slice(None), *(slice(None, None, step) for step in axes))]


def channels_last(image: torch.Tensor) -> torch.Tensor:
    """Lay (batch, channels, ...) out channels last, and so that torch knows.

    Where there is one channel or one place, both layouts are the same values in the same order;
    torch takes that for channels first, and a convolution answers as it was asked.
    """
    channels, places = image.shape[1], image.shape[2:]
    strides = [channels]
    for length in reversed(places[1:]):
        strides.insert(0, strides[0] * length)
    strides = [strides[0] * places[0], 1, *strides]
    if image.stride() == tuple(strides):
        return image
    layout = torch.channels_last_3d if image.dim() == 5 else torch.channels_last  # noqa: PLR2004 - batch, channels and three axes
    return image.contiguous(memory_format=layout).as_strided(image.shape, strides)


def rounded_up(patch: Triple, multiples: Triple) -> Triple:
    """Return the smallest patch that is not less and that the multiples divide."""
    a, b, c = (-(-size // step) * step for size, step in zip(patch, multiples, strict=True))
    return (a, b, c)


def isotropic(plan: Plan, step: int) -> Triple:
    """Return a step along every axis that the plan has: none across the slices of a flat one."""
    return (1 if plan.is_flat else step, step, step)
