"""Pickled checkpoints, opened in a limited child process: what is no tensor or number is refused.

`torch.load(weights_only=True)` calls nothing that a pickle names but what is listed here. Even if
it could be led astray, the child has no network, writes no file, and answers with plain buffers.
"""

import itertools
import pickle
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.errors import BadFile
from sightline.networks.sources.contract import limits_of

_SCALAR = np._core.multiarray.scalar  # type: ignore[attr-defined]  # noqa: SLF001 - pickles name it so
_ALLOWED: tuple[Any, ...] = (
    # nnU-Net keeps its curves, numbers of numpy's, in its checkpoints.
    (_SCALAR, "numpy.core.multiarray.scalar"),  # as numpy 1 writes it
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")),
)
_BROKEN = (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError)
_MOST_VALUES = 200_000
_WIDENED = {torch.bfloat16: torch.float32, torch.float16: torch.float32}


def read_pickle(path: Path, wanted: Sequence[str] = ()) -> dict[str, Any]:
    """Return a checkpoint as dicts, lists, numbers, texts and arrays.

    Tensors become arrays; half precision is widened; anything else becomes None.

    Args:
        path: the file.
        wanted: keys of the outermost dict; all where none is named.

    Raises:
        BadFile: It is broken, or names something that is not data.
        BeyondLimits: Opening it takes more memory or time than it may have.
        OSError: It cannot be read.
    """
    return limits_of(path).call(open_pickle, path, tuple(wanted))


def open_pickle(path: Path, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Do the work of `read_pickle`, in the child.

    Raises:
        BadFile: It is broken, or names something that is not data.
    """
    try:
        with torch.serialization.safe_globals(list(_ALLOWED)):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadFile(
            f"{path.name} is refused: it names {_named(error)}, which is not data",
            hint="Opening it could run code of whoever made it. Ask for safetensors.",
        ) from error
    except _BROKEN as error:
        raise BadFile(
            f"{path.name} is no checkpoint that torch can open", hint="Copy it again, whole."
        ) from error
    if not isinstance(found, dict):
        raise BadFile(f"{path.name} holds no dict", hint="Give a checkpoint, not a whole module.")
    kept = {key: found[key] for key in wanted if key in found} if wanted else found
    try:
        return {str(key): plain(value) for key, value in kept.items()}
    except RuntimeError as error:
        raise BadFile(
            f"{path.name} holds a tensor for which there is no memory", hint="Ask for safetensors."
        ) from error


def plain(value: object) -> object:
    """Return a value with nothing in it but what a child may tell; the rest becomes None.

    Raises:
        BadFile: It repeats its parts in its parts so often that nobody could write it out.
    """
    return _plain(value, itertools.count())


def _plain(value: object, seen: Iterator[int]) -> object:
    if next(seen) > _MOST_VALUES:
        raise BadFile(
            "the checkpoint holds more values than any would", hint="Ask for safetensors."
        )
    if isinstance(value, torch.Tensor):
        whole = value.detach().to(_WIDENED.get(value.dtype, value.dtype))
        return whole.contiguous().numpy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {str(key): _plain(each, seen) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, seen) for each in value]
    return value if isinstance(value, bool | int | float | str) else None


def tensors_in(state: object, *, of: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a state dict that came from a child.

    Raises:
        BadFile: It is none.
    """
    if not isinstance(state, dict) or not state:
        raise BadFile(f"{of} holds no weights", hint="Give a checkpoint of a finished training.")
    arrays = {name: each for name, each in state.items() if isinstance(each, np.ndarray)}
    if not arrays:
        raise BadFile(f"{of} holds no tensors", hint="Give a checkpoint of a finished training.")
    return {name: torch.from_numpy(each) for name, each in arrays.items()}


def _named(error: Exception) -> str:
    found = re.search(r"(?:GLOBAL|global|Unsupported class|type) ([\w.]+)", str(error))
    return found.group(1) if found else "something"
