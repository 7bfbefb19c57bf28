"""From logits on a coarse grid to classes on a fine one, exactly, without fine logits.

Trilinear interpolation is a convex combination: where the eight corners of a cell agree on the
winning class, that class wins everywhere in the cell, be it the one with the highest logit or the
last of the regions whose logit is above 0. Logits are interpolated in the other cells alone, and
only at the voxels in them.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from sightline.predict.cells import fill, mix, put, settle
from sightline.prepare.grid import Lerp, positions
from sightline.values.arrays import Mask
from sightline.values.plan import SpacingMm, Triple

_HALF = 0.5
_Indices: TypeAlias = npt.NDArray[np.int64]
Winner: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LogitsBox:
    """Logits of a part of a network's grid.

    Attributes:
        slabs: (outputs, slices, rows, columns) each, that follow one another; asked for one at a
            time, when those before are used.
        shape: of the part.
        first: index in the grid of the part's first voxel.
        grid_shape: of the whole grid.
    """

    slabs: Iterable[torch.Tensor]
    shape: Triple
    first: Triple
    grid_shape: Triple


def decide(box: LogitsBox, *, shape: Triple, ratio: SpacingMm, winner_of: Winner) -> Mask:
    """Return the winning class of every voxel of the fine grid; 0 outside the box.

    Args:
        box: logits on the coarse grid.
        shape: of the fine grid, which begins at the same corner.
        ratio: length of a coarse voxel in fine voxels.
        winner_of: names the class by logits (outputs, ...), so that where all mixed logits give
            one class, their mixture does.
    """
    mask = np.zeros(shape, dtype=np.uint8)
    spans, lines = [], []
    for axis in range(3):
        span, line = _within(box, axis, count=shape[axis], ratio=ratio[axis])
        spans.append(span)
        lines.append(line)
    inside = mask[spans[0], spans[1], spans[2]]
    if inside.size == 0:
        return mask
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        done = 0
        for layer in _layers(box, lines, winner_of):
            # What lies above the last coarse slice of a layer waits for the next one.
            stop = int(np.searchsorted(lines[0].high, layer.stop))

            def draw(index: int, layer: _Layer = layer) -> None:
                layer.draw(inside[index], index, lines=lines)

            list(threads.map(draw, range(done, stop)))
            done = stop
    return mask


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """Of each fine voxel along one axis: the coarse ones around it, and the share of the higher."""

    low: _Indices
    high: _Indices
    share: npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Layer:
    """Coarse slices that lie together.

    Attributes:
        first: index of the first in the box.
        logits: float32 (outputs, slices, rows, columns).
        cells: as `settle` writes them.
    """

    first: int
    logits: npt.NDArray[np.float32]
    cells: npt.NDArray[np.int16]
    winner_of: Winner

    @property
    def stop(self) -> int:
        return self.first + len(self.cells)

    def draw(self, plane: Mask, index: int, *, lines: list[_Line]) -> None:
        """Draw one fine plane."""
        slices, rows, columns = lines
        low, high = slices.low[index] - self.first, slices.high[index] - self.first
        cells = self.cells[low]
        count = fill(cells, rows.low, columns.low, plane)
        if not count:
            return
        mixed = np.empty((len(self.logits), count), np.float32)
        around = (low, high, slices.share[index])
        across = [(line.low, line.high, line.share) for line in (rows, columns)]
        mix(self.logits, cells, around, *across, mixed)
        put(cells, rows.low, columns.low, self.winner_of(torch.from_numpy(mixed)).numpy(), plane)


def _layers(box: LogitsBox, lines: list[_Line], winner_of: Winner) -> Iterator[_Layer]:
    """Settle the cells of each slab, and of those between it and the one before."""
    step = np.array([bool(line.share.any()) for line in lines], np.int64)
    first, before, won = 0, None, None
    for slab in box.slabs:
        winners = winner_of(slab).cpu().numpy()
        logits = slab.cpu().numpy()
        if before is not None and won is not None:
            logits = np.concatenate([before, logits], axis=1)
            winners = np.concatenate([won, winners])
        cells = np.empty(winners.shape, np.int16)
        settle(winners, step, cells)
        yield _Layer(first=first, logits=logits, cells=cells, winner_of=winner_of)
        before, won = logits[:, -1:].copy(), winners[-1:]
        first += len(winners) - 1


def _within(box: LogitsBox, axis: int, *, count: int, ratio: float) -> tuple[slice, _Line]:
    """Find the fine voxels that lie in the box along one axis, and their coarse neighbours."""
    size = box.shape[axis]
    at = positions(count, 1 / ratio) - box.first[axis]
    is_in_box = at >= -_HALF
    # Rounding of shapes may leave the last fine voxels beyond the last coarse one.
    if box.first[axis] + size < box.grid_shape[axis]:
        is_in_box &= at < size - _HALF
    chosen = is_in_box.nonzero().flatten()
    start, stop = (int(chosen[0]), int(chosen[-1]) + 1) if len(chosen) else (0, 0)
    lerp = Lerp.at(at[start:stop], size)
    line = _Line(low=lerp.low.numpy(), high=lerp.high.numpy(), share=lerp.weight.numpy())
    return slice(start, stop), line
