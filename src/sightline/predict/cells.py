"""Loops over the voxels of masks: cells of a coarse grid over a fine one, and boxes; compiled.

Nothing is asked of Python while these run, so that threads share the slices.
"""

import numpy as np
from numba import njit

UNDECIDED = np.int16(-1)


@njit(nogil=True, cache=True)
def settle(winners, step, cells):
    """Write into `cells` the class of each cell whose corners agree, else `UNDECIDED`.

    Args:
        winners: uint8 (slices, rows, columns), of the corners.
        step: 1 along each axis in which a cell reaches to the next corner, else 0.
        cells: int16 of that shape; a cell is named by its first corner.
    """
    slices, rows, columns = winners.shape
    for a in range(slices):
        next_a = min(a + step[0], slices - 1)
        for b in range(rows):
            next_b = min(b + step[1], rows - 1)
            for c in range(columns):
                next_c = min(c + step[2], columns - 1)
                first = winners[a, b, c]
                is_one = (
                    (winners[a, b, next_c] == first)
                    & (winners[a, next_b, c] == first)
                    & (winners[a, next_b, next_c] == first)
                    & (winners[next_a, b, c] == first)
                    & (winners[next_a, b, next_c] == first)
                    & (winners[next_a, next_b, c] == first)
                    & (winners[next_a, next_b, next_c] == first)
                )
                cells[a, b, c] = np.int16(first) if is_one else UNDECIDED


@njit(nogil=True, cache=True)
def fill(cells, rows, columns, plane):
    """Draw one fine plane from the cells it passes through; return how many voxels stay open.

    Args:
        cells: int16 (rows, columns) of the coarse slice below the plane.
        rows: of each fine row, its coarse row.
        columns: likewise.
        plane: uint8 (fine rows, fine columns), written; what stays open is 0.
    """
    count = 0
    for y in range(len(rows)):
        row = cells[rows[y]]
        for x in range(len(columns)):
            found = row[columns[x]]
            count += found < 0
            plane[y, x] = max(found, 0)
    return count


@njit(nogil=True, cache=True)
def mix(logits, cells, slices, rows, columns, mixed):
    """Interpolate the logits of every open voxel of one fine plane.

    Args:
        logits: float32 (outputs, slices, rows, columns).
        cells: int16 (rows, columns), as `fill` took them.
        slices: the coarse slices below and above, and the share of the upper one.
        rows: (below, above, share) of each fine row.
        columns: likewise.
        mixed: float32 (outputs, open voxels), written in the order of the voxels.
    """
    low_z, high_z, across_z = slices
    low_y, high_y, across_y = rows
    low_x, high_x, across_x = columns
    at = 0
    for y in range(len(low_y)):
        row = cells[low_y[y]]
        for x in range(len(low_x)):
            if row[low_x[x]] >= 0:
                continue
            for k in range(len(logits)):
                below, above = logits[k, low_z], logits[k, high_z]
                near = _lerp(
                    _lerp(below[low_y[y], low_x[x]], above[low_y[y], low_x[x]], across_z),
                    _lerp(below[low_y[y], high_x[x]], above[low_y[y], high_x[x]], across_z),
                    across_x[x],
                )
                far = _lerp(
                    _lerp(below[high_y[y], low_x[x]], above[high_y[y], low_x[x]], across_z),
                    _lerp(below[high_y[y], high_x[x]], above[high_y[y], high_x[x]], across_z),
                    across_x[x],
                )
                mixed[k, at] = _lerp(near, far, across_y[y])
            at += 1


@njit(nogil=True, cache=True)
def put(cells, rows, columns, found, plane):
    """Draw the classes of the open voxels of one fine plane, in their order."""
    at = 0
    for y in range(len(rows)):
        row = cells[rows[y]]
        for x in range(len(columns)):
            if row[columns[x]] < 0:
                plane[y, x] = found[at]
                at += 1


@njit(nogil=True, cache=True, inline="always")
def _lerp(low, high, share):
    return low + share * (high - low)


@njit(nogil=True, cache=True)
def enclose(mask, first, stop):
    """Note the smallest box around each class of a mask.

    Args:
        mask: uint8 (slices, rows, columns).
        first: int64 (classes + 1, 3), large; lowered to the first index of each class.
        stop: likewise, 0; raised to where each class ends.
    """
    slices, rows, columns = mask.shape
    for a in range(slices):
        for b in range(rows):
            c = 0
            while c < columns:
                number = mask[a, b, c]
                begin = c
                while c < columns and mask[a, b, c] == number:
                    c += 1
                if number and number < len(first):
                    first[number, 0] = min(first[number, 0], a)
                    first[number, 1] = min(first[number, 1], b)
                    first[number, 2] = min(first[number, 2], begin)
                    stop[number, 0] = max(stop[number, 0], a + 1)
                    stop[number, 1] = max(stop[number, 1], b + 1)
                    stop[number, 2] = max(stop[number, 2], c)
