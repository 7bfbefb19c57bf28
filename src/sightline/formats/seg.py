"""DICOM Segmentation: masks to objects that every viewer overlays, and back without loss."""

import contextlib
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels.utils import pixel_array
from pydicom.sr.codedict import codes

from sightline.errors import BadFile, UnsoundSeries
from sightline.formats.class_codes import meaning_of
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset
from sightline.formats.dicom_image import SeriesGrid, read_grids
from sightline.formats.result_object import (
    MANUFACTURER,
    Sources,
    derived_uid,
    equipment,
    marked,
    read_sources,
    software_version,
    to_bytes,
)
from sightline.values.alignment import align_to_grid
from sightline.values.arrays import Affine, Mask
from sightline.values.geometry import Geometry
from sightline.values.result import ResultIdentity
from sightline.values.volume import Segmentation

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
LABELMAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
_STORAGES = frozenset({SEGMENTATION_STORAGE, LABELMAP_STORAGE})

_COLOURS = ((255, 170, 51), (70, 190, 255), (120, 230, 120), (235, 110, 200), (250, 240, 90))
# A frame lies on a slice when it is no further from it than this share of a voxel.
_OFF_GRID_SHARE = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SegOrigin:
    """Who or what made a segmentation, as the object says.

    Attributes:
        author: the reader or the model.
        model_version: empty where a reader drew it.
        source_series_uid: the series it was drawn on; empty where the object does not say.
        tracking_uids: of each class, by its name.
    """

    author: str
    is_manual: bool
    model_version: str
    source_series_uid: str
    classes: tuple[str, ...]
    tracking_uids: tuple[str, ...]


def write_seg(
    segmentation: Segmentation,
    sources: Sequence[Path],
    *,
    identity: ResultIdentity,
    is_manual: bool,
    tracking_uids: Mapping[str, str] | None = None,
    stack: str | None = None,
) -> bytes:
    """Write a mask as a BINARY Segmentation of the series it was drawn on.

    Frames without a voxel are left out. Of an empty mask, which the standard cannot express, one
    empty frame a class is written: "looked for, not found".

    Args:
        segmentation: on the grid of the series, or that grid with its axes swapped or flipped.
        sources: every file of that series.
        identity: names the object and what made it.
        is_manual: a reader drew it, rather than a model.
        tracking_uids: by class name; those not given follow from the instance and the name.
        stack: name of the volume it was drawn on; of a series of several, the first with the
            mask's grid unless it is given.

    Raises:
        BadFile: The mask lies on another grid.
        UnsoundSeries: The series is no volume.
        NotDicom: A source is broken.
        OSError: A source cannot be read.
    """
    grid = _grid_of(segmentation, read_grids(sources), stack)
    read = read_sources([sources[file] for file in grid.files])
    return write_seg_on(
        segmentation,
        read,
        grid=grid,
        identity=identity,
        is_manual=is_manual,
        tracking_uids=tracking_uids,
    )


def write_seg_on(
    segmentation: Segmentation,
    sources: Sources,
    *,
    grid: SeriesGrid,
    identity: ResultIdentity,
    is_manual: bool,
    tracking_uids: Mapping[str, str] | None = None,
) -> bytes:
    """Write a mask as `write_seg` does, on images whose headers were read before.

    Args:
        segmentation: on `grid`, or that grid with its axes swapped or flipped.
        sources: the images of `grid`, in its order.
        grid: where their frames lie.
        identity: names the object and what made it.
        is_manual: a reader drew it, rather than a model.
        tracking_uids: by class name; those not given follow from the instance and the name.

    Raises:
        BadFile: The mask lies on another grid.
        NotDicom: A source is broken.
    """
    mask = align_to_grid(segmentation, grid.geometry).mask
    described = _describe_segments(segmentation.classes, identity, is_manual=is_manual)
    for segment in described:
        name = segment.SegmentLabel
        derived = derived_uid(identity.instance_uid, name)
        segment.TrackingID, segment.TrackingUID = name, (tracking_uids or {}).get(name, derived)
    placed = _place(mask, sources.images, grid)
    with broken_values_are_not_dicom("write the segmentation"):
        dataset = _segmentation(placed, described, identity)
        if _is_projection(placed.images[0]):
            dataset.PatientOrientation = placed.images[0].get("PatientOrientation")
        dataset.ContentCreatorName = identity.author if is_manual else ""
        _fix_dimension_uid(dataset, derived_uid(identity.instance_uid, "dimensions"))
    return to_bytes(dataset, sources, identity)


