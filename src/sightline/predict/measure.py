"""Measurements of a mask, class by class."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import SimpleITK

from sightline.predict.cells import enclose
from sightline.values.arrays import Mask
from sightline.values.finding import Measurement
from sightline.values.geometry import Geometry
from sightline.values.volume import Segmentation

_Bits = npt.NDArray[np.bool_]
_Points = npt.NDArray[np.float64]


def measure(
    segmentation: Segmentation, tracking_uid: Callable[[str], str]
) -> tuple[Measurement, ...]:
    """Measure every class of a segmentation, absent ones too.

    Args:
        segmentation: the mask.
        tracking_uid: gives the tracking UID of a class by its name.
    """
    boxes = _boxes(segmentation.mask, len(segmentation.classes))
    return tuple(
        _measure_class(
            segmentation.mask[box] == number,
            segmentation.geometry,
            name=name,
            uid=tracking_uid(name),
        )
        for number, (name, box) in enumerate(zip(segmentation.classes, boxes, strict=True), start=1)
    )


def _measure_class(mask: _Bits, geometry: Geometry, *, name: str, uid: str) -> Measurement:
    """Measure a class in the box that holds all of it."""
    components, largest = _largest_component(mask) if mask.size else (0, mask)
    return Measurement(
        class_name=name,
        volume_ml=int(np.count_nonzero(mask)) * geometry.voxel_ml,
        longest_diameter_mm=_longest_in_slice(largest, geometry),
        components=components,
        tracking_uid=uid,
    )


def _largest_component(mask: _Bits) -> tuple[int, _Bits]:
    """Count 26-connected parts and return the largest, the first of equals, in its own box."""
    image = SimpleITK.GetImageFromArray(mask.view(np.uint8))
    connected = SimpleITK.ConnectedComponentImageFilter()
    connected.FullyConnectedOn()
    numbers = SimpleITK.GetArrayFromImage(connected.Execute(image))
    sizes = np.bincount(numbers.ravel())
    largest = 1 + int(sizes[1:].argmax())
    return len(sizes) - 1, _cropped(np.equal(numbers, largest))


def _cropped(mask: _Bits) -> _Bits:
    """Cut a mask to the smallest box that holds all of it."""
    (box,) = _boxes(mask.view(np.uint8), 1)
    return mask[box]


def _boxes(mask: Mask, classes: int) -> list[tuple[slice, ...]]:
    """Return the smallest box around each class; an empty one where a class is nowhere."""
    first = np.repeat([mask.shape], classes + 1, axis=0)
    stop = np.zeros_like(first)
    enclose(mask, first, stop)
    return [
        tuple(slice(begin, max(begin, end)) for begin, end in zip(*each, strict=True))
        for each in zip(first[1:].tolist(), stop[1:].tolist(), strict=True)
    ]


def _longest_in_slice(mask: _Bits, geometry: Geometry) -> float:
    """Return the longest distance in mm between two points of one slice."""
    spacing_mm = np.array(geometry.spacing_mm[1:])
    planes = [_edges(plane) for plane in mask if plane.any()]
    reaches = [_lengths(np.ptp(points, axis=0), spacing_mm) for points in planes]
    found = 0.0
    for number in np.argsort(reaches)[::-1]:
        # No two points lie farther apart than the corners of the box around all.
        if reaches[number] <= found:
            break
        found = max(found, _longest(planes[number], spacing_mm))
    return found


def _edges(plane: _Bits) -> _Points:
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


def _longest(points: _Points, spacing_mm: _Points) -> float:
    return float(_lengths(points[:, None, :] - points[None, :, :], spacing_mm).max())


def _lengths(differences: _Points, spacing_mm: _Points) -> _Points:
    """Return the lengths in mm of (..., 2) in voxels, wherever in the image they lie."""
    lengths: _Points = np.sqrt(((differences * spacing_mm) ** 2).sum(axis=-1))
    return lengths
