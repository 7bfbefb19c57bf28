"""Values as JSON and plain buffers: what a child that handled hostile bytes may say to its parent.

Nothing here can run code of the sender, as unpickling would: scalars, containers, bytes, arrays of
numbers, and the dataclasses of `sightline.values` and `sightline.formats`.
"""

import dataclasses
import importlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Buffer: TypeAlias = bytes | npt.NDArray[Any]

_ALIGNMENT = 64
_NUMBERS = "biuf"
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    RecursionError,
    TypeError,
)
_ROOMS = ("sightline.values.", "sightline.formats.")


def pack(value: object) -> tuple[bytes, list[Buffer]]:
    """Return a value as JSON text and the buffers that belong to it, in order.

    Raises:
        TypeError: It is of a kind that cannot be told.
    """
    buffers: list[Buffer] = []
    return json.dumps(_encode(value, buffers)).encode(), buffers


def unpack(text: bytes, memory: memoryview) -> object:
    """Return the value that `pack` told; its buffers lie in `memory`, as `places` lays them out.

    Bytes are copied out; arrays look into `memory`.

    Raises:
        ValueError: It is nothing that `pack` wrote.
    """
    try:
        return _Decoder(memory).decode(json.loads(text))
    except _MALFORMED as error:
        raise ValueError("a malformed answer") from error


def places(sizes: Sequence[int]) -> Iterator[int]:
    """Give where each buffer begins in the memory that all of them share."""
    at = 0
    for size in sizes:
        yield at
        at = -(-(at + size) // _ALIGNMENT) * _ALIGNMENT


def size_of(buffer: Buffer) -> int:
    """Return the bytes of a buffer."""
    return len(buffer) if isinstance(buffer, bytes) else buffer.nbytes


def _encode(value: object, buffers: list[Buffer]) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes | np.ndarray):
        return _encode_buffer(value, buffers)
    if isinstance(value, list):
        return [_encode(each, buffers) for each in value]
    told: dict[str, object]
    if isinstance(value, tuple):
        told = {"tuple": [_encode(each, buffers) for each in value]}
    elif isinstance(value, dict):
        pairs = [[_encode(key, buffers), _encode(each, buffers)] for key, each in value.items()]
        told = {"dict": pairs}
    else:
        told = _encode_dataclass(value, buffers)
    return told


def _encode_buffer(value: Buffer, buffers: list[Buffer]) -> dict[str, object]:
    if isinstance(value, bytes):
        buffers.append(value)
        return {"bytes": len(value)}
    if value.dtype.kind not in _NUMBERS:
        raise TypeError(f"an array of {value.dtype}")
    buffers.append(np.ascontiguousarray(value))
    return {"array": value.dtype.str, "shape": list(value.shape)}


def _encode_dataclass(value: object, buffers: list[Buffer]) -> dict[str, object]:
    kind = type(value)
    if not dataclasses.is_dataclass(value) or not kind.__module__.startswith(_ROOMS):
        raise TypeError(f"a {kind.__name__} cannot be told")
    fields = {
        each.name: _encode(getattr(value, each.name), buffers) for each in dataclasses.fields(value)
    }
    return {"kind": kind.__qualname__, "module": kind.__module__, "fields": fields}


class _Decoder:
    """Walks a value in the order it was packed in."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._at = 0

    def decode(self, told: Any) -> object:  # noqa: ANN401 - JSON
        if isinstance(told, list):
            return [self.decode(each) for each in told]
        if not isinstance(told, dict):
            return told
        found: object
        if "bytes" in told:
            found = bytes(self._take(told["bytes"]))
        elif "array" in told:
            found = self._array(np.dtype(told["array"]), tuple(told["shape"]))
        elif "tuple" in told:
            found = tuple(self.decode(each) for each in told["tuple"])
        elif "dict" in told:
            found = {self.decode(key): self.decode(each) for key, each in told["dict"]}
        else:
            found = self._dataclass(told)
        return found

    def _array(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        count = 1
        for side in shape:
            if not side >= 0:
                raise ValueError("an array with a negative side")
            count *= side
        if dtype.kind not in _NUMBERS:
            raise ValueError("an array of no numbers")
        return np.frombuffer(self._take(count * dtype.itemsize), dtype).reshape(shape)

    def _dataclass(self, told: dict[str, Any]) -> object:
        module, kind = told["module"], told["kind"]
        if not module.startswith(_ROOMS):
            raise ValueError("a value of a foreign kind")
        found = getattr(importlib.import_module(module), kind)
        if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
            raise ValueError("a value of no kind of ours")
        return found(**{name: self.decode(each) for name, each in told["fields"].items()})

    def _take(self, size: int) -> memoryview:
        end = self._at + size
        if size < 0 or end > len(self._memory):
            raise ValueError("a buffer that is not there")
        part = self._memory[self._at : end]
        self._at = -(-end // _ALIGNMENT) * _ALIGNMENT
        return part
