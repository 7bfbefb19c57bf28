"""How long the device that trains had nothing to do because its next batch was not there."""

import collections
from typing import Protocol, TypeAlias

import torch

from sightline import clock

_Gap: TypeAlias = tuple[torch.cuda.Event, torch.cuda.Event]


class Waits(Protocol):
    """Told where batches begin and end, it knows the waits between them."""

    def begin(self, read_s: float) -> None:
        """Note that a batch was read, for which the host waited so many seconds."""

    def waited_s(self) -> float:
        """Return what was waited since this was asked last, in seconds; the batch is made."""

    def end(self) -> None:
        """Note that all work on the batch was handed in."""


def waits_on(device: torch.device) -> Waits:
    """Return what measures on a device."""
    return _AcceleratorWaits() if device.type == "cuda" else _HostWaits()


class _HostWaits:
    """On this processor reading and augmentation are all waits."""

    def __init__(self) -> None:
        self._read_s = self._began = 0.0

    def begin(self, read_s: float) -> None:
        self._read_s, self._began = read_s, clock.monotonic()

    def waited_s(self) -> float:
        return self._read_s + clock.monotonic() - self._began

    def end(self) -> None:
        pass


class _AcceleratorWaits:
    """An accelerator works while the host waits: it waits from the end of one batch to the next.

    Its own clock tells, some batches later, when they are done.
    """

    def __init__(self) -> None:
        self._first_s = 0.0
        self._ended: torch.cuda.Event | None = None
        self._gaps: collections.deque[_Gap] = collections.deque()

    def begin(self, read_s: float) -> None:
        begun = _event()
        if self._ended is None:
            self._first_s = read_s
        else:
            self._gaps.append((self._ended, begun))

    def waited_s(self) -> float:
        waited, self._first_s = self._first_s, 0.0
        while self._gaps and self._gaps[0][1].query():  # type: ignore[no-untyped-call]  # as below
            ended, begun = self._gaps.popleft()
            waited += ended.elapsed_time(begun) / 1e3
        return waited

    def end(self) -> None:
        self._ended = _event()


def _event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch's are untyped
    event.record()
    return event
