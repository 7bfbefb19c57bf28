"""Buffers used again and again: fresh memory costs more than filling it."""

import collections
import weakref

import numpy as np
import numpy.typing as npt
import torch


class Ring:
    """Gives buffers out, and again once nothing refers to them any more.

    For a CUDA device they are pinned, and torch keeps the ring: its allocator takes pinned memory
    back when the copies from it are done.
    """

    def __init__(self, device: torch.device) -> None:
        self._is_pinned = device.type == "cuda"
        self._free: dict[int, collections.deque[npt.NDArray[np.uint8]]] = {}

    def take(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Return a tensor with whatever it held before."""
        if self._is_pinned:
            return torch.empty(shape, dtype=dtype, pin_memory=True)
        count = int(np.prod(shape)) * dtype.itemsize
        # Powers of two, so that boxes of many sizes share buffers.
        size = 1 << max(count - 1, 1).bit_length()
        free = self._free.setdefault(size, collections.deque())
        try:
            buffer = free.pop()
        except IndexError:
            buffer = np.empty(size, np.uint8)
        # A tensor holds on to the view for as long as anything shares its memory.
        view = buffer.view()
        weakref.finalize(view, free.append, buffer)
        return torch.from_numpy(view)[:count].view(dtype).view(shape)