def read_seg(content: bytes, geometry: Geometry) -> Segmentation:
    """Read a segmentation onto the grid it was drawn on; no voxel is interpolated.

    Raises:
        NotDicom: The file is broken.
        BadFile: No BINARY or LABELMAP segmentation, or a frame lies beside the grid.
    """
    dataset = _open(content, with_pixels=True)
    origin = _origin(dataset)
    with broken_values_are_not_dicom("read the segmentation"):
        numbers = [int(segment.SegmentNumber) for segment in dataset.SegmentSequence]
        frames = pixel_array(io.BytesIO(content), raw=True)
        frames = frames.reshape(-1, dataset.Rows, dataset.Columns)
        groups = dataset.PerFrameFunctionalGroupsSequence
        shared = dataset.SharedFunctionalGroupsSequence[0]
        is_labelmap = dataset.SegmentationType == "LABELMAP"
        mask = np.zeros(geometry.shape, dtype=np.uint8)
        for frame, group in zip(frames, groups, strict=True):
            place = _place_of(group, shared, geometry)
            for number in (
                np.unique(frame[frame > 0]) if is_labelmap else (_segment_of(group, shared),)
            ):
                pixels = frame == number if is_labelmap else frame > 0
                _draw(mask, pixels, place, value=numbers.index(number) + 1)
    return Segmentation(mask=mask, geometry=geometry, classes=origin.classes, author=origin.author)


def read_seg_origin(content: bytes) -> SegOrigin:
    """Read who made a segmentation, of which classes and on which series.

    Raises:
        NotDicom: The file is broken.
        BadFile: No BINARY or LABELMAP segmentation.
    """
    return _origin(_open(content, with_pixels=False))


def _segmentation(
    placed: "_Placed", described: list[hd.seg.SegmentDescription], identity: ResultIdentity
) -> hd.seg.Segmentation:
    return hd.seg.Segmentation(
        source_images=placed.images,
        pixel_array=placed.pixels,
        plane_positions=placed.positions,
        pixel_measures=_tile_measures(placed),
        omit_empty_frames=placed.omits_empty,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=identity.series_uid,
        series_number=identity.series_number,
        sop_instance_uid=identity.instance_uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=identity.author[:64],
        software_versions=identity.model_version or software_version(),
        device_serial_number=identity.model_digest or software_version(),
        content_label="SEGMENTATION",
        content_description=marked(identity.series_description, identity),
        contributing_equipment=[equipment(identity)],
    )


def _is_projection(image: pydicom.Dataset) -> bool:
    """Tell whether an image has no place in the patient, as X-rays have none."""
    return all(
        name not in image for name in ("ImagePositionPatient", "SharedFunctionalGroupsSequence")
    )


def _describe_segments(
    classes: Sequence[str], identity: ResultIdentity, *, is_manual: bool
) -> list[hd.seg.SegmentDescription]:
    algorithm = None
    if not is_manual:
        algorithm = hd.AlgorithmIdentificationSequence(
            name=identity.author,
            family=codes.DCM.ArtificialIntelligence,
            version=identity.model_version or "unversioned",
            source=MANUFACTURER,
        )
    return [
        _describe_segment(number, name, algorithm) for number, name in enumerate(classes, start=1)
    ]


def _describe_segment(
    number: int, name: str, algorithm: hd.AlgorithmIdentificationSequence | None
) -> hd.seg.SegmentDescription:
    meaning = meaning_of(name)
    automatic = hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC
    segment = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=meaning.category,
        segmented_property_type=meaning.kind,
        algorithm_type=automatic if algorithm else hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        algorithm_identification=algorithm,
        display_color=hd.color.CIELabColor.from_rgb(*_COLOURS[(number - 1) % len(_COLOURS)]),
    )
    if meaning.modifier:
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        modifier = hd.sr.CodedConcept.from_code(meaning.modifier)
        kind.SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return segment


