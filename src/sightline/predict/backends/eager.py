"""PyTorch, operation by operation, in float32: what every other back end is held against."""

import torch
from torch import nn

from sightline.predict.backends.contract import BackEnd, Look


def ready(network: nn.Module, _windows: torch.Tensor) -> Look:
    """Return the network as it is."""

    def look(windows: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = network(windows)
            return logits.float()

    return look


PLUGIN = BackEnd(
    title="PyTorch, eager, float32", precision="float32", missing=lambda _device: "", ready=ready
)
