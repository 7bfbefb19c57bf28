"""OpenVINO on a processor, in float32."""

import warnings
from typing import Any

import torch
from torch import nn

from sightline import extras
from sightline.errors import Refused
from sightline.predict.backends.contract import NOT_TAKEN, BackEnd, Look, on_processor_alone

_MISSING = "run: pip install 'sightline[openvino]'"


def missing(device: torch.device) -> str:
    """Say why it does not run on a device; empty where it does."""
    elsewhere = on_processor_alone(device)
    return elsewhere or ("" if extras.is_installed("openvino") else _MISSING)


def ready_in(precision: str, network: nn.Module, windows: torch.Tensor) -> Look:
    """Convert a network for windows of one shape, products in `f32` or `bf16`."""
    settings = {
        # Where the processor has bfloat16, that is what it takes unless told otherwise.
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    core = _library().Core()
    compiled = core.compile_model(_converted(network, windows), "CPU", settings)
    request = compiled.create_infer_request()

    def look(windows: torch.Tensor) -> torch.Tensor:
        request.infer({0: windows.contiguous().numpy()}, share_inputs=True)
        return torch.from_numpy(request.get_output_tensor().data)

    return look


def ready(network: nn.Module, windows: torch.Tensor) -> Look:
    """Convert the network for windows of this shape."""
    return ready_in("f32", network, windows)


def _converted(network: nn.Module, windows: torch.Tensor) -> Any:  # noqa: ANN401 - of an extra
    with warnings.catch_warnings(), torch.no_grad():
        # Of torch, about what the converter still asks it for.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        program = torch.export.export(network, (windows,))
        unknown = extras.load("openvino.frontend", extra="openvino").OpConversionFailure
        try:
            return _library().convert_model(program)
        except unknown as error:
            raise Refused(
                f"OpenVINO does not know all of the network: {error}", hint=NOT_TAKEN
            ) from error


def _library() -> Any:  # noqa: ANN401 - of an extra
    return extras.load("openvino", extra="openvino")


PLUGIN = BackEnd(title="OpenVINO, float32", precision="float32", missing=missing, ready=ready)
