"""What a draw needs of the stored arrays, read into buffers of the ring."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sightline.feed.appearance import alter
from sightline.feed.cut import cut
from sightline.feed.draws import Draw
from sightline.feed.example import Example
from sightline.feed.ring import Ring
from sightline.feed.staged import Staged, extent, make, sent
from sightline.prepare.intensity import Scaling
from sightline.store.arrays import StoredArray
from sightline.store.boxes import Bounds, BoxReader, Place
from sightline.values.plan import Triple


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tensors:
    """The tensors of a batch.

    Attributes:
        images: float32 (batch, 1, slices, rows, columns).
        targets: uint8 masks or float32 images (batch, slices, rows, columns), or float32 numbers
            (batch, count).
    """

    images: torch.Tensor
    targets: torch.Tensor

    @property
    def size_bytes(self) -> int:
        """How much memory they take."""
        return self.images.nbytes + self.targets.nbytes


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Boxes:
    """The part of an example that one patch is cut from, as stored, in the host's memory.

    Attributes:
        drawn: what is cut as the volume is; None where an example teaches by numbers.
    """

    volume: torch.Tensor
    drawn: torch.Tensor | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PatchReader:
    """Reads patches from any thread.

    An accelerator is sent boxes as they are stored, and does all else. Where the network runs on
    this processor, a patch whose voxels are voxels of the volume is scaled while it is decoded.

    Attributes:
        scalings: of the examples.
        patch: shape of every patch.
    """

    examples: Sequence[Example]
    scalings: Sequence[Scaling]
    patch: Triple
    boxes: BoxReader
    ring: Ring
    device: torch.device

    def expect(self, draw: Draw) -> None:
        """Let the system fetch what a draw needs from the disk."""
        example = self.examples[draw.example]
        for array in (example.volume, example.drawn):
            if array is not None:
                self.boxes.expect(array, draw.bounds)

    def stage(self, draws: Sequence[Draw]) -> Tensors | Staged:
        """Take from the ring what a batch is read into, holding anything."""
        if self.device.type != "cpu":
            return self._staged(draws)
        images, targets, kind = self._shapes(len(draws))
        return Tensors(
            images=self.ring.take(images, torch.float32), targets=self.ring.take(targets, kind)
        )

    def _staged(self, draws: Sequence[Draw]) -> Staged:
        shape, chosen = (len(draws), *extent(draws)), [self.examples[d.example] for d in draws]
        drawn = [each.drawn for each in chosen if each.drawn is not None]
        if drawn and len(drawn) < len(chosen):
            raise AssertionError("the examples of a run are taught in one way")
        return Staged(
            volumes=self.ring.take(shape, _common_type([each.volume for each in chosen])),
            drawn=self.ring.take(shape, _common_type(drawn)) if drawn else None,
        )

    def _shapes(self, count: int) -> tuple[tuple[int, ...], tuple[int, ...], torch.dtype]:
        """Return shapes of images and targets, and the type of targets: one for all examples."""
        images, first = (count, 1, *self.patch), self.examples[0]
        if first.drawn is None:
            return images, (count, len(first.numbers or ())), torch.float32
        kind = torch.uint8 if first.image is None else torch.float32
        return images, (count, *self.patch), kind

    def read(self, draw: Draw, batch: Tensors | Staged, place: int) -> Boxes | None:
        """Read one patch of a batch; None where it is in its place in the batch already.

        Raises:
            DamagedObject: A chunk does not match its checksum.
        """
        example, scaling = self.examples[draw.example], self.scalings[draw.example]
        if isinstance(batch, Staged):
            self._put(example.volume, draw, batch.volumes[place])
            if example.drawn is not None and batch.drawn is not None:
                self._put(example.drawn, draw, batch.drawn[place])
            return None
        if not draw.is_on_voxels or scaling.zero is not None:
            drawn = None if example.drawn is None else self._box(example.drawn, draw.bounds)
            return Boxes(volume=self._box(example.volume, draw.bounds), drawn=drawn)
        image = batch.images[place, 0]
        is_filled = math.prod(stop - start for start, stop in draw.bounds) >= image.numel()
        self._lay(example.volume, draw, image, scaling=scaling, is_filled=is_filled)
        target = batch.targets[place]
        if example.drawn is None:
            target.copy_(torch.tensor(example.numbers))
        else:
            made_of = scaling if example.image is not None else None
            self._lay(example.drawn, draw, target, scaling=made_of, is_filled=is_filled)
        return None

    def _lay(
        self,
        array: StoredArray,
        draw: Draw,
        patch: torch.Tensor,
        *,
        scaling: Scaling | None,
        is_filled: bool,
    ) -> None:
        """Read the box of a draw into its patch, voxel upon voxel."""
        if not is_filled:
            patch.zero_()
        self.boxes.read(array, draw.bounds, _in_patch(draw, patch, scaling))

    def _box(self, array: StoredArray, bounds: Bounds) -> torch.Tensor:
        shape = tuple(stop - start for start, stop in bounds)
        box = self.ring.take(shape, _common_type([array]))
        strides = (shape[1] * shape[2], shape[2], 1)
        target = Place(target=box.numpy().reshape(-1), first=0, strides=strides)
        self.boxes.read(array, bounds, target)
        return box

    def _put(self, array: StoredArray, draw: Draw, place: torch.Tensor) -> None:
        """Read the box of a draw to the corner of its place."""
        if place.dtype != _common_type([array]):
            box = self._box(array, draw.bounds)
            place[tuple(slice(length) for length in box.shape)] = box
            return
        a, b, c = place.stride()
        target = Place(target=place.numpy().reshape(-1), first=0, strides=(a, b, c))
        self.boxes.read(array, draw.bounds, target)

    def finish(
        self, draws: Sequence[Draw], boxes: Sequence[Boxes | None], batch: Tensors | Staged
    ) -> Tensors:
        """Make the batch on the device: cut what is not in its place yet, and change its looks."""
        if isinstance(batch, Staged):
            return self._made(draws, batch)
        for place, (draw, found) in enumerate(zip(draws, boxes, strict=True)):
            if found is not None:
                batch.images[place, 0], batch.targets[place] = self._cut(draw, found)
        alter(batch.images, draws)
        return batch

    def _made(self, draws: Sequence[Draw], staged: Staged) -> Tensors:
        images, targets = make(
            staged,
            draws,
            [self.scalings[draw.example] for draw in draws],
            patch=self.patch,
            device=self.device,
            is_image=self.examples[0].image is not None,
        )
        if targets is None:
            numbers = [self.examples[draw.example].numbers for draw in draws]
            targets = sent(np.array(numbers, np.float32), self.device)
        return Tensors(images=images, targets=targets)

    def _cut(self, draw: Draw, found: Boxes) -> tuple[torch.Tensor, torch.Tensor]:
        example, scaling = self.examples[draw.example], self.scalings[draw.example]
        values = scaling.apply(found.volume)
        if found.drawn is None:
            image, _ = cut(values, values, draw, patch=self.patch)
            return image, torch.tensor(example.numbers, dtype=torch.float32)
        if example.image is None:
            return cut(values, found.drawn, draw, patch=self.patch)
        made = scaling.apply(found.drawn)
        image, _ = cut(values, values, draw, patch=self.patch)
        return image, cut(made, made, draw, patch=self.patch)[0]


def _common_type(arrays: Sequence[StoredArray]) -> torch.dtype:
    """Return the type that holds what all of them give."""
    return _torch_type(np.result_type(*{each.read_type for each in arrays}))


@functools.cache
def _torch_type(kind: np.dtype[Any]) -> torch.dtype:
    return torch.from_numpy(np.empty(0, kind)).dtype


def _in_patch(draw: Draw, patch: torch.Tensor, scaling: Scaling | None = None) -> Place:
    """Find where the voxels of a draw's box lie in its patch."""
    steps = np.array(patch.stride())
    to_source = np.rint(draw.to_source).astype(np.int64)
    begin = np.array([start for start, _ in draw.bounds])
    # An index map that keeps voxels only swaps and mirrors axes: its transpose is its inverse.
    first = to_source[:, :3].T @ (begin - to_source[:, 3])
    strides = to_source[:, :3] @ steps
    flat = patch.numpy().reshape(-1)
    scale = (scaling.low, scaling.high, scaling.centre, scaling.width) if scaling else None
    return Place(
        target=flat,
        first=int(first @ steps),
        strides=(int(strides[0]), int(strides[1]), int(strides[2])),
        scale=scale,
    )
