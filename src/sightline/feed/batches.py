"""Batches of a run, read ahead of use by threads into a ring of buffers."""

import collections
import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import torch

from sightline import clock, log
from sightline.feed.draws import Draw, Sampler
from sightline.feed.example import Example
from sightline.feed.foreground import check_annotated, index_foreground
from sightline.feed.on_demand import OnDemand
from sightline.feed.patches import Boxes, PatchReader, Tensors
from sightline.feed.ring import Ring
from sightline.feed.staged import Staged
from sightline.feed.waits import waits_on
from sightline.prepare.grid import NetworkGrid
from sightline.prepare.intensity import Scaling, scaling_of
from sightline.store.boxes import BoxReader
from sightline.tasks.contract import TASKS
from sightline.values.plan import Plan
from sightline.values.recipe import Training

_log = log.get("feed")
# So many batches are announced to the disk before they are read.
_ANNOUNCED = 3
_FEWEST_READY, _MOST_READY = 2, 16
_MOST_READY_BYTES = 2**30
# A thread waits for the disk about as long as it decodes: cold volumes are read half as fast by
# one a core. Announcing more than a few batches has the disk seek between them.
_THREADS_A_CORE, _MOST_THREADS = 2, 16
_HIGHEST = 255
# A wait that is worth a change, not the scheduler's noise.
_WAITED_S = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one step learns from.

    Attributes:
        step: counted from 0.
        images: float32 (batch, 1, slices, rows, columns).
        targets: as a task's loss takes them: uint8 masks or float32 images
            (batch, slices, rows, columns), or float32 numbers (batch, count).
        wait_s: how long the device had nothing to do for want of it. Where that is another
            processor, of the batches before it that are known to be done by now.
    """

    step: int
    images: torch.Tensor
    targets: torch.Tensor
    wait_s: float


@dataclasses.dataclass(kw_only=True, slots=True)
class Pace:
    """What a feed settled on by itself.

    Attributes:
        batch: patches of a batch.
        threads: that read.
        ready: batches that are read before they are used.
        announced: batches that the disk is asked for beyond those.
        reader: who decodes.
        kept_mb: decoded chunks in memory, shared with other processes.
    """

    batch: int
    threads: int
    ready: int
    announced: int
    reader: str
    kept_mb: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """Cuts the patches that a sampler draws from stored volumes.

    Attributes:
        pace: how it reads at present.
    """

    sampler: Sampler
    reader: PatchReader
    pace: Pace

    @classmethod
    def over(
        cls, examples: Sequence[Example], plan: Plan, *, training: Training, device: torch.device
    ) -> Self:
        """Make ready for a run; an example is looked at when a batch first needs it.

        Raises:
            Refused: An example has nothing to learn from.
        """
        for each in examples:
            check_annotated(each)
        count, highest = len(examples), _numbers_drawn(plan)
        sampler = Sampler(
            grids=[NetworkGrid.over(each.geometry, plan.spacing_mm) for each in examples],
            foreground=OnDemand(lambda at: index_foreground(examples[at], highest), count),
            patch=plan.patch,
            training=training,
        )
        boxes = BoxReader.best()
        reader = PatchReader(
            examples=examples,
            scalings=OnDemand(lambda at: _scaling(examples[at], plan), count),
            patch=plan.patch,
            boxes=boxes,
            ring=Ring(device),
            device=device,
        )
        pace = Pace(
            batch=training.batch,
            threads=min(_THREADS_A_CORE * len(os.sched_getaffinity(0)), _MOST_THREADS),
            ready=_FEWEST_READY,
            announced=_ANNOUNCED,
            reader=boxes.name,
        )
        return cls(sampler=sampler, reader=reader, pace=pace)

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches of steps `start` to `stop`, whatever came before."""
        waits = waits_on(self.reader.device)
        for ready in self.read(start, stop):
            waits.begin(ready.waited_s)
            tensors = self.reader.finish(ready.draws, ready.boxes, ready.tensors)
            yield Batch(
                step=ready.step,
                images=tensors.images,
                targets=tensors.targets,
                wait_s=waits.waited_s(),
            )
            waits.end()

    def read(self, start: int, stop: int) -> Iterator["Ready"]:
        """Yield what was read of the batches of steps `start` to `stop`: the host's whole work."""
        threads = ThreadPoolExecutor(self.pace.threads, thread_name_prefix="feed")
        try:
            yield from _Ahead(self, threads, stop=stop).batches(start)
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
            _log.info("feed_settled", **dataclasses.asdict(self.pace))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A batch that was read.

    Attributes:
        boxes: of each patch; None where it lies in `tensors` already.
        tensors: on this processor, or what an accelerator is sent.
        waited_s: until it was read.
    """

    step: int
    draws: list[Draw]
    boxes: list[Boxes | None]
    tensors: Tensors | Staged
    waited_s: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """A batch whose patches are being read, by several threads in turn."""

    draws: Future[list[Draw]]
    tensors: Future[Tensors | Staged]
    shares: list[Future[list[Boxes | None]]]

    def boxes(self) -> list[Boxes | None]:
        """Wait for every patch; return its boxes in the order of the batch."""
        found: list[Boxes | None] = [None] * len(self.draws.result())
        for first, share in enumerate(self.shares):
            found[first :: len(self.shares)] = share.result()
        return found


class _Ahead:
    """The batches that are announced or being read while one is used."""

    def __init__(self, feed: Feed, threads: ThreadPoolExecutor, *, stop: int) -> None:
        self._feed = feed
        self._threads = threads
        self._stop = stop
        self._draws: collections.deque[Future[list[Draw]]] = collections.deque()
        self._reading: collections.deque[_Reading] = collections.deque()
        self._next_draw = self._next_read = 0

    def batches(self, start: int) -> Iterator[Ready]:
        self._next_draw = self._next_read = start
        for step in range(start, self._stop):
            began = clock.monotonic()
            self._go_on(step)
            batch = self._reading.popleft()
            boxes = batch.boxes()
            self._feed.pace.kept_mb = self._feed.reader.boxes.kept_bytes // 2**20
            waited_s = clock.monotonic() - began
            tensors = batch.tensors.result()
            if step > start:
                self._settle(waited_s, tensors.size_bytes)
            yield Ready(
                step=step,
                draws=batch.draws.result(),
                boxes=boxes,
                tensors=tensors,
                waited_s=waited_s,
            )

    def _go_on(self, step: int) -> None:
        """Start the reads that are due at a step, and announce those after them."""
        pace = self._feed.pace
        while self._next_read < min(step + pace.ready, self._stop):
            if self._next_read == self._next_draw:
                self._announce()
            self._read()
        while self._next_draw < min(step + pace.ready + pace.announced, self._stop):
            self._announce()

    def _announce(self) -> None:
        foreground = self._feed.sampler.foreground
        if isinstance(foreground, OnDemand):
            # Masks that nobody asked for yet are indexed side by side, before the draw needs them.
            for example in set(self._feed.sampler.examples(self._next_draw)):
                if not foreground.is_made(example):
                    self._threads.submit(foreground.__getitem__, example)
        self._draws.append(self._threads.submit(self._draw, self._next_draw))
        self._next_draw += 1

    def _draw(self, step: int) -> list[Draw]:
        draws = self._feed.sampler.draw(step)
        for draw in draws:
            self._feed.reader.expect(draw)
        return draws

    def _read(self) -> None:
        # What is waited for was handed in before: no thread waits for what none works on.
        draws = self._draws.popleft()
        tensors = self._threads.submit(self._stage, draws)
        count = min(self._feed.pace.batch, self._feed.pace.threads)
        shares = [
            self._threads.submit(self._read_share, draws, tensors, slice(first, None, count))
            for first in range(count)
        ]
        self._reading.append(_Reading(draws=draws, tensors=tensors, shares=shares))
        self._next_read += 1

    def _stage(self, draws: Future[list[Draw]]) -> Tensors | Staged:
        return self._feed.reader.stage(draws.result())

    def _read_share(
        self, draws: Future[list[Draw]], tensors: Future[Tensors | Staged], share: slice
    ) -> list[Boxes | None]:
        batch = tensors.result()
        return [
            self._feed.reader.read(draw, batch, place)
            for place, draw in list(enumerate(draws.result()))[share]
        ]

    def _settle(self, waited_s: float, batch_bytes: int) -> None:
        """Read further ahead where a step waited though a thread had nothing to do."""
        pace = self._feed.pace
        under_way = sum(not each.done() for batch in self._reading for each in batch.shares)
        if waited_s >= _WAITED_S and under_way < pace.threads:
            most = min(_MOST_READY, _MOST_READY_BYTES // batch_bytes)
            pace.ready = max(pace.ready, min(pace.ready + 1, most))


def _numbers_drawn(plan: Plan) -> int:
    """Return the highest number that a mask may hold: places have numbers of their own."""
    return _HIGHEST if TASKS.get(plan.task).needs == "places" else len(plan.classes)


def _scaling(example: Example, plan: Plan) -> Scaling:
    return scaling_of(
        example.volume.read, plan.intensity, slope=example.slope, intercept=example.intercept
    )
