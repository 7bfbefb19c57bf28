"""What this room calls a picture, a place in it, and a mark on it."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.uint8]
"""(rows, columns, 3), as a screen shows it."""
Mask: TypeAlias = npt.NDArray[np.uint8]
"""(rows, columns), 1 where something is, else 0."""
Box: TypeAlias = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels; bottom and right are the first beyond."""
