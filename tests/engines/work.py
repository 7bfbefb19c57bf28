"""What the children of the tests are asked to do; it is imported by them by name."""

import ctypes
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sightline.errors import NotDicom
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume


def echo(value: object) -> object:
    return value


def process() -> int:
    return os.getpid()


def hang() -> None:
    time.sleep(600)


def spin() -> None:
    while True:
        pass


def swallow(size_bytes: int) -> int:
    return len(bytearray(size_bytes))


def swallow_in_a_library(size_bytes: int) -> None:
    """Ask for memory as C code does, and die of a null pointer."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    ctypes.memset(libc.malloc(ctypes.c_size_t(size_bytes)) or 0, 1, 16)


def crash() -> None:
    ctypes.string_at(0)


def leave() -> None:
    os._exit(3)


def refuse() -> None:
    raise NotDicom("no good", hint="Try another.")


def divide() -> float:
    return 1 / 0


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path) -> None:
    path.write_bytes(b"x")


def environment() -> dict[str, str]:
    return dict(os.environ)


def reaches(port: int) -> bool:
    with socket.socket() as asked:
        asked.settimeout(2)
        return asked.connect_ex(("127.0.0.1", port)) == 0


def ones(size_bytes: int) -> npt.NDArray[np.uint8]:
    return np.ones(size_bytes, np.uint8)


def unspeakable() -> object:
    return object()


def volume() -> Volume:
    geometry = Geometry.from_affine((2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0]))
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    return Volume(
        voxels=voxels, geometry=geometry, modality="CT", slope=1.0, intercept=-1024.0, unit="HU"
    )


def out_of_time_once(path: Path) -> str:
    """Die as if the processor time were used up, the first time alone."""
    if not path.exists():
        path.touch()
        out_of_time()
    return "done"


def out_of_time() -> None:
    """Die as if the processor time were used up."""
    os.kill(os.getpid(), signal.SIGPROF)
