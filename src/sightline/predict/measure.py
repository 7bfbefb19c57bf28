"""Measurements of a mask, class by class."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import SimpleITK

from sightline.values.finding import Measurement
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation

_Bits = npt.NDArray[np.bool_]


def measure(
    segmentation: Segmentation, tracking_uid: Callable[[str], str]
) -> tuple[Measurement, ...]:
    """Measure every class of a segmentation, absent ones too.

    Args:
        segmentation: the mask.
        tracking_uid: gives the tracking UID of a class by its name.
    """
    return tuple(
        _measure_class(
            segmentation.mask == number, segmentation.geometry, name=name, uid=tracking_uid(name)
        )
        for number, name in enumerate(segmentation.classes, start=1)
    )


def _measure_class(mask: _Bits, geometry: Geometry, *, name: str, uid: str) -> Measurement:
    voxels = int(np.count_nonzero(mask))
    components, largest = _largest_component(mask) if voxels else (0, mask)
    return Measurement(
        class_name=name,
        volume_ml=voxels * geometry.voxel_ml,
        longest_diameter_mm=_longest_in_slice(largest, geometry),
        components=components,
        tracking_uid=uid,
    )


def _largest_component(mask: _Bits) -> tuple[int, _Bits]:
    """Count 26-connected parts and return the largest, the first of equals."""
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    connected = SimpleITK.ConnectedComponentImageFilter()
    connected.FullyConnectedOn()
    numbers = SimpleITK.GetArrayFromImage(connected.Execute(image))
    sizes = np.bincount(numbers.ravel())
    largest = 1 + int(sizes[1:].argmax())
    return len(sizes) - 1, numbers == largest


def _longest_in_slice(mask: _Bits, geometry: Geometry) -> float:
    _, row_mm, column_mm = geometry.spacing_mm
    edges = (_edges(plane) for plane in mask if plane.any())
    return max((_longest(points * (row_mm, column_mm)) for points in edges), default=0.0)


def _edges(plane: _Bits) -> npt.NDArray[np.float64]:
    """Return (count, 2) middles of the outermost voxel edges of every row and column, in voxels.

    The two points farthest apart are among them, and one voxel measures one voxel.
    """
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    left = plane[rows].argmax(axis=1) - 0.5
    right = plane.shape[1] - plane[rows][:, ::-1].argmax(axis=1) - 0.5
    top = plane[:, columns].argmax(axis=0) - 0.5
    bottom = plane.shape[0] - plane[::-1, columns].argmax(axis=0) - 0.5
    along_rows = [np.stack([rows, edge], axis=1) for edge in (left, right)]
    along_columns = [np.stack([edge, columns], axis=1) for edge in (top, bottom)]
    return np.concatenate([*along_rows, *along_columns]).astype(np.float64)


def _longest(points: npt.NDArray[np.float64]) -> float:
    difference = points[:, None, :] - points[None, :, :]
    return float(np.sqrt((difference**2).sum(axis=-1).max()))
