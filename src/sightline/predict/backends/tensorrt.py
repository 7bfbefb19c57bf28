"""TensorRT on a GPU of NVIDIA, products in float16."""

import torch
from torch import nn

from sightline import extras
from sightline.predict.backends.contract import BackEnd, Look


def missing(device: torch.device) -> str:
    """Say why it does not run on a device; empty where it does."""
    if device.type != "cuda":
        return f"it does not run on {device.type}"
    if not extras.is_installed("torch_tensorrt"):
        return "run: pip install torch-tensorrt"
    return ""


def ready(network: nn.Module, windows: torch.Tensor) -> Look:
    """Build an engine for windows of this shape."""
    library = extras.load("torch_tensorrt", extra="learn")
    kinds = {torch.float32, torch.float16}
    engine = library.compile(network, inputs=[windows], enabled_precisions=kinds)

    def look(windows: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = engine(windows)
        return logits.float()

    return look


PLUGIN = BackEnd(title="TensorRT, float16", precision="float16", missing=missing, ready=ready)
