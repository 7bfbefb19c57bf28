"""Array shapes, named once.

Every volume and mask is indexed (slice, row, column). Slices are ordered so that the slice axis,
the row axis and the column axis of the affine are as acquired.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Voxels: TypeAlias = npt.NDArray[Any]
"""(slices, rows, columns), in the acquired integer type."""

Mask: TypeAlias = npt.NDArray[np.uint8]
"""(slices, rows, columns), 0 is background, k is the k-th class."""

Affine: TypeAlias = npt.NDArray[np.float64]
"""(4, 4), from (slice, row, column, 1) to LPS millimetres (x, y, z, 1)."""
