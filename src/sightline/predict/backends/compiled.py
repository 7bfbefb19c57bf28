"""PyTorch, compiled for this machine, in float32."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from sightline.predict.backends import eager
from sightline.predict.backends.contract import BackEnd, Look, without_compiler


def ready_by(
    eager_look: Callable[[nn.Module, torch.Tensor], Look], network: nn.Module, windows: torch.Tensor
) -> Look:
    """Compile a network for windows of one shape, and run it as `eager_look` runs it."""
    with warnings.catch_warnings():
        # Of torch, about what its own compiler imports.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        compiled: Any = torch.compile(network, dynamic=False)
        look = eager_look(compiled, windows)
        look(windows)
    return look


def ready(network: nn.Module, windows: torch.Tensor) -> Look:
    """Compile the network for windows of this shape."""
    return ready_by(eager.ready, network, windows)


PLUGIN = BackEnd(
    title="PyTorch, compiled, float32", precision="float32", missing=without_compiler, ready=ready
)
