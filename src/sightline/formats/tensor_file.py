"""A safetensors file held against its own header, before anything else opens it.

The format: github.com/huggingface/safetensors#format.
"""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from sightline.errors import BadFile

_WIDTHS = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
    "BOOL": 1,
}  # fmt: skip
# Where all bits of the exponent are set, a number is infinite or none.
_EXPONENTS = {"F64": ("<u8", 0x7FF << 52), "F32": ("<u4", 0xFF << 23), "F16": ("<u2", 0x1F << 10),
              "BF16": ("<u2", 0xFF << 7)}  # fmt: skip
_LARGEST_HEADER_BYTES = 8 * 1024**2
_LENGTH_BYTES = 8
_MOST_AXES = 8
_PIECE = 1024**2


def check_tensor_file(path: Path) -> int:
    """Return how many tensors a file holds once each of them is where and what it says.

    Raises:
        BadFile: The header lies, or a number is infinite or none.
        OSError: It cannot be read.
    """
    if path.stat().st_size < _LENGTH_BYTES:
        raise _refusal("it is shorter than a header")
    content = np.memmap(path, np.uint8, "r")
    length = int.from_bytes(content[:_LENGTH_BYTES].tobytes(), "little")
    start = _LENGTH_BYTES + length
    if length > _LARGEST_HEADER_BYTES or start > len(content):
        raise _refusal("its header is longer than the file may have")
    entries = _entries(content[_LENGTH_BYTES:start].tobytes())
    at = 0
    for name, (kind, size, begin) in sorted(entries.items(), key=lambda item: item[1][2]):
        if begin != at or begin + size > len(content) - start:
            raise _refusal(f"{_short(name)} lies where something else does, or nothing")
        if kind in _EXPONENTS:
            _check_finite(content[start + begin : start + begin + size], kind, name)
        at += size
    if start + at != len(content):
        raise _refusal("it is longer than its tensors")
    return len(entries)


def _entries(header: bytes) -> dict[str, tuple[str, int, int]]:
    """Return kind, size and place of every tensor."""
    try:
        listed = json.loads(header, object_pairs_hook=_once)
        listed.pop("__metadata__", None)
        return {name: _entry(name, each) for name, each in listed.items()}
    except (ValueError, RecursionError, TypeError, LookupError, AttributeError) as error:
        raise _refusal("its header is not written as the format asks") from error


def _entry(name: str, given: dict[str, Any]) -> tuple[str, int, int]:
    kind, shape, (begin, end) = given["dtype"], given["shape"], given["data_offsets"]
    if kind not in _WIDTHS:
        raise _refusal(f"{_short(name)} is of the unknown type {_short(str(kind))}")
    numbers = [*shape, begin, end]
    if not all(type(each) is int and each >= 0 for each in numbers) or len(shape) > _MOST_AXES:
        raise _refusal(f"{_short(name)} has a shape or place that none can have")
    if math.prod(shape) * _WIDTHS[kind] != end - begin:
        raise _refusal(f"{_short(name)} does not have as many numbers as its shape")
    return kind, end - begin, begin


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _check_finite(content: np.ndarray[Any, Any], kind: str, name: str) -> None:
    number, exponent = _EXPONENTS[kind]
    width = _WIDTHS[kind]
    for begin in itertools.count(0, _PIECE * width):
        piece = content[begin : begin + _PIECE * width]
        if not len(piece):
            return
        bits = np.frombuffer(piece.tobytes(), number) & np.array(exponent, number)
        if (bits == exponent).any():
            raise _refusal(f"{_short(name)} holds numbers that are infinite or none")


def _short(name: str) -> str:
    return repr(name[:60])


def _refusal(why: str) -> BadFile:
    return BadFile(
        f"the weights are refused: {why}",
        hint="Ask the publisher for weights as safetensors writes them.",
    )
