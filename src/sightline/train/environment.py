"""What a run was made with: enough to say whether another machine can repeat it bit for bit."""

import functools
import importlib.metadata
import platform
from pathlib import Path

import torch

_CPUINFO = Path("/proc/cpuinfo")


@functools.cache
def processor_features() -> frozenset[str]:
    """Return the instruction sets of this processor; empty where the system does not tell."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()


def environment() -> dict[str, str]:
    """Return python, operating system and every installed distribution with its version."""
    packages = {
        distribution.name: distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.name
    }
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        **{f"package:{name}": packages[name] for name in sorted(packages)},
    }


def hardware(device: torch.device, threads: int) -> dict[str, str]:
    """Return what decides the last bit of a result: threads, instructions, device."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "device": device.type,
        "device_name": name,
        "threads": str(threads),
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "processor_features": " ".join(sorted(processor_features())),
    }
