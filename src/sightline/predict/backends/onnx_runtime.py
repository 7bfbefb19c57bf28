"""ONNX Runtime, in float32: on a processor, and on a GPU where its package for one is there."""

from typing import Any

import torch
from torch import nn

from sightline import extras
from sightline.errors import Refused
from sightline.formats.onnx_graph import runtime_failures
from sightline.predict.backends.contract import NOT_TAKEN, BackEnd, Look
from sightline.predict.graph import exported

_MISSING = "run: pip install 'sightline[onnx]'"
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def missing(device: torch.device) -> str:
    """Say why it does not run on a device; empty where it does."""
    if not extras.is_installed("onnx", "onnxscript", "onnxruntime"):
        return _MISSING
    if _PROVIDERS.get(device.type) not in _library().get_available_providers():
        return f"its package here does not run on {device.type}"
    return ""


def ready(network: nn.Module, windows: torch.Tensor) -> Look:
    """Export the network for windows of this shape, and open the export."""
    options = _library().SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    provider = _PROVIDERS[windows.device.type]
    content = exported(network, windows)
    try:
        session = _library().InferenceSession(content, options, providers=[provider])
    except runtime_failures() as error:
        raise Refused(f"ONNX Runtime does not take the network: {error}", hint=NOT_TAKEN) from error
    (taken,) = session.get_inputs()

    def look(windows: torch.Tensor) -> torch.Tensor:
        (logits,) = session.run(None, {taken.name: windows.cpu().contiguous().numpy()})
        return torch.from_numpy(logits).to(windows.device)

    return look


def _library() -> Any:  # noqa: ANN401 - of an extra
    return extras.load("onnxruntime", extra="onnx")


PLUGIN = BackEnd(title="ONNX Runtime, float32", precision="float32", missing=missing, ready=ready)
