"""What is new in a frame: the places that differ from what was looked at before."""

from collections.abc import Sequence

import cv2
import numpy as np

from sightline.deid.pixels.pictures import Box, Mask, Picture

# The smallest text of ten pixels height changes more pixels of its surroundings than this, by more
# than a fifth of the range.
_CHANGE, _FEWEST, _SIDE = 48, 12, 21
_NEAR = 8


class Seen:
    """What was looked at: for each pixel the value that it had when its surroundings last were."""

    def __init__(self, first: Picture) -> None:
        self._values = first.copy()

    def new_in(self, frame: Picture) -> Mask:
        """Mark what is new in a frame, (rows, columns), 1 or 0, and count it as seen.

        What changes little by little is new once it changed enough.
        """
        changed = (cv2.absdiff(frame, self._values) > _CHANGE).any(axis=2)
        counted = np.asarray(changed, np.float32)
        around = cv2.boxFilter(counted, -1, (_SIDE, _SIDE), normalize=False, borderType=0)
        new = (around > _FEWEST - 0.5).astype(np.uint8)
        is_new = new.astype(bool)
        self._values[is_new] = frame[is_new]
        return new


def only_near(new: Mask | None, boxes: Sequence[Box], shape: tuple[int, int]) -> Mask | None:
    """Keep of what is new in a frame only what lies at boxes; all of it where there are none.

    Args:
        new: None where everything is.
        boxes: they and what lies close to them.
        shape: rows and columns of the frame.
    """
    if not boxes:
        return new
    kept = np.zeros(shape, np.uint8)
    for top, left, bottom, right in boxes:
        rows = slice(max(top - _NEAR, 0), bottom + _NEAR)
        columns = slice(max(left - _NEAR, 0), right + _NEAR)
        kept[rows, columns] = 1 if new is None else new[rows, columns]
    return kept
