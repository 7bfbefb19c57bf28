"""The cheap look at a slice: whether anything in it was drawn, not measured.

What is drawn has one value in thin strokes and jumps to it within a pixel or two. What a scanner
measures, a rib or a vessel, hardly has one value twice for its noise. A slice that only looks drawn
costs a reading, nothing more.
"""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.integer]
_Positions = npt.NDArray[np.intp]
_Bits = npt.NDArray[np.uint64]

_EVERY = 29
_UNUSUAL = 0.02
_JUMP = 0.1
# A stroke is 12 columns wide at most: places 0 to 11 from a bit, doubled 1, 2, 4 and 4 times.
_DOUBLINGS = (1, 2, 4, 4)
# Text of ten pixels height crosses its rows in a dozen strokes of one value, and in few of the
# values beside it.
_FEWEST_STROKES, _BESIDE, _TIMES_BESIDE, _MOST_VALUES = 12, 9, 6.0, 12
# Strokes in a field of two by two of such blocks. Air that is cut off at the lowest value has some
# beside metal and table.
_BLOCK_ROWS, _BLOCK_COLUMNS = 12, 32
# Bits of whole bands fill whole words.
_WORD_BYTES, _WORD_BITS = 8, 64
_BAND_ROWS = 128
_FEWEST_TOGETHER, _FEWEST_AT_FLOOR = 7, 20


def looks_drawn(values: Values) -> bool:
    """Tell whether thin strokes of one value stand sharply and closely against their neighbours.

    Args:
        values: (rows, columns), as stored.
    """
    low, high = int(values.min()), int(values.max())
    if low == high or min(values.shape) < 3:  # noqa: PLR2004 - a stroke and both its sides
        return False
    jump = int(_JUMP * (_usual_range(values) or high - low))
    rises, falls = _jumps(values, low, high, jump=jump)
    return _has_strokes(values, rises, falls, low=low, is_light=True) or _has_strokes(
        values, falls, rises, low=low, is_light=False
    )


def _usual_range(values: Values) -> int:
    """Return how far apart the values lie that few are below and few above."""
    some = np.sort(values.ravel()[::_EVERY])
    few = int(_UNUSUAL * some.size)
    return int(some[-1 - few]) - int(some[few])


def _jumps(values: Values, low: int, high: int, *, jump: int) -> tuple[_Bits, _Bits]:
    """Find where a value lies by more than `jump` above, and below, that two columns before.

    Band by band, because a whole slice would go through memory at each step.

    Returns:
        A bit a place, in rows two columns shorter: where the value rises, and where it falls.
    """
    # A smaller type is read twice as fast; differences must fit, too.
    kind = np.int16 if high - low < np.iinfo(np.int16).max else np.int32
    rises, falls = [], []
    for top in range(0, values.shape[0], _BAND_ROWS):
        band = np.subtract(
            values[top : top + _BAND_ROWS], values.dtype.type(low), dtype=kind, casting="unsafe"
        )
        change = (band[:, 2:] - band[:, :-2]).ravel()
        rises.append(np.packbits(change > jump, bitorder="little"))
        falls.append(np.packbits(change < -jump, bitorder="little"))
    return _words(rises), _words(falls)


def _words(parts: list[npt.NDArray[np.uint8]]) -> _Bits:
    """Join packed bits; each part but the last fills its words."""
    missing = -sum(part.size for part in parts) % _WORD_BYTES
    return np.concatenate([*parts, np.zeros(missing, np.uint8)]).view(np.uint64)


def _thin(starts: _Bits, ends: _Bits) -> _Positions:
    """Return the places, in order, of the starts that have an end within a stroke's width."""
    # Bit k of what is near is set where an end lies in the 12 places from k on: so many doublings.
    near = ends
    for further in _DOUBLINGS:
        near = near | _moved(near, further)
    found = starts & _moved(near, 1)
    octets = found.view(np.uint8)
    full = np.flatnonzero(octets)
    bits = np.flatnonzero(np.unpackbits(octets[full], bitorder="little"))
    return np.asarray(full[bits >> 3] * 8 + (bits & 7))


def _moved(bits: _Bits, count: int) -> _Bits:
    """Move every bit `count` places towards the first."""
    moved = bits >> np.uint64(count)
    moved[:-1] |= bits[1:] << np.uint64(_WORD_BITS - count)
    return moved


def _has_strokes(values: Values, starts: _Bits, ends: _Bits, *, low: int, is_light: bool) -> bool:
    """Tell whether enough strokes of one value lie close together.

    Args:
        values: (rows, columns).
        starts: where values jump towards a stroke, as `_jumps` gives them.
        ends: where they jump back.
        low: the lowest value.
        is_light: strokes are lighter than what lies beside them.
    """
    places = _thin(starts, ends)
    if places.size < _FEWEST_STROKES:
        return False
    width = values.shape[1] - 2
    rows = places // width
    flat, first = values.ravel(), places + 2 * rows + 1
    pair = flat[first], flat[first + 1]
    strokes = (np.maximum(*pair) if is_light else np.minimum(*pair)).astype(np.intp) - low
    counts = np.bincount(strokes)
    for value in _standing_out(counts):
        chosen = np.flatnonzero(strokes == value)
        row, column = rows[chosen], places[chosen] - rows[chosen] * width
        blocks = np.zeros(
            (values.shape[0] // _BLOCK_ROWS + 2, values.shape[1] // _BLOCK_COLUMNS + 2)
        )
        np.add.at(blocks, (row // _BLOCK_ROWS, column // _BLOCK_COLUMNS), 1)
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
