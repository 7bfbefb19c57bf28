"""PyTorch, operation by operation, products in bfloat16."""

import torch
from torch import nn

from sightline.predict.backends.contract import BackEnd, Look


def ready(network: nn.Module, _windows: torch.Tensor) -> Look:
    """Run the network as it trains in mixed precision."""

    def look(windows: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast(windows.device.type, torch.bfloat16):
            logits: torch.Tensor = network(windows)
        return logits.float()

    return look


PLUGIN = BackEnd(
    title="PyTorch, eager, bfloat16",
    precision="bfloat16",
    missing=lambda _device: "",
    ready=ready,
)
