"""From logits on a coarse grid to classes on a fine one, exactly, without fine logits.

Trilinear interpolation is a convex combination: where the eight corners of a cell agree on the
winning class, that class wins everywhere in the cell, be it the one with the highest logit or the
last of the regions whose logit is above 0. Logits are interpolated in the other cells alone, and
only at the voxels in them.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from sightline.prepare.grid import Lerp, positions
from sightline.values.arrays import Mask
from sightline.values.plan import SpacingMm, Triple

_HALF = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LogitsBox:
    """Logits of a part of a network's grid.

    Attributes:
        logits: (outputs, slices, rows, columns).
        first: index in the grid of the part's first voxel.
        grid_shape: of the whole grid.
    """

    logits: torch.Tensor
    first: Triple
    grid_shape: Triple


def decide(
    box: LogitsBox,
    *,
    shape: Triple,
    ratio: SpacingMm,
    winner_of: Callable[[torch.Tensor], torch.Tensor],
) -> Mask:
    """Return the winning class of every voxel of the fine grid; 0 outside the box.

    Args:
        box: logits on the coarse grid.
        shape: of the fine grid, which begins at the same corner.
        ratio: length of a coarse voxel in fine voxels.
        winner_of: names the class by logits (outputs, ...), so that where all mixed logits give
            one class, their mixture does.
    """
    mask = np.zeros(shape, dtype=np.uint8)
    winner = winner_of(box.logits)
    spans, lerps = [], []
    for axis in range(3):
        span, lerp = _within(box, axis, count=shape[axis], ratio=ratio[axis])
        spans.append(span)
        lerps.append(lerp)
    inside = mask[spans[0], spans[1], spans[2]]
    if inside.size == 0:
        return mask
    disagree = _disagree(winner)
    flat_slices, rows, columns = lerps
    for index in range(inside.shape[0]):
        low, high = int(flat_slices.low[index]), int(flat_slices.high[index])
        plane = winner[low][rows.low][:, columns.low]
        undecided = disagree[low][rows.low][:, columns.low].nonzero()
        if undecided.numel():
            weight = flat_slices.weight[index]
            logits = torch.lerp(box.logits[:, low], box.logits[:, high], weight)
            at = _interpolated(logits, rows, columns, places=undecided)
            plane[undecided[:, 0], undecided[:, 1]] = winner_of(at)
        inside[index] = plane.cpu().numpy()
    return mask


def _within(box: LogitsBox, axis: int, *, count: int, ratio: float) -> tuple[slice, Lerp]:
    """Find the fine voxels that lie in the box along one axis, and their coarse neighbours."""
    size = box.logits.shape[axis + 1]
    at = positions(count, 1 / ratio) - box.first[axis]
    is_in_box = at >= -_HALF
    # Rounding of shapes may leave the last fine voxels beyond the last coarse one.
    if box.first[axis] + size < box.grid_shape[axis]:
        is_in_box &= at < size - _HALF
    chosen = is_in_box.nonzero().flatten()
    if chosen.numel() == 0:
        return slice(0, 0), Lerp.at(at[:0], size)
    start, stop = int(chosen[0]), int(chosen[-1]) + 1
    return slice(start, stop), Lerp.at(at[start:stop], size)


def _disagree(winner: torch.Tensor) -> torch.Tensor:
    """Mark the cells, by their first corner, whose corners differ in winner."""
    lowest, highest = winner, winner
    for axis in range(3):
        size = winner.shape[axis]
        after = torch.arange(1, size + 1).clamp(max=size - 1)
        lowest = torch.minimum(lowest, lowest.index_select(axis, after))
        highest = torch.maximum(highest, highest.index_select(axis, after))
    return lowest != highest


def _interpolated(
    logits: torch.Tensor, rows: Lerp, columns: Lerp, *, places: torch.Tensor
) -> torch.Tensor:
    """Interpolate (outputs, rows, columns) at some places of a fine plane."""
    row, column = places[:, 0], places[:, 1]
    across = columns.weight[column]
    near, far = columns.low[column], columns.high[column]
    upper = torch.lerp(logits[:, rows.low[row], near], logits[:, rows.low[row], far], across)
    lower = torch.lerp(logits[:, rows.high[row], near], logits[:, rows.high[row], far], across)
    return torch.lerp(upper, lower, rows.weight[row])
