"""The cheap look at a slice: whether anything in it was drawn, not measured.

What is drawn has one value in thin strokes and jumps to it within a pixel or two. What a scanner
measures, a rib or a vessel, hardly has one value twice for its noise. A slice that only looks drawn
costs a reading, nothing more.
"""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.integer]
_Positions = npt.NDArray[np.intp]

_EVERY = 29
_USUAL = (2, 98)
_JUMP = 0.1
_WIDEST_STROKE = 12
# Text of ten pixels height crosses its rows in a dozen strokes of one value, and in few of the
# values beside it.
_FEWEST_STROKES, _BESIDE, _TIMES_BESIDE, _MOST_VALUES = 12, 9, 6.0, 12
# Strokes in a field of two by two of such blocks. Air that is cut off at the lowest value has some
# beside metal and table.
_BLOCK_ROWS, _BLOCK_COLUMNS = 12, 32
_FEWEST_TOGETHER, _FEWEST_AT_FLOOR = 7, 20


def looks_drawn(values: Values) -> bool:
    """Tell whether thin strokes of one value stand sharply and closely against their neighbours.

    Args:
        values: (rows, columns), as stored.
    """
    low, high = int(values.min()), int(values.max())
    if low == high or min(values.shape) < 3:  # noqa: PLR2004 - a stroke and both its sides
        return False
    shifted = values.astype(np.int32) - low
    if high - low < np.iinfo(np.int16).max:
        shifted = shifted.astype(np.int16)
    usual = np.percentile(shifted.ravel()[::_EVERY], _USUAL)
    jump = int(_JUMP * (float(usual[1] - usual[0]) or high - low))
    change = shifted[:, 2:] - shifted[:, :-2]
    rising, falling = np.flatnonzero(change > jump), np.flatnonzero(change < -jump)
    inner = shifted[:, 1:]
    return _has_strokes(inner, rising, falling, is_light=True) or _has_strokes(
        inner, falling, rising, is_light=False
    )


def _has_strokes(inner: Values, starts: _Positions, ends: _Positions, *, is_light: bool) -> bool:
    """Tell whether enough strokes of one value lie close together.

    Args:
        inner: values, (rows, columns), without the first column.
        starts: places where values jump towards a stroke, in rows one column shorter.
        ends: places where they jump back.
        is_light: strokes are lighter than what lies beside them.
    """
    if starts.size < _FEWEST_STROKES or not ends.size:
        return False
    following = np.searchsorted(ends, starts, side="right")
    widths = ends[np.minimum(following, ends.size - 1)] - starts
    rows, columns = np.divmod(starts[(widths > 0) & (widths <= _WIDEST_STROKE)], inner.shape[1] - 1)
    pair = inner[rows, columns], inner[rows, columns + 1]
    strokes = np.maximum(*pair) if is_light else np.minimum(*pair)
    counts = np.bincount(strokes)
    for value in _standing_out(counts):
        is_it = strokes == value
        blocks = np.zeros((inner.shape[0] // _BLOCK_ROWS + 2, inner.shape[1] // _BLOCK_COLUMNS + 2))
        np.add.at(blocks, (rows[is_it] // _BLOCK_ROWS, columns[is_it] // _BLOCK_COLUMNS), 1)
        fields = blocks[1:, 1:] + blocks[:-1, 1:] + blocks[1:, :-1] + blocks[:-1, :-1]
        fewest = _FEWEST_TOGETHER if value or is_light else _FEWEST_AT_FLOOR
        if fields.max() >= fewest:
            return True
    return False


def _standing_out(counts: npt.NDArray[np.intp]) -> list[int]:
    """Return values that are far more frequent than those beside them, the most frequent first."""
    frequent = np.flatnonzero(counts >= _FEWEST_STROKES)
    found = []
    for value in frequent[np.argsort(-counts[frequent])][:_MOST_VALUES]:
        around = counts[max(value - _BESIDE, 0) : value + _BESIDE + 1].sum() - counts[value]
        if counts[value] >= _TIMES_BESIDE * max(around / (2 * _BESIDE), 1):
            found.append(int(value))
    return found
