"""What decides how fast a model runs here, and the last bits of what it says."""

import functools
import importlib.metadata
import platform
from pathlib import Path

import torch

_CPUINFO = Path("/proc/cpuinfo")
_RUNTIMES = ("torch", "openvino", "onnxruntime", "torch_tensorrt")
# Of the way to the network and back.
_BESIDE = (
    *("sightline", "dynamic-network-architectures", "highdicom", "monai", "numba", "numpy"),
    *("pillow", "pydicom", "SimpleITK"),
)


def machine_of(device: torch.device) -> str:
    """Name a device with its threads and the versions of what runs models on it."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        capability = torch.backends.cpu.get_cpu_capability()
        name = f"{_processor()} ({capability}), {torch.get_num_threads()} threads"
    return "; ".join((name, *(" ".join(each) for each in _versions(*_RUNTIMES).items())))


def software() -> dict[str, str]:
    """Return name and version of all that has a part in what is written of a prediction."""
    return {"python": platform.python_version()} | _versions(*_RUNTIMES, *_BESIDE)


@functools.cache
def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def _processor() -> str:
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
