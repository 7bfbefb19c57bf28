"""Solids as grids of voxels: nearness, pieces and holes, with numpy alone."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Solid: TypeAlias = npt.NDArray[np.bool_]
"""(slices, rows, columns), true inside."""

_FAR = np.float32(1e9)


def dilated(solid: Solid, steps: float) -> Solid:
    """Return what lies within `steps` voxels of a solid, by straight distance."""
    return squared_distance(solid, steps) <= np.float32(steps) ** 2


def squared_distance(
    solid: Solid, reach: float, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
) -> npt.NDArray[np.float32]:
    """Return the square of the straight distance to a solid; too much beyond `reach`.

    Args:
        solid: on a grid.
        reach: in the unit of `spacing`.
        spacing: between voxels, one for each axis.
    """
    squares = np.where(solid, np.float32(0), _FAR)
    for axis in range(squares.ndim):
        length = spacing[axis]
        squares = _nearer(squares, axis, int(reach / length), length=length)
    return squares


def eroded(solid: Solid, steps: float) -> Solid:
    """Return what lies farther than `steps` voxels inside; beyond the grid it goes on."""
    return ~dilated(~solid, steps)


def opened(solid: Solid, steps: float) -> Solid:
    """Return a solid without what a ball of radius `steps` does not fit into."""
    return dilated(eroded(solid, steps), steps)


def closed(solid: Solid, steps: float) -> Solid:
    """Return a solid with the gaps that a ball of radius `steps` does not fit into."""
    reach = int(steps) + 1
    inner = (slice(reach, -reach),) * solid.ndim
    # Padding keeps the erosion from treating the border as inside.
    return eroded(dilated(np.pad(solid, reach), steps), steps)[inner]


def largest_piece(solid: Solid) -> Solid:
    """Return the largest piece of a solid, connected through faces; empty for an empty one."""
    names = _pieces(solid)
    if not solid.any():
        return solid
    counts = np.bincount(names[solid])
    largest: Solid = solid & (names == counts.argmax())
    return largest


def piece_at(solid: Solid, seeds: Solid) -> Solid:
    """Return the pieces of a solid that hold a voxel of `seeds`."""
    padded = np.pad(solid, 1)
    reached = np.pad(seeds, 1) & padded
    left, found = padded.ravel(), reached.ravel()
    strides = [int(np.prod(padded.shape[axis + 1 :])) for axis in range(padded.ndim)]
    edge = np.flatnonzero(found)
    signed = np.empty(left.size, dtype=np.int64)
    while edge.size:
        left[edge] = False
        near = np.concatenate([edge + step for stride in strides for step in (-stride, stride)])
        near = near[left[near]]
        found[near] = True
        # Several neighbours may meet in one voxel; the last one to sign keeps it.
        order = np.arange(near.size)
        signed[near] = order
        edge = near[signed[near] == order]
    return found.reshape(padded.shape)[(slice(1, -1),) * padded.ndim]


def without_holes(solid: Solid) -> Solid:
    """Return a solid with everything filled that the border of the grid cannot reach."""
    padded = np.pad(~solid, 1, constant_values=True)
    border = np.ones_like(padded)
    border[(slice(1, -1),) * padded.ndim] = False
    outside = piece_at(padded, border)
    return ~outside[(slice(1, -1),) * padded.ndim]


def _nearer(
    squares: npt.NDArray[np.float32], axis: int, reach: int, *, length: float
) -> npt.NDArray[np.float32]:
    best = squares.copy()
    for step in range(1, min(reach, squares.shape[axis] - 1) + 1):
        ahead, behind = [slice(None)] * squares.ndim, [slice(None)] * squares.ndim
        ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
        add = np.float32((step * length) ** 2)
        np.minimum(best[tuple(ahead)], squares[tuple(behind)] + add, out=best[tuple(ahead)])
        np.minimum(best[tuple(behind)], squares[tuple(ahead)] + add, out=best[tuple(behind)])
    return best


def _pieces(solid: Solid) -> npt.NDArray[np.int64]:
    """Name every voxel by the lowest index of its piece; names outside mean nothing."""
    outside = solid.size
    names = np.where(solid, np.arange(solid.size).reshape(solid.shape), outside)
    while True:
        spread = names.copy()
        for axis in range(names.ndim):
            ahead, behind = [slice(None)] * names.ndim, [slice(None)] * names.ndim
            ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
            np.minimum(
                spread[tuple(ahead)],
                names[tuple(behind)],
                out=spread[tuple(ahead)],
                where=solid[tuple(ahead)],
            )
            np.minimum(
                spread[tuple(behind)],
                names[tuple(ahead)],
                out=spread[tuple(behind)],
                where=solid[tuple(behind)],
            )
        # The root of a voxel learns what the voxel learned, then every voxel asks its root.
        table = np.append(np.arange(solid.size), outside)
        np.minimum.at(table, names[solid], spread[solid])
        for _ in range(3):
            table = table[table]
        merged = np.where(solid, table[spread], outside)
        if np.array_equal(merged, names):
            return names
        names = merged