def _grid_of(
    segmentation: Segmentation, grids: Sequence[SeriesGrid], stack: str | None
) -> SeriesGrid:
    """Choose the volume of a series that a mask was drawn on."""
    named = [grid for grid in grids if stack in {None, grid.name}]
    if not named:
        raise UnsoundSeries(
            f"the series has no volume {stack!r}",
            hint=f"It has: {'; '.join(grid.name or 'one' for grid in grids)}.",
        )
    for grid in named[:-1]:
        with contextlib.suppress(BadFile):
            align_to_grid(segmentation, grid.geometry)
            return grid
    return named[-1]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Placed:
    """Frames paired with the images they were drawn on, as highdicom asks.

    Attributes:
        positions: of the frames, where they are not one to one those of the images.
    """

    images: list[pydicom.FileDataset]
    pixels: Mask
    positions: list[hd.PlanePositionSequence] | None = None
    omits_empty: bool = True


def _place(mask: Mask, images: list[pydicom.FileDataset], grid: SeriesGrid) -> _Placed:
    if len(images) not in {1, len(grid.frames)}:
        raise UnsoundSeries(
            "a volume made of several multi-frame images",
            hint="A Segmentation refers to one multi-frame image; split the series.",
        )
    for image in images:
        _complete(image, thickness_mm=grid.geometry.spacing_mm[0])
    if not mask.any():
        origin = hd.PlanePositionSequence("PATIENT", grid.geometry.matrix[:3, 3].tolist())
        return _Placed(
            images=images[:1],
            pixels=np.zeros_like(mask[:1]),
            positions=None if _is_projection(images[0]) else [origin],
            omits_empty=False,
        )
    if len(images) > 1:
        return _Placed(images=images, pixels=mask)
    frames = [frame for _, frame in grid.frames]
    if sorted(frames) == list(range(int(images[0].get("NumberOfFrames") or 1))):
        return _Placed(images=images, pixels=mask[np.argsort(frames)])
    # Some of the frames of an enhanced image, or the tiles of a mosaic.
    affine = grid.geometry.matrix
    corners = affine[:3, 3] + np.outer(np.arange(len(mask)), affine[:3, 0])
    positions = [hd.PlanePositionSequence("PATIENT", corner.tolist()) for corner in corners]
    return _Placed(images=images, pixels=mask, positions=positions)


def _tile_measures(placed: _Placed) -> hd.PixelMeasuresSequence | None:
    """What highdicom cannot take from a mosaic, whose image is larger than its slices."""
    image = placed.images[0]
    if (image.Rows, image.Columns) == placed.pixels.shape[1:]:
        return None
    return hd.PixelMeasuresSequence(
        pixel_spacing=[float(length) for length in image.PixelSpacing],
        slice_thickness=float(image.SliceThickness),
        spacing_between_slices=float(image.SpacingBetweenSlices),
    )


def _complete(image: pydicom.FileDataset, *, thickness_mm: float) -> None:
    """Add what highdicom looks for, and scanners and archives leave out or put elsewhere."""
    if not image.get("SliceThickness"):
        image.SliceThickness = thickness_mm
    frames = image.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        return
    shared = image.setdefault("SharedFunctionalGroupsSequence", [pydicom.Dataset()])
    for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        if name in frames[0]:
            setattr(shared.value[0], name, frames[0][name].value)


def _fix_dimension_uid(dataset: pydicom.Dataset, uid: str) -> None:
    """Replace a random UID, so that the same result gives the same bytes."""
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid


def _open(content: bytes, *, with_pixels: bool) -> pydicom.FileDataset:
    dataset = open_dataset(content, with_pixels=with_pixels)
    with broken_values_are_not_dicom("read the segmentation"):
        kind = str(dataset.get("SegmentationType", ""))
        storage = str(dataset.get("SOPClassUID", ""))
    if storage not in _STORAGES or kind not in {"BINARY", "LABELMAP"}:
        raise BadFile(
            f"no segmentation with whole voxels (its type is {kind or 'missing'})",
            hint="Give a DICOM Segmentation of type BINARY or LABELMAP.",
        )
    return dataset


