"""Networks that are ONNX graphs: run by ONNX Runtime, without a network of torch."""

import contextlib
import dataclasses
import io
import logging
import warnings
from typing import Any

import torch
from torch import nn

from sightline import extras
from sightline.errors import Refused
from sightline.formats.onnx_graph import runtime_failures
from sightline.networks.framed import Framed, OwnAxes
from sightline.tasks.contract import TASKS
from sightline.values.plan import OUR_ORIENTATION, Plan


class OnnxGraph(nn.Module):
    """A graph that takes and answers on the axes of its plan; it has no parameters of torch.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        Refused: It does not take the graph.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__()
        options = _runtime().SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session: Any = _runtime().InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except runtime_failures() as error:
            raise Refused(
                f"ONNX Runtime does not take the graph: {type(error).__name__}",
                hint="Upgrade it: pip install --upgrade 'sightline[onnx]'",
            ) from error
        self._taken = self._session.get_inputs()[0].name

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute the answer for one image of its own axes, on the processor."""
        taken = image.detach().cpu().contiguous().numpy()
        (answer,) = self._session.run(None, {self._taken: taken})
        return torch.from_numpy(answer).to(image.device)


class _Own(nn.Module):
    """A framed network on two axes where its plan is flat, as a graph takes and answers."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.network(image.unsqueeze(2))
        return answer.squeeze(2) if answer.dim() > 2 else answer  # noqa: PLR2004 - one a patch


def framed_graph(content: bytes, plan: Plan) -> nn.Module:
    """Return a graph as a network on our axes.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        Refused: It does not take the graph.
        BadRecipe: The plan's orientation is none.
    """
    return Framed(OnnxGraph(content), plan)


def shapes_of(plan: Plan) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what shape a graph of a plan takes, and with what it answers."""
    patch = OwnAxes.of(plan).patch
    is_whole = TASKS.get(plan.task).answers == "each patch"
    answer = (1, plan.output_count, *(() if is_whole else patch))
    return (1, plan.input_channels, *patch), answer


def as_graph(network: nn.Module, plan: Plan) -> tuple[bytes, Plan]:
    """Write a network on our axes as a graph for one window; return it with the plan it is of.

    Raises:
        MissingExtra: What writes ONNX is not installed.
    """
    turned = dataclasses.replace(plan, orientation=OUR_ORIENTATION)
    shape, _ = shapes_of(turned)
    own = _Own(network) if plan.is_flat else network
    return exported(own.eval(), torch.zeros(shape)), turned


def exported(network: nn.Module, windows: torch.Tensor) -> bytes:
    """Write a network as ONNX for windows of one shape.

    Raises:
        MissingExtra: What writes ONNX is not installed.
    """
    for name in ("onnx", "onnxscript"):
        extras.load(name, extra="onnx")
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


def _runtime() -> Any:  # noqa: ANN401 - of an extra
    return extras.load("onnxruntime", extra="onnx")
