"""ONNX Runtime, in float32: on a processor, and on a GPU where its package for one is there."""

import contextlib
import io
import logging
import warnings
from typing import Any

import torch
from torch import nn

from sightline import extras
from sightline.errors import Refused
from sightline.predict.backends.contract import NOT_TAKEN, BackEnd, Look

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
    content = _exported(network, windows)
    try:
        session = _library().InferenceSession(content, options, providers=[provider])
    except _failures() as error:
        raise Refused(f"ONNX Runtime does not take the network: {error}", hint=NOT_TAKEN) from error
    (taken,) = session.get_inputs()

    def look(windows: torch.Tensor) -> torch.Tensor:
        (logits,) = session.run(None, {taken.name: windows.cpu().contiguous().numpy()})
        return torch.from_numpy(logits).to(windows.device)

    return look


def _failures() -> tuple[type[Exception], ...]:
    """Return what it raises about a graph; none of it has a base of its own."""
    raised = extras.load("onnxruntime.capi.onnxruntime_pybind11_state", extra="onnx")
    return (raised.Fail, raised.InvalidGraph, raised.NotImplemented, raised.RuntimeException)


def _exported(network: nn.Module, windows: torch.Tensor) -> bytes:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        torch.no_grad(),
    ):
        # Of torch and of the exporter, about each other.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(network, (windows,), dynamo=True, verbose=False)
    if program is None:
        raise AssertionError("the exporter returns a program")
    content: bytes = program.model_proto.SerializeToString()
    return content


def _library() -> Any:  # noqa: ANN401 - of an extra
    return extras.load("onnxruntime", extra="onnx")


PLUGIN = BackEnd(title="ONNX Runtime, float32", precision="float32", missing=missing, ready=ready)
