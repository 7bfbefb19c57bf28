"""What a run was made with: enough to say whether another machine can repeat it bit for bit."""

import functools
import hashlib
import importlib.metadata
import importlib.resources
import platform
from collections.abc import Iterator
from importlib.resources.abc import Traversable
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


def code_facts() -> dict[str, str]:
    """Return version and digest of the code that trains."""
    digest = hashlib.sha256()
    for path, content in _sources(importlib.resources.files("sightline"), ""):
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    installed = importlib.metadata.version("sightline")
    return {"name": f"sightline {installed}", "digest": digest.hexdigest()}


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name not in {"web", "__pycache__"}:
            yield from _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield f"{prefix}{entry.name}", entry.read_bytes()
