"""Where the body is in a CT: the smallest box that holds every voxel denser than air."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.prepare.grid import NetworkGrid
from sightline.values.arrays import Voxels
from sightline.values.plan import Plan, Triple
from sightline.values.volume import Volume

GridBox: TypeAlias = tuple[Triple, Triple]
"""First index along each axis of a network's grid, and where it ends."""

_BODY_HU = -500.0
# So many voxels of air stay around the body, for a network to see its edge.
_MARGIN = 4


def air_of(volume: Volume, plan: Plan) -> float | None:
    """Return the stored value at and below which there is air; None where a plan does not tell."""
    window = plan.intensity.window
    is_measured = plan.modality == "CT" and plan.intensity.scheme == "window"
    if not is_measured or window is None or not window[0] < _BODY_HU < window[1]:
        return None
    return (_BODY_HU - volume.intercept) / volume.slope if volume.slope > 0 else None


def body_box(volume: Volume, grid: NetworkGrid, plan: Plan) -> GridBox:
    """Find the part of the grid to look at; all of it where a plan's window does not tell air."""
    level = air_of(volume, plan)
    bounds = None if level is None else _bounds(volume.voxels, level)
    if bounds is None:
        return (0, 0, 0), grid.shape
    first, stop = [], []
    for axis, source in enumerate(grid.axes):
        low, high = (int(edge) for edge in bounds[:, source])
        size, ratio = grid.source_shape[axis], grid.ratio[axis]
        if grid.flips[axis]:
            low, high = size - high, size - low
        # A voxel of the grid lies at (index + 0.5) * ratio - 0.5 of the volume.
        begin = int(np.floor((low - 0.5) / ratio - 0.5)) - _MARGIN
        end = int(np.ceil((high + 0.5) / ratio - 0.5)) + 1 + _MARGIN
        first.append(max(0, begin))
        stop.append(min(grid.shape[axis], end))
    return (first[0], first[1], first[2]), (stop[0], stop[1], stop[2])


def _bounds(voxels: Voxels, level: float) -> npt.NDArray[np.int64] | None:
    """Return (2, 3), first index and end of all above `level`; None where nothing is.

    One pass over the voxels: a body reaches from the first slice to the last, or nearly so.
    """
    is_above = voxels.max(axis=0) > level
    if not is_above.any():
        return None
    rows, columns = np.flatnonzero(is_above.any(axis=1)), np.flatnonzero(is_above.any(axis=0))
    first = next(at for at, plane in enumerate(voxels) if plane.max() > level)
    last = next(at for at in range(len(voxels) - 1, -1, -1) if voxels[at].max() > level)
    ends = [(first, last), (rows[0], rows[-1]), (columns[0], columns[-1])]
    return np.array([[low for low, _ in ends], [high + 1 for _, high in ends]])