def _origin(dataset: pydicom.FileDataset) -> SegOrigin:
    with broken_values_are_not_dicom("read who made the segmentation"):
        segments = list(dataset.SegmentSequence)
        is_manual = all(segment.SegmentAlgorithmType == "MANUAL" for segment in segments)
        author = str(dataset.get("ContentCreatorName") or "")
        version = ""
        if not is_manual:
            author = str(segments[0].get("SegmentAlgorithmName", author))
            algorithms = segments[0].get("SegmentationAlgorithmIdentificationSequence")
            version = str(algorithms[0].get("AlgorithmVersion", "")) if algorithms else ""
        referenced = dataset.get("ReferencedSeriesSequence") or [pydicom.Dataset()]
        return SegOrigin(
            author=author,
            is_manual=is_manual,
            model_version=version,
            source_series_uid=str(referenced[0].get("SeriesInstanceUID", "")),
            classes=tuple(_class_name(segment) for segment in segments),
            tracking_uids=tuple(str(segment.get("TrackingUID", "")) for segment in segments),
        )


def _class_name(segment: pydicom.Dataset) -> str:
    kind = segment.SegmentedPropertyTypeCodeSequence[0]
    return str(segment.get("SegmentLabel") or kind.get("CodeMeaning") or segment.SegmentNumber)


def _segment_of(group: pydicom.Dataset, shared: pydicom.Dataset) -> int:
    segment = _functional_group("SegmentIdentificationSequence", group, shared)
    return int(segment.ReferencedSegmentNumber)


def _place_of(group: pydicom.Dataset, shared: pydicom.Dataset, geometry: Geometry) -> Affine:
    """Return the matrix from (0, row, column, 1) of one frame to indices of the grid."""
    is_placed = any("PlanePositionSequence" in each for each in (group, shared))
    if geometry.shape[0] == 1 and not is_placed:
        # What was drawn on a projection, which has no place in the patient, lies on its pixels.
        return np.eye(4)
    return np.asarray(np.linalg.inv(geometry.matrix) @ _frame_affine(group, shared))


def _frame_affine(group: pydicom.Dataset, shared: pydicom.Dataset) -> Affine:
    """Return the matrix from (0, row, column, 1) of one frame to LPS mm."""
    measures = _functional_group("PixelMeasuresSequence", group, shared)
    orientation = _functional_group("PlaneOrientationSequence", group, shared)
    position = _functional_group("PlanePositionSequence", group, shared)
    directions = np.array(orientation.ImageOrientationPatient, dtype=np.float64)
    spacing = [float(length) for length in measures.PixelSpacing]
    affine = np.zeros((4, 4))
    affine[:3, 1] = directions[3:] * spacing[0]
    affine[:3, 2] = directions[:3] * spacing[1]
    affine[:3, 3] = position.ImagePositionPatient
    affine[3, 3] = 1.0
    return affine


def _functional_group(name: str, *groups: pydicom.Dataset) -> pydicom.Dataset:
    for group in groups:
        if name in group:
            found: pydicom.Dataset = group[name].value[0]
            return found
    raise BadFile(
        f"a frame of the segmentation has no {name}",
        hint="The object is incomplete; export it again.",
    )


def _draw(mask: Mask, pixels: npt.NDArray[np.bool_], place: Affine, *, value: int) -> None:
    """Set the voxels that one frame covers; `place` maps its pixels to indices of the mask."""
    rows, columns = np.nonzero(pixels)
    if not len(rows):
        return
    exact = np.stack([np.zeros_like(rows), rows, columns, np.ones_like(rows)], axis=1) @ place.T
    indices = np.rint(exact[:, :3]).astype(np.int64)
    is_beside = np.abs(exact[:, :3] - indices).max() > _OFF_GRID_SHARE
    if is_beside or (indices < 0).any() or (indices >= mask.shape).any():
        raise BadFile(
            "a frame of the segmentation lies beside the grid of the series",
            hint="It was drawn on another series, or on a resampled copy.",
        )
    before = mask[tuple(indices.T)]
    if ((before != 0) & (before != value)).any():
        raise BadFile(
            "two segments cover the same voxel", hint="Store overlapping classes one a file."
        )
    mask[tuple(indices.T)] = value
