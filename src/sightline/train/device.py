"""The device that trains: the one that was asked for, or a clear no."""

import os

import torch

from sightline.errors import MissingDevice
from sightline.settings import set_for_libraries


def device_named(name: str) -> torch.device:
    """Return the device of that name; `auto` is a GPU where there is one.

    Raises:
        MissingDevice: It is not there.
    """
    # Without it cuBLAS refuses to compute where results must not vary.
    set_for_libraries("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise MissingDevice(
            f"{name} was asked for, and torch {torch.__version__} sees {count or 'no'} GPU"
            + ("s" if count > 1 else ""),
            hint="See `nvidia-smi` and whether torch is a CUDA build; or train with --device cpu.",
        )
    return device


def thread_count(asked: int) -> int:
    """Return how many threads torch shall use; 0 is one a core that this process may use."""
    return asked or len(os.sched_getaffinity(0))
