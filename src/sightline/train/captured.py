"""A step's forward and backward pass handed to a GPU as one piece of work.

Handing over layer by layer, a processor core is busier than the GPU wherever images are small: a
DenseNet-121 is two thousand pieces of work. Recorded once (CUDA graphs), they are one. The same
kernels run on the same numbers, so that not a bit differs.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import nn

from sightline import log

_log = log.get("train")
# Libraries set themselves up in the first passes, which cannot be recorded.
_WARM_UP = 3

Pass: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From images and targets to their loss, gradients left at the parameters."""


class Captured:
    """Does one pass over and over, on batches of one shape."""

    def __init__(self, work: Pass, network: nn.Module) -> None:
        self._work = work
        self._network = network
        self._graph: torch.cuda.CUDAGraph | None = None
        self._is_refused = False
        self._images = self._targets = self._loss = torch.empty(0)

    @property
    def is_one_piece(self) -> bool:
        """Whether the pass is recorded; some networks refuse."""
        return self._graph is not None

    def __call__(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch; the gradients are those of this batch alone."""
        if self._graph is None and not self._is_refused:
            self._record(images, targets)
        if self._graph is None:
            _forget_gradients(self._network.parameters())
            return self._work(images, targets).detach()
        self._images.copy_(images)
        self._targets.copy_(targets)
        self._graph.replay()
        return self._loss

    def _record(self, images: torch.Tensor, targets: torch.Tensor) -> None:
        kept = [buffer.clone() for buffer in self._network.buffers()]
        state = torch.cuda.get_rng_state()
        self._images, self._targets = images.clone(), targets.clone()
        try:
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP):
                    _forget_gradients(self._network.parameters())
                    self._work(self._images, self._targets)
            torch.cuda.current_stream().wait_stream(aside)
            _forget_gradients(self._network.parameters())
            graph = torch.cuda.CUDAGraph()
            # Threads that read take pinned memory meanwhile, which is no business of this one's.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._loss = self._work(self._images, self._targets).detach()
            self._graph = graph
        except RuntimeError as error:
            # Such a network waits for the GPU in the middle: it is handed over layer by layer.
            self._is_refused = True
            self._images = self._targets = torch.empty(0)
            _log.warning("step_not_captured", why=str(error).partition("\n")[0])
        torch.cuda.synchronize()
        torch.cuda.set_rng_state(state)
        with torch.no_grad():
            for buffer, before in zip(self._network.buffers(), kept, strict=True):
                buffer.copy_(before)


def _forget_gradients(parameters: Iterable[nn.Parameter]) -> None:
    for each in parameters:
        each.grad = None
