"""The cheap look at an uncompressed slice: whether anything in it was drawn, not measured.

What is drawn has one value at an end of the range, in thin strokes, and jumps to it within a pixel.
A scanner's own edges are as wide as its resolution. A slice that only looks so costs a reading,
nothing more.
"""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.integer]

# Two digits of 10 pixels height cross some twenty rows; the edge of a body is no stroke.
_FEWEST_STROKES, _WIDEST_STROKE = 16, 12
_JUMP = 0.35
_EVERY = 7


def looks_drawn(values: Values) -> bool:
    """Tell whether thin strokes at an end of the range stand sharply against their neighbours.

    Args:
        values: (rows, columns), as stored.
    """
    low, high = int(values.min()), int(values.max())
    usual = np.percentile(values.ravel()[::_EVERY], (2, 98))
    spread = float(usual[1] - usual[0])
    if spread <= 0:
        return False
    return _has_strokes(values == high, values < high - _JUMP * spread) or _has_strokes(
        values == low, values > low + _JUMP * spread
    )


def _has_strokes(at_end: npt.NDArray[np.bool_], far: npt.NDArray[np.bool_]) -> bool:
    """Tell whether enough short runs at the end of the range lie between pixels far from it."""
    if np.count_nonzero(at_end) < _FEWEST_STROKES:
        return False
    starts = np.flatnonzero(far[:, :-1] & at_end[:, 1:])
    ends = np.flatnonzero(at_end[:, :-1] & far[:, 1:])
    if not starts.size or not ends.size:
        return False
    following = np.searchsorted(ends, starts, side="right")
    widths = ends[np.minimum(following, ends.size - 1)] - starts
    strokes = np.count_nonzero((widths > 0) & (widths <= _WIDEST_STROKE))
    return bool(strokes >= _FEWEST_STROKES)
