"""The tensors of a TorchScript archive, without running the program that it is.

`torch.jit.load` runs what the archive holds. Its tensors are listed in a pickle beside the code;
here that pickle is walked with nothing to call but what makes a tensor of stored bytes, in a
limited child process.
"""

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.errors import BadFile
from sightline.networks.sources.contract import limits_of

Array: TypeAlias = npt.NDArray[Any]

_MOST_DEPTH = 200
_KINDS = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_BROKEN = (
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    RecursionError,
    zipfile.BadZipFile,
    NotImplementedError,
)


def read_script(path: Path) -> dict[str, Array]:
    """Return every tensor of a scripted module by its name; half precision is widened.

    Raises:
        BadFile: It is broken, or names something that is not data.
        BeyondLimits: Opening it takes more memory or time than it may have.
        OSError: It cannot be read.
    """
    return limits_of(path).call(open_script, path)


def open_script(path: Path) -> dict[str, Array]:
    """Do the work of `read_script`, in the child.

    Raises:
        BadFile: It is broken, or names something that is not data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            listed = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            with archive.open(listed[0]) as file:
                module = _Reader(file, archive, listed[0].removesuffix(".pkl")).load()
        return dict(_tensors(module, ""))
    except pickle.UnpicklingError as error:
        raise BadFile(
            f"{path.name} is refused: {error}",
            hint="Opening it could run code of whoever made it. Ask for safetensors.",
        ) from error
    except _BROKEN as error:
        raise BadFile(
            f"{path.name} is no TorchScript archive", hint="Copy it again, whole."
        ) from error


class _Module:
    """A scripted module: its attributes, and nothing that could run."""

    def __setstate__(self, state: dict[str, object]) -> None:
        self.attributes = state


class _Reader(pickle.Unpickler):
    """Walks a pickle with nothing to call but what is here."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:  # noqa: ANN401 - a file
        super().__init__(file)
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's signature
        """Return what stands for a name; nothing is imported."""
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in _KINDS:
            return np.dtype(_KINDS[name])
        if (module, name) in _CALLED:
            return _CALLED[module, name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is not data")

    def persistent_load(self, pid: Any) -> Array:  # noqa: ANN401 - pickle's signature
        """Return the stored bytes that an entry names."""
        _, kind, key, _, _ = pid
        return np.frombuffer(self._archive.read(f"{self._folder}/{key}"), kind)


def _tensor(  # noqa: PLR0917 - as a pickle calls it
    stored: Array, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> Array:
    """Copy a tensor out of its storage."""
    if len(shape) != len(strides) or any(number < 0 for number in (offset, *shape, *strides)):
        raise ValueError("a tensor of no shape")
    last = offset + sum(max(size - 1, 0) * step for size, step in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= len(stored):
        raise ValueError("a tensor beyond its storage")
    size = stored.itemsize
    view = np.lib.stride_tricks.as_strided(
        stored[offset:], shape, [step * size for step in strides], writeable=False
    )
    return view.astype(np.float32) if stored.dtype == np.float16 else view.copy()


def _same(value: object, *_: object) -> object:
    return value


_CALLED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.jit._pickle", "build_intlist"): _same,
    ("torch.jit._pickle", "build_doublelist"): _same,
    ("torch.jit._pickle", "build_boollist"): _same,
    ("torch.jit._pickle", "build_tensorlist"): _same,
    ("torch.jit._pickle", "restore_type_tag"): _same,
}


def _tensors(value: object, name: str, depth: int = 0) -> Iterator[tuple[str, Array]]:
    if depth > _MOST_DEPTH:
        raise RecursionError
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, _Module):
        for attribute, part in value.attributes.items():
            below = f"{name}.{attribute}" if name else str(attribute)
            yield from _tensors(part, below, depth + 1)
