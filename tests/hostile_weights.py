"""Weights that mean harm, in packages that are sound and signed otherwise."""

import io
import json
import os
import pickle
import shutil
import socket
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import safetensors.torch
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.hostile_kit import INFERENCE, MIB, MODEL, WEIGHTS, Kit, Trap, table

_YAML = "configs/inference.yaml"


def _saved(content: object, *, is_zip: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=is_zip)
    return buffer.getvalue()


def _objects(trap: Trap) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([trap], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _doubled(times: int) -> dict[str, Any]:
    part: list[Any] = [1]
    for _ in range(times):
        part = [part, part]
    return {"network_weights": part}


def _of_nan(kit: Kit) -> Path:
    state = torch.load(WEIGHTS / "monai" / MODEL, weights_only=True)
    next(iter(state.values())).fill_(float("nan"))
    return kit.monai({MODEL: _saved(state)})


def _shell(kit: Kit) -> Trap:
    return Trap(os.system, kit.shell)


table(
    "which is not data",
    pickle_plain=lambda kit: kit.nnunet(pickle.dumps(_shell(kit), protocol=2)),
    pickle_of_exec=lambda kit: kit.nnunet(pickle.dumps(Trap(exec, kit.code), protocol=2)),
    pickle_of_eval=lambda kit: kit.nnunet(_saved({"a": Trap(eval, kit.call)})),
    pickle_that_calls_out=lambda kit: kit.nnunet(
        _saved(Trap(socket.create_connection, ("127.0.0.1", kit.port)))
    ),
    pickle_in_torch_zip=lambda kit: kit.nnunet(_saved({"network_weights": _shell(kit)})),
    pickle_in_legacy_torch=lambda kit: kit.nnunet(
        _saved({"network_weights": _shell(kit)}, is_zip=False)
    ),
    pickle_nested=lambda kit: kit.nnunet(
        _saved({"network_weights": {"a": [({"b": _shell(kit)},)]}})
    ),
    pickle_of_a_module=lambda kit: kit.nnunet(_saved(torch.nn.Linear(2, 2))),
    pickle_that_removes=lambda kit: kit.nnunet(_saved(Trap(shutil.rmtree, "/none"))),
    monai_pickle_plain=lambda kit: kit.monai({MODEL: pickle.dumps(_shell(kit), protocol=2)}),
    monai_pickle_in_torch_zip=lambda kit: kit.monai({MODEL: _saved(_shell(kit))}),
    monai_pickle_nested=lambda kit: kit.monai(
        {MODEL: _saved({"state_dict": {"net": Trap(exec, kit.code)}})}
    ),
)
table(
    "refused",
    pickle_of_zeros=lambda kit: kit.nnunet(bytes(64)),
    pickle_of_protocol_4=lambda kit: kit.nnunet(pickle.dumps(_shell(kit), protocol=4)),
    pickle_in_objects_of_npy=lambda kit: kit.nnunet(_objects(_shell(kit))),
    safetensors_that_is_a_pickle=lambda kit: kit.tensors(pickle.dumps(_shell(kit))),
    safetensors_that_is_npy=lambda kit: kit.tensors(_objects(_shell(kit))),
    safetensors_that_is_torch=lambda kit: kit.tensors(_saved(_shell(kit))),
    onnx_that_is_a_pickle=lambda kit: kit.graph(pickle.dumps(_shell(kit))),
)
table(
    "no checkpoint that torch can open",
    pickle_cut_off=lambda kit: kit.nnunet(_saved({"a": torch.ones(9)})[:-300]),
)
table(
    "more values than any would", pickle_that_doubles=lambda kit: kit.nnunet(_saved(_doubled(40)))
)
table(
    "for which there is no memory",
    pickle_of_terabytes=lambda kit: kit.nnunet(
        _saved({"network_weights": {"a": torch.zeros(1).expand(10**12)}})
    ),
)
table("infinite or none", monai_weights_of_nan=_of_nan)


# TorchScript: a program, whatever it is called.


def _script(pickled: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", pickled)
        archive.writestr("model/version", b"3\n")
    return buffer.getvalue()


def _traced() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch makes such files no more
        torch.jit.save(torch.jit.trace(torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2)), buffer)
    return buffer.getvalue()


def _in_script(kit: Kit, content: bytes) -> Path:
    return kit.monai({"models/model.ts": content}, without=(MODEL,))


table(
    "which is not data",
    script_with_a_trap=lambda kit: _in_script(kit, _script(pickle.dumps(_shell(kit), protocol=2))),
    script_with_exec=lambda kit: _in_script(kit, _script(pickle.dumps(Trap(exec, kit.code)))),
)
table(
    "refused",
    script_as_safetensors=lambda kit: kit.tensors(_traced()),
    script_as_onnx=lambda kit: kit.graph(_traced()),
)
table(
    "is no TorchScript archive",
    script_without_data=lambda kit: _in_script(kit, b"PK\x05\x06" + bytes(18)),
    script_cut_off=lambda kit: _in_script(kit, _traced()[:-40]),
)


# Bundles of MONAI: files that its own framework would evaluate.


def _yaml(kit: Kit, text: str) -> Path:
    return kit.monai({_YAML: text.encode()}, without=(INFERENCE,))


def _transform(kit: Kit, **given: str) -> Path:
    return kit.inference(preprocessing={"transforms": [given]})


def _laughing() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    lines += ["network_def: {_target_: DynUNet, in_channels: *a11}", "inferer: {}"]
    return "\n".join(lines)


table(
    "is an expression",
    monai_expression=lambda kit: kit.network(
        in_channels=f"$__import__('os').system({kit.shell!r})"
    ),
    monai_expression_that_calls_out=lambda kit: kit.network(out_channels=f"${kit.call}"),
)
table(
    "its network is a",
    monai_target_of_os=lambda kit: kit.inference(
        network_def={"_target_": "os.system", "command": kit.shell}
    ),
    monai_target_of_eval=lambda kit: kit.inference(
        network_def={"_target_": "builtins.eval", "source": kit.code}
    ),
)
table(
    "before its network it applies",
    monai_transform_of_os=lambda kit: _transform(kit, _target_="os.system", command=kit.shell),
    monai_lambda=lambda kit: _transform(kit, _target_="Lambdad", func=f"${kit.code}"),
)
table(
    "describes no network",
    monai_network_as_expression=lambda kit: kit.inference(network_def=f"$exec({kit.code!r})"),
)
table(
    "go in circles",
    monai_circles=lambda kit: kit.inference(
        network_def={"_target_": "DynUNet", "in_channels": "@a"}, a="@b", b="@a"
    ),
    monai_references_that_multiply=lambda kit: kit.inference(
        network_def={"_target_": "DynUNet", "in_channels": "@a0"},
        **{f"a{n}": [f"@a{n + 1}"] * 10 for n in range(14)},
        a14=1,
    ),
    yaml_that_laughs=lambda kit: _yaml(kit, _laughing()),
)
table(
    "neither JSON nor YAML",
    yaml_that_calls=lambda kit: _yaml(kit, f"a: !!python/object/apply:os.system [{kit.shell}]"),
    yaml_that_makes=lambda kit: _yaml(kit, "a: !!python/object/new:subprocess.Popen [[touch, x]]"),
    yaml_that_names=lambda kit: _yaml(kit, "a: !!python/name:os.system"),
    yaml_that_imports=lambda kit: _yaml(kit, "a: !!python/module:antigravity"),
    yaml_nested=lambda kit: _yaml(kit, "[" * 5_000),
)
table(
    "larger than",
    yaml_of_a_megabyte=lambda kit: _yaml(kit, "a: 1\n" * (MIB // 5)),
    json_of_many_lists=lambda kit: kit.monai({INFERENCE: b"[" + b"[]," * MIB + b"[]]"}),
)
table("answers with", monai_of_endless_classes=lambda kit: kit.network(out_channels=10**9))
table(
    "the plan of the package is refused",
    monai_of_endless_channels=lambda kit: kit.network(filters=[10**9] * 8),
)


# Safetensors whose header lies.


def _tensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _one(kind: str = "F32", shape: tuple[int, ...] = (2,), at: tuple[int, int] = (0, 8)) -> bytes:
    return _tensors({"a": {"dtype": kind, "shape": shape, "data_offsets": at}}, bytes(8))


def _two(first: tuple[int, int], second: tuple[int, int], size: int) -> bytes:
    entries = {
        name: {"dtype": "F32", "shape": [(end - begin) // 4], "data_offsets": [begin, end]}
        for name, (begin, end) in {"a": first, "b": second}.items()
    }
    return _tensors(entries, bytes(size))


def _filled(value: float, dtype: torch.dtype = torch.float32) -> bytes:
    return safetensors.torch.save({"a": torch.full((2,), value, dtype=dtype)})


def _changed(kit: Kit, **changes: object) -> bytes:
    """Write the weights of the plan with one tensor changed, added or left out."""
    tensors = safetensors.torch.load(kit.weights)
    name = next(iter(tensors))
    match changes:
        case {"shape": shape}:
            tensors[name] = torch.zeros(shape)  # type: ignore[call-overload]
        case {"dtype": dtype}:
            tensors[name] = tensors[name].to(dtype)  # type: ignore[call-overload]
        case {"without": _}:
            del tensors[name]
        case _:
            tensors["more"] = torch.zeros(1)
    return safetensors.torch.save(tensors)


_ENTRY = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
_DOUBLE_KEY = f'{{"a":{_ENTRY},"a":{_ENTRY}}}'.encode()
table(
    "the weights are refused",
    tensors_of_nothing=lambda kit: kit.tensors(b""),
    tensors_with_an_endless_header=lambda kit: kit.tensors(_tensors({}, length=2**63)),
    tensors_with_a_header_beyond=lambda kit: kit.tensors(_tensors({}, length=100)),
    tensors_with_no_json=lambda kit: kit.tensors(_tensors(b"{" * 64)),
    tensors_with_a_nested_header=lambda kit: kit.tensors(_tensors(b'{"a":' * 100_000)),
    tensors_of_a_list=lambda kit: kit.tensors(_tensors([])),
    tensors_with_a_name_twice=lambda kit: kit.tensors(_tensors(_DOUBLE_KEY, bytes(8))),
    tensors_of_an_unknown_type=lambda kit: kit.tensors(_one("OBJECT")),
    tensors_of_a_negative_shape=lambda kit: kit.tensors(_one(shape=(-2,))),
    tensors_of_an_endless_shape=lambda kit: kit.tensors(_one(shape=(2**62, 2**62))),
    tensors_of_another_shape=lambda kit: kit.tensors(_one(shape=(3,))),
    tensors_before_the_data=lambda kit: kit.tensors(_one(at=(-8, 0))),
    tensors_backwards=lambda kit: kit.tensors(_one(at=(8, 0))),
    tensors_beyond_the_file=lambda kit: kit.tensors(_one(shape=(2**20,), at=(0, 2**22))),
    tensors_that_overlap=lambda kit: kit.tensors(_two((0, 8), (4, 12), 12)),
    tensors_with_a_hole=lambda kit: kit.tensors(_two((0, 8), (12, 20), 20)),
    tensors_with_a_tail=lambda kit: kit.tensors(_one() + b"tail"),
    tensors_cut_off=lambda kit: kit.tensors(kit.weights[:-4]),
    tensors_of_nan=lambda kit: kit.tensors(_filled(float("nan"))),
    tensors_of_infinity=lambda kit: kit.tensors(_filled(float("-inf"))),
    tensors_of_nan_in_bfloat16=lambda kit: kit.tensors(_filled(float("nan"), torch.bfloat16)),
    tensors_of_infinity_in_float16=lambda kit: kit.tensors(_filled(float("inf"), torch.float16)),
)
table(
    "weights do not fit their network",
    tensors_of_a_wrong_shape=lambda kit: kit.tensors(_changed(kit, shape=(3, 3))),
    tensors_of_a_wrong_type=lambda kit: kit.tensors(_changed(kit, dtype=torch.float64)),
    tensors_that_lack_one=lambda kit: kit.tensors(_changed(kit, without=True)),
    tensors_with_one_more=lambda kit: kit.tensors(_changed(kit, more=True)),
)


# ONNX: a program of operators, that may point at files.

_SHAPE = (1, 1, 8, 16, 16)
_ANSWER = (1, 3, 8, 16, 16)


def _graph(
    nodes: list[Any],
    initializers: list[Any] | None = None,
    shape: tuple[int, ...] = _SHAPE,
    answer: tuple[int, ...] = _ANSWER,
    domains: tuple[str, ...] = ("",),
    inputs: int = 1,
) -> onnx.ModelProto:
    taken = [
        helper.make_tensor_value_info(f"x{n}", TensorProto.FLOAT, shape) for n in range(inputs)
    ]
    given = [helper.make_tensor_value_info("y", TensorProto.FLOAT, answer)]
    graph = helper.make_graph(nodes, "g", taken, given, initializers or [])
    opsets = [helper.make_opsetid(each, 17 if not each else 1) for each in domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _conv(weights: TensorProto) -> onnx.ModelProto:
    return _graph([helper.make_node("Conv", ["x0", "w"], ["y"])], [weights])


def _kernel(value: float = 0.1) -> TensorProto:
    return numpy_helper.from_array(np.full((3, 1, 1, 1, 1), value, np.float32), "w")


def _outside(place: str) -> bytes:
    tensor = _kernel()
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", "12")):
        tensor.external_data.add(key=key, value=value)
    return _conv(tensor).SerializeToString()


def _outside_in_a_node() -> bytes:
    model = _conv(_kernel())
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    constant = helper.make_node("Constant", [], ["c"])
    constant.attribute.append(onnx.AttributeProto(name="value", type=4, t=tensor))
    model.graph.node.insert(0, constant)
    return model.SerializeToString()


def _of_operator(name: str, domain: str = "", **attributes: object) -> bytes:
    domains = ("",) if not domain else ("", domain)
    node = helper.make_node(name, ["x0"], ["y"], domain=domain, **attributes)
    return _graph([node], answer=_SHAPE, domains=domains).SerializeToString()


def _with_function() -> bytes:
    model = _conv(_kernel())
    body = [helper.make_node("Identity", ["a"], ["b"])]
    opset = helper.make_opsetid("", 17)
    model.functions.append(helper.make_function("", "Mine", ["a"], ["b"], body, [opset]))
    return model.SerializeToString()


def _loop() -> bytes:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"])],
        "body",
        [info("n", TensorProto.INT64, ()), info("c", TensorProto.BOOL, ())],
        [info("d", TensorProto.BOOL, ())],
    )
    times = numpy_helper.from_array(np.array(2**62), "t")
    go = numpy_helper.from_array(np.array(True), "go")
    nodes = [
        helper.make_node("Loop", ["t", "go"], [], body=body),
        helper.make_node("Identity", ["x0"], ["y"]),
    ]
    return _graph(nodes, [times, go], answer=_SHAPE).SerializeToString()


def _lying(dims: list[int]) -> bytes:
    tensor = _kernel()
    del tensor.dims[:]
    tensor.dims.extend(dims)
    return _conv(tensor).SerializeToString()


def _huge() -> bytes:
    """Ask for a trillion numbers at the first run."""
    shape = numpy_helper.from_array(np.array([10**6, 10**6]), "s")
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["sum"]),
        helper.make_node("Add", ["x0", "sum"], ["y"]),
    ]
    return _graph(nodes, [shape], answer=_SHAPE).SerializeToString()


def _of_two_answers() -> bytes:
    model = _conv(_kernel())
    model.graph.output.append(model.graph.output[0])
    model.graph.output[1].name = "z"
    model.graph.node.append(helper.make_node("Identity", ["y"], ["z"]))
    return model.SerializeToString()


def _of_doubles() -> bytes:
    model = _graph([helper.make_node("Cast", ["x0"], ["y"], to=TensorProto.DOUBLE)], answer=_SHAPE)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    return model.SerializeToString()


def _of_no_number() -> bytes:
    zero = numpy_helper.from_array(np.zeros((1, 3, 1, 1, 1), np.float32), "z")
    nodes = [
        helper.make_node("Mul", ["x0", "z"], ["a"]),
        helper.make_node("Div", ["a", "z"], ["y"]),
    ]
    return _graph(nodes, [zero]).SerializeToString()


table(
    "it keeps weights in other files",
    onnx_outside=lambda kit: kit.graph(_outside("../../etc/passwd")),
    onnx_outside_absolute=lambda kit: kit.graph(_outside("/etc/passwd")),
    onnx_outside_beside=lambda kit: kit.graph(_outside("manifest.json")),
    onnx_outside_in_a_node=lambda kit: kit.graph(_outside_in_a_node()),
)
table(
    "it asks for",
    onnx_of_a_custom_domain=lambda kit: kit.graph(_of_operator("Shell", "com.evil")),
    onnx_of_runtime_operators=lambda kit: kit.graph(_of_operator("Gelu", "com.microsoft")),
    onnx_of_python=lambda kit: kit.graph(_of_operator("PyOp", "pyopmulti", module="os")),
    onnx_of_an_unknown_operator=lambda kit: kit.graph(_of_operator("System")),
    onnx_of_a_loop=lambda kit: kit.graph(_loop()),
)
table("functions", onnx_with_a_function=lambda kit: kit.graph(_with_function()))
table(
    "the ONNX file of the package is refused",
    onnx_of_nothing=lambda kit: kit.graph(b""),
    onnx_of_text=lambda kit: kit.graph(b"this is no ONNX at all" * 20),
    onnx_cut_off=lambda kit: kit.graph(_conv(_kernel()).SerializeToString()[:-20]),
    onnx_nested=lambda kit: kit.graph(b"\x3a\x7f" * 4000),
    onnx_without_a_graph=lambda kit: kit.graph(onnx.ModelProto(ir_version=8).SerializeToString()),
    onnx_of_nan=lambda kit: kit.graph(_conv(_kernel(float("nan"))).SerializeToString()),
    onnx_of_terabytes=lambda kit: kit.graph(_lying([2**40, 1, 1, 1, 1])),
    onnx_of_a_negative_shape=lambda kit: kit.graph(_lying([-3, 1, 1, 1, 1])),
    onnx_of_a_shape_that_overflows=lambda kit: kit.graph(_lying([2**33, 2**33, 1, 1, 1])),
    onnx_of_another_shape=lambda kit: kit.graph(_lying([4, 1, 1, 1, 1])),
    onnx_of_another_answer=lambda kit: kit.graph(_of_operator("Relu")),
    onnx_of_another_image=lambda kit: kit.graph(
        _graph([helper.make_node("Relu", ["x0"], ["y"])], None, (1, 5), (1, 5)).SerializeToString()
    ),
    onnx_of_two_images=lambda kit: kit.graph(
        _graph(
            [helper.make_node("Add", ["x0", "x1"], ["y"])], answer=_SHAPE, inputs=2
        ).SerializeToString()
    ),
    onnx_of_two_answers=lambda kit: kit.graph(_of_two_answers()),
    onnx_of_doubles=lambda kit: kit.graph(_of_doubles()),
    onnx_of_no_number=lambda kit: kit.graph(_of_no_number()),
    onnx_that_wants_terabytes=lambda kit: kit.graph(_huge()),
)
