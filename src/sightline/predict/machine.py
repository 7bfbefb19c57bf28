"""What decides how fast a model runs here, and the last bits of what it says."""

import functools
import importlib.metadata
import platform
from pathlib import Path

import torch

_CPUINFO = Path("/proc/cpuinfo")
_RUNTIMES = ("torch", "openvino", "onnxruntime", "torch_tensorrt")


def machine_of(device: torch.device) -> str:
    """Name a device with its threads and the versions of what runs models on it."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        capability = torch.backends.cpu.get_cpu_capability()
        name = f"{_processor()} ({capability}), {torch.get_num_threads()} threads"
    return "; ".join((name, *_versions()))


@functools.cache
def _versions() -> tuple[str, ...]:
    found = []
    for name in _RUNTIMES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)


@functools.cache
def _processor() -> str:
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
