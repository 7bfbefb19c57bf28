"""The cheap look at an uncompressed slice: whether anything in it was drawn, not measured.

What is drawn has one value at an end of the range and jumps to it within a pixel. A scanner's own
edges are as wide as its resolution. A slice that only looks so costs a reading, nothing more.
"""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.integer]

# A short word of 10 pixels height has hundreds of sharp edges, two digits have forty.
_FEWEST_EDGES = 40
_JUMP = 0.35
_EVERY = 7


def looks_drawn(values: Values) -> bool:
    """Tell whether many pixels at an end of the range stand sharply against their neighbours.

    Args:
        values: (rows, columns), as stored.
    """
    low, high = int(values.min()), int(values.max())
    usual = np.percentile(values.ravel()[::_EVERY], (2, 98))
    spread = float(usual[1] - usual[0])
    if spread <= 0:
        return False
    return _is_sharp(values == high, values < high - _JUMP * spread) or _is_sharp(
        values == low, values > low + _JUMP * spread
    )


def _is_sharp(at_end: npt.NDArray[np.bool_], far: npt.NDArray[np.bool_]) -> bool:
    """Tell whether enough pixels at the end of the range touch one far from it, on both sides."""
    if np.count_nonzero(at_end) < _FEWEST_EDGES:
        return False
    rising = np.count_nonzero(far[:, :-1] & at_end[:, 1:])
    falling = np.count_nonzero(at_end[:, :-1] & far[:, 1:])
    return bool(min(rising, falling) * 2 >= _FEWEST_EDGES)
