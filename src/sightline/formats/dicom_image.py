"""Image series of CT, MR and PET to volumes: single-frame and enhanced multi-frame.

Uncompressed little endian pixels, the common case, are copied straight into the volume.
"""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels.utils import pixel_array

from sightline.errors import NotDicom, UnsoundSeries
from sightline.formats.dicom_attributes import Attributes
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset
from sightline.formats.dicom_elements import Element, open_elements
from sightline.formats.dicom_grid import Plane, arrange
from sightline.values.arrays import Voxels
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume

_IMAGE_TYPE, _SOP_CLASS_UID, _MODALITY = 0x00080008, 0x00080016, 0x00080060
_SERIES_UID, _FRAME_OF_REFERENCE = 0x0020000E, 0x00200052
_SAMPLES_PER_PIXEL, _NUMBER_OF_FRAMES = 0x00280002, 0x00280008
_ROWS, _COLUMNS, _BITS_ALLOCATED = 0x00280010, 0x00280011, 0x00280100
_PIXEL_REPRESENTATION = 0x00280103
_PER_FRAME, _PIXEL_DATA = 0x52009230, 0x7FE00010

_NATIVE_LITTLE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"})
# Segmentations, parametric maps, doses and presentation states have pixels but are no acquisition.
_NO_IMAGES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.66.4",
        "1.2.840.10008.5.1.4.1.1.66.7",
        "1.2.840.10008.5.1.4.1.1.30",
        "1.2.840.10008.5.1.4.1.1.481.2",
    }
)
# Some 2 GiB of 16-bit voxels; a header may claim 2^47.
_MAX_VOXELS = 1 << 30


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Rescale:
    slope: float = 1.0
    intercept: float = 0.0
    kind: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Instance:
    """One file of the series, described but not decoded.

    Attributes:
        planes: one a frame, in the order of the frames.
        rescales: one a frame.
    """

    content: bytes
    transfer_syntax_uid: str
    attributes: Attributes
    pixels: Element
    dtype: np.dtype[np.integer]
    planes: tuple[Plane, ...]
    rescales: tuple[_Rescale, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SeriesGrid:
    """The grid of a series.

    Attributes:
        slices: for each file, the slice of the volume that each of its frames is.
    """

    geometry: Geometry
    slices: tuple[tuple[int, ...], ...]


def read_volume(files: Sequence[Path]) -> Volume:
    """Read the files of one series as one volume, in the acquired integer type.

    Slices are ordered along the normal of the planes (row direction x column direction).

    Raises:
        UnsoundSeries: The files are no images, or make no regular grid; the problem says why.
        NotDicom: A file is broken.
        OSError: A file cannot be read.
    """
    instances = [_open(path) for path in files]
    grid = _arranged(instances)
    voxels = np.empty(grid.geometry.shape, dtype=instances[0].dtype)
    for instance, slices in zip(instances, grid.slices, strict=True):
        voxels[list(slices)] = _pixels(instance)
    attributes, rescale = instances[0].attributes, instances[0].rescales[0]
    modality = attributes.text(_MODALITY)
    return Volume(
        voxels=voxels,
        geometry=grid.geometry,
        modality=modality,
        slope=rescale.slope,
        intercept=rescale.intercept,
        unit=_unit(modality, rescale, attributes),
    )


def read_grid(files: Sequence[Path]) -> SeriesGrid:
    """Tell where the frames of one series lie, without decoding pixels.

    Raises:
        UnsoundSeries: The files are no images, or make no regular grid; the problem says why.
        NotDicom: A file is broken.
        OSError: A file cannot be read.
    """
    return _arranged([_open(path) for path in files])


def _arranged(instances: Sequence[_Instance]) -> SeriesGrid:
    if not instances:
        raise _unsound("it holds no files", "Give at least one DICOM file.")
    _check_one_series(instances)
    order, geometry = arrange([plane for instance in instances for plane in instance.planes])
    if np.prod(geometry.shape, dtype=np.int64) > _MAX_VOXELS:
        raise _unsound(f"{geometry.shape} voxels are too many", "Split the series.")
    targets = iter(np.argsort(order).tolist())
    slices = tuple(tuple(next(targets) for _ in instance.planes) for instance in instances)
    return SeriesGrid(geometry=geometry, slices=slices)


def _open(path: Path) -> _Instance:
    content = path.read_bytes()
    elements = open_elements(content)
    found = list(elements)
    attributes = Attributes.of(elements, found)
    pixels = next((element for element in found if element.tag == _PIXEL_DATA), None)
    if pixels is None or attributes.text(_SOP_CLASS_UID) in _NO_IMAGES:
        raise _unsound("it holds an object that is no image", "Give an image series.")
    if attributes.short(_SAMPLES_PER_PIXEL) != 1:
        raise _unsound("its images are in colour", "A volume has one value a voxel.")
    if "MOSAIC" in attributes.text(_IMAGE_TYPE):
        raise _unsound("its images are mosaics of many slices", "Convert them to enhanced MR.")
    if attributes.has(_PER_FRAME):
        planes, rescales = _enhanced_frames(content, attributes)
    elif (attributes.integer(_NUMBER_OF_FRAMES) or 1) > 1:
        raise _unsound("a multi-frame image without positions", "Only enhanced images have them.")
    else:
        planes, rescales = (_single_plane(attributes),), (_single_rescale(attributes),)
    return _Instance(
        content=content,
        transfer_syntax_uid=elements.transfer_syntax_uid,
        attributes=attributes,
        pixels=pixels,
        dtype=_dtype(attributes),
        planes=planes,
        rescales=rescales,
    )


def _check_one_series(instances: Sequence[_Instance]) -> None:
    for tag, what in ((_SERIES_UID, "series"), (_FRAME_OF_REFERENCE, "frames of reference")):
        if len({instance.attributes.text(tag) for instance in instances}) > 1:
            raise _unsound(f"it mixes several {what}", "Give one series at a time.")
    if len({rescale for instance in instances for rescale in instance.rescales}) > 1:
        raise _unsound(
            "its images differ in rescale slope or intercept",
            "PET is often stored like this, and cannot be one integer volume.",
        )
    if len({instance.dtype for instance in instances}) > 1:
        raise _unsound("its images differ in pixel type", "Take one of the acquisitions out of it.")


def _dtype(attributes: Attributes) -> np.dtype[np.integer]:
    bits = attributes.short(_BITS_ALLOCATED)
    if bits not in {8, 16, 32}:
        raise _unsound(f"{bits} bits a pixel", "Images have 8, 16 or 32.")
    sign = "i" if attributes.short(_PIXEL_REPRESENTATION) == 1 else "u"
    return np.dtype(f"{sign}{bits // 8}")


def _size(attributes: Attributes) -> tuple[int, int]:
    rows, columns = attributes.short(_ROWS), attributes.short(_COLUMNS)
    if not rows or not columns:
        raise _unsound("an image without rows or columns", "Ask the sender for it again.")
    return rows, columns


def _single_plane(attributes: Attributes) -> Plane:
    position = attributes.numbers(0x00200032, 3)
    orientation = attributes.numbers(0x00200037, 6)
    spacing = attributes.numbers(0x00280030, 2)
    # Spacing between slices (0018,0088) before slice thickness (0018,0050).
    thickness = attributes.numbers(0x00180088, 1) or attributes.numbers(0x00180050, 1)
    return _plane((position, orientation, spacing, thickness), _size(attributes))


def _single_rescale(attributes: Attributes) -> _Rescale:
    slope, intercept = attributes.numbers(0x00281053, 1), attributes.numbers(0x00281052, 1)
    return _Rescale(
        slope=slope[0] if slope else 1.0,
        intercept=intercept[0] if intercept else 0.0,
        kind=attributes.text(0x00281054),
    )


def _plane(place: tuple[tuple[float, ...], ...], size: tuple[int, int]) -> Plane:
    position, orientation, spacing, thickness = place
    if not (position and orientation and spacing):
        raise _unsound("an image does not say where it lies", "Projections and captures do not.")
    return Plane(
        position=(position[0], position[1], position[2]),
        along_row=(orientation[0], orientation[1], orientation[2]),
        along_column=(orientation[3], orientation[4], orientation[5]),
        spacing_mm=(spacing[0], spacing[1]),
        thickness_mm=abs(thickness[0]) if thickness else None,
        rows=size[0],
        columns=size[1],
    )


def _enhanced_frames(
    content: bytes, attributes: Attributes
) -> tuple[tuple[Plane, ...], tuple[_Rescale, ...]]:
    """Read the functional groups (PS3.3 C.7.6.16)."""
    size = _size(attributes)
    with broken_values_are_not_dicom("read the functional groups"):
        dataset = open_dataset(content, with_pixels=False)
        shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
        frames = [(group, *shared) for group in dataset.PerFrameFunctionalGroupsSequence]
    if not frames or len(frames) != attributes.integer(_NUMBER_OF_FRAMES):
        raise NotDicom(
            f"{len(frames)} functional groups for {attributes.integer(_NUMBER_OF_FRAMES)} frames",
            hint="Ask the sender for the file again.",
        )
    with broken_values_are_not_dicom("read the functional groups"):
        planes = tuple(_plane(_enhanced_place(groups), size) for groups in frames)
        return planes, tuple(_enhanced_rescale(groups) for groups in frames)


def _enhanced_place(groups: tuple[pydicom.Dataset, ...]) -> tuple[tuple[float, ...], ...]:
    measures = _group(groups, "PixelMeasuresSequence")
    thickness = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")
    return (
        _numbers(_group(groups, "PlanePositionSequence").get("ImagePositionPatient")),
        _numbers(_group(groups, "PlaneOrientationSequence").get("ImageOrientationPatient")),
        _numbers(measures.get("PixelSpacing")),
        (float(thickness),) if thickness else (),
    )


def _enhanced_rescale(groups: tuple[pydicom.Dataset, ...]) -> _Rescale:
    transformation = _group(groups, "PixelValueTransformationSequence")
    return _Rescale(
        slope=float(transformation.get("RescaleSlope", 1)),
        intercept=float(transformation.get("RescaleIntercept", 0)),
        kind=str(transformation.get("RescaleType", "")),
    )


def _group(groups: tuple[pydicom.Dataset, ...], name: str) -> pydicom.Dataset:
    """Find a functional group: the frame's own comes before the shared one."""
    for group in groups:
        if group.get(name):
            found: pydicom.Dataset = group[name].value[0]
            return found
    return pydicom.Dataset()


def _numbers(values: Sequence[float] | None) -> tuple[float, ...]:
    return tuple(float(value) for value in values or ())


def _pixels(instance: _Instance) -> Voxels:
    """Return (frames, rows, columns)."""
    shape = (len(instance.planes), *_size(instance.attributes))
    if instance.transfer_syntax_uid not in _NATIVE_LITTLE:
        with broken_values_are_not_dicom("decode the pixels"):
            decoded: Voxels = pixel_array(io.BytesIO(instance.content), raw=True)
            return decoded.reshape(shape)
    count = int(np.prod(shape, dtype=np.int64))
    if count * instance.dtype.itemsize > instance.pixels.length:
        raise NotDicom(
            f"{shape} pixels do not fit {instance.pixels.length} bytes",
            hint="The file is broken; ask the sender for it again.",
        )
    stored = instance.dtype.newbyteorder("<")
    values = np.frombuffer(instance.content, stored, count, instance.pixels.start)
    return values.reshape(shape)


def _unit(modality: str, rescale: _Rescale, attributes: Attributes) -> str:
    if modality == "CT":
        return "HU" if rescale.kind in {"", "HU"} else rescale.kind
    # Units (0054,1001) of the PET series.
    return attributes.text(0x00541001)


def _unsound(why: str, hint: str) -> UnsoundSeries:
    return UnsoundSeries(f"the series is no volume: {why}", hint=hint)
