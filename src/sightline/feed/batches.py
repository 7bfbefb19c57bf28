"""Batches of a run, read ahead of use."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Self

import torch

from sightline import clock
from sightline.feed.augment import alter, cut
from sightline.feed.draws import Draw, Sampler, noise_seed
from sightline.feed.example import Example
from sightline.feed.foreground import index_foreground
from sightline.prepare.grid import NetworkGrid
from sightline.prepare.intensity import (
    Scaling,
    as_tensor,
    needs_voxels,
    robust_scaling,
    window_scaling,
)
from sightline.store.arrays import PendingRead
from sightline.values.arrays import Voxels
from sightline.values.plan import Plan
from sightline.values.recipe import Training

# Batches whose reads are under way while one is used.
_LOOK_AHEAD = 4


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one step learns from.

    Attributes:
        step: counted from 0.
        images: float32 (batch, 1, slices, rows, columns).
        masks: uint8 (batch, slices, rows, columns).
        wait_s: how long the step waited for it: reads and, on this device, augmentation.
    """

    step: int
    images: torch.Tensor
    masks: torch.Tensor
    wait_s: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Pending:
    draw: Draw
    volume: PendingRead
    mask: PendingRead


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """Cuts the patches that a sampler draws from stored volumes."""

    examples: Sequence[Example]
    scalings: Sequence[Scaling]
    sampler: Sampler
    device: torch.device

    @classmethod
    def over(
        cls, examples: Sequence[Example], plan: Plan, *, training: Training, device: torch.device
    ) -> Self:
        """Index examples for a run; every mask is read once.

        Raises:
            Refused: An example has no mask.
        """
        sampler = Sampler(
            grids=[NetworkGrid.over(each.geometry, plan.spacing_mm) for each in examples],
            foreground=index_foreground(examples, len(plan.classes)),
            patch=plan.patch,
            training=training,
        )
        scalings = [_scaling(each, plan) for each in examples]
        return cls(examples=examples, scalings=scalings, sampler=sampler, device=device)

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches of steps `start` to `stop`, whatever came before."""
        pending: collections.deque[list[_Pending]] = collections.deque()
        for ahead in range(start, min(start + _LOOK_AHEAD, stop)):
            pending.append(self._start(ahead))
        for step in range(start, stop):
            if step + _LOOK_AHEAD < stop:
                pending.append(self._start(step + _LOOK_AHEAD))
            yield self._batch(step, pending.popleft())

    def _start(self, step: int) -> list[_Pending]:
        return [self._start_one(step, place) for place in range(self.sampler.training.batch)]

    def _start_one(self, step: int, place: int) -> _Pending:
        draw = self.sampler.draw(step, place)
        example = self.examples[draw.example]
        (a, b), (c, d), (e, f) = draw.bounds
        box = (slice(a, b), slice(c, d), slice(e, f))
        if example.mask is None:
            raise AssertionError("the index refused examples without a mask")
        return _Pending(
            draw=draw, volume=example.volume.start_read(box), mask=example.mask.start_read(box)
        )

    def _batch(self, step: int, pending: list[_Pending]) -> Batch:
        began = clock.monotonic()
        boxes = [(each.volume.result(), each.mask.result()) for each in pending]
        patches = [
            self._patch(each.draw, volume, mask)
            for each, (volume, mask) in zip(pending, boxes, strict=True)
        ]
        generator = torch.Generator(device=self.device)
        generator.manual_seed(noise_seed(self.sampler.training.seed, step))
        appearances = [each.draw.appearance for each in pending]
        images = torch.stack([image for image, _ in patches])[:, None]
        return Batch(
            step=step,
            images=alter(images, appearances, generator),
            masks=torch.stack([mask for _, mask in patches]),
            wait_s=clock.monotonic() - began,
        )

    def _patch(self, draw: Draw, volume: Voxels, mask: Voxels) -> tuple[torch.Tensor, torch.Tensor]:
        # Integers travel to the device; they become floats there.
        values = self.scalings[draw.example].apply(as_tensor(volume).to(self.device))
        classes = as_tensor(mask).to(self.device)
        return cut(values, classes, draw, patch=self.sampler.patch)


def _scaling(example: Example, plan: Plan) -> Scaling:
    if needs_voxels(plan.intensity):
        return robust_scaling(example.volume.read())
    return window_scaling(plan.intensity, slope=example.slope, intercept=example.intercept)
