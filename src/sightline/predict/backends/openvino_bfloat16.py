"""OpenVINO on a processor, products in bfloat16."""

import torch
from torch import nn

from sightline import extras
from sightline.predict.backends import openvino
from sightline.predict.backends.contract import BackEnd, Look


def missing(device: torch.device) -> str:
    """Say why it does not run on a device; empty where it does."""
    why = openvino.missing(device)
    if why:
        return why
    core = extras.load("openvino", extra="openvino").Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "this processor has no bfloat16"
    return ""


def ready(network: nn.Module, windows: torch.Tensor) -> Look:
    """Convert the network for windows of this shape."""
    return openvino.ready_in("bf16", network, windows)


PLUGIN = BackEnd(title="OpenVINO, bfloat16", precision="bfloat16", missing=missing, ready=ready)
