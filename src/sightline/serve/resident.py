"""Models that stay loaded, as many as a budget of memory has room for."""

import ctypes
import gc
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from sightline import log
from sightline.store.decoded import memory_left_bytes

_log = log.get("serve")
_STATM = Path("/proc/self/statm")
FOR_MODELS = 0.75
"""Share of the budget; a study that is predicted takes memory besides the models."""

_HALF = 0.5

Loaded = TypeVar("Loaded")


class Resident(Generic[Loaded]):
    """Loaded models by name; the one that was used longest ago leaves first.

    What counts is the memory of the whole process, as the system sees it, because what a model
    takes besides its weights only its back end knows.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._held: OrderedDict[str, Loaded] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def get(self, name: str, load: Callable[[], Loaded]) -> Loaded:
        """Return a model, loading it where it is not; others leave where room is wanted.

        Args:
            name: of the model as it is loaded.
            load: loads it.
        """
        if name in self._held:
            self._held.move_to_end(name)
            return self._held[name]
        # Of one that was never loaded nobody knows how large it is: room is made after it.
        self._make_room(self._sizes.get(name, 0))
        before = used_bytes()
        loaded = load()
        self._sizes[name] = max(used_bytes() - before, 0)
        self._make_room(0)
        self._held[name] = loaded
        return loaded

    def forget(self, name: str) -> None:
        """Let all go that is loaded of a model.

        Args:
            name: how the names of it begin.
        """
        for each in [held for held in self._held if held.startswith(name)]:
            del self._held[each]

    def names(self) -> list[str]:
        """List what is loaded, from what was used longest ago."""
        return list(self._held)

    def _make_room(self, wanted: int) -> None:
        while self._held and used_bytes() + wanted > self._budget * FOR_MODELS:
            name, _ = self._held.popitem(last=False)
            _give_back()
            _log.info("model_unloaded", model=name, left=len(self._held))


def budget_of(memory_gb: float) -> int:
    """Return a budget in bytes; 0 stands for half of what is left to this process now."""
    if memory_gb:
        return int(memory_gb * 1e9)
    return int((memory_left_bytes() + used_bytes()) * _HALF)


def used_bytes() -> int:
    """Return how much memory this process has; 0 where the system does not tell: all may stay."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _give_back() -> None:
    """Return what is free to the system; networks hold cycles, and the C library keeps pages."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
