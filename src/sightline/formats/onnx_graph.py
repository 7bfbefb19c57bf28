"""An ONNX file of a stranger, looked through and run once where it can harm nothing.

`check_graph` and `run_graph` are work for a limited child: the first before anything else opens
the file, the second by ONNX Runtime, for what the first cannot know.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sightline import extras
from sightline.errors import BadFile, Refused

_STANDARD = {"", "ai.onnx"}
# What runs a part of the graph again and again, or waits: no network of ours needs it.
_REFUSED = {"If", "Loop", "Scan", "SequenceMap", "Optional", "StringSplit", "RegexFullMatch"}
_MOST_NODES, _MOST_DIMENSIONS = 20_000, 8
_EXTRA = "onnx"


def check_graph(path: Path) -> int:
    """Return how many operators a graph has once it is a plain network and all in one file.

    Raises:
        BadFile: It is no ONNX, is broken, or holds numbers that are infinite or none.
        Refused: It refers to other files, or asks for operators that are not of the standard.
        MissingExtra: What reads ONNX is not installed.
        OSError: It cannot be read.
    """
    onnx = extras.load("onnx", extra=_EXTRA)
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except ValueError as error:
        raise _broken("it is no ONNX") from error
    except _decoding_errors() as error:
        raise _broken("it is no ONNX, or a broken one") from error
    if not model.graph.node or not model.opset_import:
        raise _broken("it holds no graph")
    if len(model.functions) or len(model.training_info):
        raise _refused("it brings functions or a training of its own")
    for each in model.opset_import:
        if each.domain not in _STANDARD:
            raise _refused(f"it asks for operators of {each.domain[:60]!r}")
    _check_nodes(onnx, model)
    for tensor in _tensors(model.graph):
        _check_tensor(onnx, tensor)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise _broken("it is not valid") from error
    return len(model.graph.node)


def run_graph(path: Path, shape: tuple[int, ...], answer: tuple[int, ...]) -> bool:
    """Run a graph once on zeros and tell whether it answers with numbers.

    Args:
        path: the file.
        shape: what it must take.
        answer: the shape that it must answer with.

    Raises:
        BadFile: It takes or gives something else, or nothing that is a number.
        Refused: ONNX Runtime does not take it.
        MissingExtra: ONNX Runtime is not installed.
    """
    runtime = extras.load("onnxruntime", extra=_EXTRA)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        (taken,), (_given,) = session.get_inputs(), session.get_outputs()
        (said,) = session.run(None, {taken.name: np.zeros(shape, np.float32)})
    except ValueError as error:
        raise _broken(f"it does not take one image and give one answer: {error}"[:300]) from error
    except runtime_failures() as error:
        raise _refused(f"ONNX Runtime does not run it: {type(error).__name__}") from error
    if np.shape(said) != answer:
        raise _broken(f"it answers with the shape {np.shape(said)}, not {answer}")
    if said.dtype != np.float32 or not np.isfinite(said).all():
        raise _broken("it answers with what is no number of 32 bits")
    return True


def runtime_failures() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises about a graph; none of it has a base of its own."""
    raised = extras.load("onnxruntime.capi.onnxruntime_pybind11_state", extra=_EXTRA)
    names = ("Fail", "InvalidGraph", "InvalidArgument", "InvalidProtobuf", "NotImplemented",
             "NoSuchFile", "RuntimeException")  # fmt: skip
    return tuple(getattr(raised, name) for name in names)


def _decoding_errors() -> tuple[type[Exception], ...]:
    return (extras.load("google.protobuf.message", extra=_EXTRA).DecodeError,)


def _check_nodes(onnx: ModuleType, model: Any) -> None:  # noqa: ANN401 - of an extra
    if len(model.graph.node) > _MOST_NODES:
        raise _refused(f"it has more than {_MOST_NODES:,} operators")
    known = {each.name for each in onnx.defs.get_all_schemas() if each.domain in _STANDARD}
    for node in model.graph.node:
        if node.domain not in _STANDARD or node.op_type not in known:
            raise _refused(f"it asks for the operator {node.domain[:40]}::{node.op_type[:40]}")
        if node.op_type in _REFUSED:
            raise _refused(f"it asks for {node.op_type}")
        for attribute in node.attribute:
            if attribute.HasField("g") or len(attribute.graphs):
                raise _refused(f"{node.op_type} holds a graph of its own")


def _tensors(graph: Any) -> Iterator[Any]:  # noqa: ANN401 - of an extra
    yield from graph.initializer
    for each in graph.sparse_initializer:
        yield from (each.values, each.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _check_tensor(onnx: ModuleType, tensor: Any) -> None:  # noqa: ANN401 - of an extra
    if len(tensor.external_data) or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise _refused("it keeps weights in other files")
    if not tensor.data_type:
        return
    if len(tensor.dims) > _MOST_DIMENSIONS or any(size < 0 for size in tensor.dims):
        raise _broken("a tensor has a shape that none can have")
    stored = tensor.ByteSize()
    if math.prod(tensor.dims) > 8 * stored:
        raise _broken("a tensor claims more numbers than it brings")
    try:
        values = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, LookupError) as error:
        raise _broken("a tensor is not as long as its shape") from error
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise _broken("it holds numbers that are infinite or none")


def _broken(why: str) -> BadFile:
    return BadFile(
        f"the ONNX file of the package is refused: {why}",
        hint="Ask the publisher for a file that `onnx.checker` takes, with finite weights.",
    )


def _refused(why: str) -> Refused:
    return Refused(
        f"the ONNX file of the package is refused: {why}",
        hint="Ask the publisher for one file with all weights in it, of standard operators alone "
        "and without loops.",
    )
