"""What a back end is: how a network of torch is made ready on one device."""

import dataclasses
import shutil
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import nn

from sightline.registry import Registry

Look: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""From float32 windows (batch, channels, slices, rows, columns) on the device to float32 logits.

What it returned may change when it is called again.
"""
Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BackEnd:
    """One way to run a network.

    Attributes:
        title: for people.
        precision: of the products; sums and what is returned are float32.
        missing: why it does not run on this device of this machine; empty where it does.
        ready: makes a network in evaluation mode ready for windows shaped as those given; it may
            take a minute. The network and its weights stay as they are. It raises `Refused`, or
            torch's `RuntimeError`, where it cannot take the network.
    """

    title: str
    precision: Precision
    missing: Callable[[torch.device], str]
    ready: Callable[[nn.Module, torch.Tensor], Look]


BACK_ENDS: Registry[BackEnd] = Registry(
    package="sightline.predict.backends", kind=BackEnd, skip=frozenset({"contract"})
)
NOT_TAKEN = "The model runs by another back end; `sightline models try` picks one."
EXACT = "eager"
"""The back end that the others are held against: torch, as it trained."""


def without_compiler(device: torch.device) -> str:
    """Tell whether torch can compile here; empty where it can."""
    if device.type == "cpu" and shutil.which("g++") is None:
        return "no g++ is installed"
    return ""


def on_processor_alone(device: torch.device) -> str:
    """Say that only a processor will do; empty on one."""
    return "" if device.type == "cpu" else f"it does not run on {device.type}"
