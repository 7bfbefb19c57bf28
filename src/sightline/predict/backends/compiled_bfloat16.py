"""PyTorch, compiled for this machine, products in bfloat16."""

import torch
from torch import nn

from sightline.predict.backends import eager_bfloat16
from sightline.predict.backends.compiled import ready_by
from sightline.predict.backends.contract import BackEnd, Look, without_compiler


def ready(network: nn.Module, windows: torch.Tensor) -> Look:
    """Compile the network for windows of this shape."""
    return ready_by(eager_bfloat16.ready, network, windows)


PLUGIN = BackEnd(
    title="PyTorch, compiled, bfloat16",
    precision="bfloat16",
    missing=without_compiler,
    ready=ready,
)
