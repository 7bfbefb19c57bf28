"""Bringing a mask onto the grid of its image, exactly or not at all."""

import numpy as np

from sightline.errors import BadFile
from sightline.values.arrays import Affine
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation

# Tools round affines; up to this share of a voxel it stays clear which voxel is meant.
_TOLERANCE_SHARE = 0.05


def align_to_grid(segmentation: Segmentation, geometry: Geometry) -> Segmentation:
    """Reorder a mask that lies on the same grid with its axes swapped or flipped.

    No voxel is interpolated; the result has exactly `geometry`.

    Raises:
        BadFile: The mask lies on another grid; the problem says how it differs.
    """
    own = segmentation.geometry
    to_target = np.linalg.inv(geometry.matrix) @ own.matrix
    axes = np.rint(to_target[:3, :3]).astype(int)
    if not (np.abs(axes).sum(axis=0) == 1).all() or not (np.abs(axes).sum(axis=1) == 1).all():
        raise _differs(own, geometry)
    sources = np.abs(axes).argmax(axis=1)
    flipped = tuple(int(axis) for axis in range(3) if axes[axis, sources[axis]] < 0)
    mask = np.flip(np.transpose(segmentation.mask, sources), axis=flipped)
    reordered = Geometry.from_affine(mask.shape, own.matrix @ _index_map(own, sources, flipped))
    tolerance_mm = _TOLERANCE_SHARE * min(geometry.spacing_mm)
    if not reordered.is_same_grid(geometry, tolerance_mm=tolerance_mm):
        raise _differs(own, geometry)
    return Segmentation(
        mask=np.ascontiguousarray(mask),
        geometry=geometry,
        classes=segmentation.classes,
        author=segmentation.author,
    )


def _index_map(own: Geometry, sources: np.ndarray, flipped: tuple[int, ...]) -> Affine:
    """Return the matrix from indices of the reordered mask to indices of the mask as it was."""
    index_map = np.zeros((4, 4))
    index_map[3, 3] = 1.0
    for axis, source in enumerate(sources):
        index_map[source, axis] = -1.0 if axis in flipped else 1.0
        if axis in flipped:
            index_map[source, 3] = own.shape[source] - 1
    return index_map


def _differs(own: Geometry, wanted: Geometry) -> BadFile:
    return BadFile(
        "the mask lies on another grid than the series: "
        f"{_describe(own)}; the series has {_describe(wanted)}",
        hint="Export the mask on the grid of this series (same size, spacing and position).",
    )


def _describe(geometry: Geometry) -> str:
    size = " x ".join(str(count) for count in geometry.shape)
    spacing = " x ".join(f"{length:.4g}" for length in geometry.spacing_mm)
    centre = geometry.matrix @ [*((count - 1) / 2 for count in geometry.shape), 1.0]
    place = ", ".join(f"{coordinate:.1f}" for coordinate in centre[:3])
    return f"{size} voxels of {spacing} mm (slice, row, column) around LPS ({place}) mm"
