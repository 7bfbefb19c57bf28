"""Clearing the face from the instances of a de-identified series."""

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydicom.sr.codedict import codes

from sightline.deid.attributes import sequence_tags
from sightline.deid.codes import coded_item
from sightline.deid.dataset import Dataset, Element, ParsedFile, read_file, write_dataset
from sightline.deid.defacing import cleared, face_mask
from sightline.deid.faces import RECOGNIZABLE_VISUAL_FEATURES
from sightline.deid.head_place import unsure
from sightline.deid.solids import Solid
from sightline.engines.limited import Limits
from sightline.errors import UnsoundSeries
from sightline.formats.dicom_elements import DEFLATED
from sightline.formats.dicom_file import part10
from sightline.formats.dicom_image import SeriesGrid, SeriesVolumes, decode_volumes
from sightline.values.arrays import Voxels
from sightline.values.study import DeidentifiedInstance
from sightline.values.volume import Volume

CLEANED = codes.DCM.CleanRecognizableVisualFeaturesOption

_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_UNCOMPRESSED = frozenset({_IMPLICIT, _EXPLICIT, _BIG_ENDIAN, DEFLATED})
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_METHOD_CODES = 0x00120064
_FRAMES, _ROWS, _COLUMNS = 0x00280008, 0x00280010, 0x00280011
_BITS_STORED, _HIGH_BIT, _PIXEL_DATA = 0x00280101, 0x00280102, 0x7FE00010
_OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002})


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Defaced:
    """A series that shows no face any more.

    Attributes:
        contents: whole Part 10 files, in the order in which they were given.
        changed: how many of them lost pixels; 0 where no face stood.
    """

    contents: tuple[bytes, ...]
    changed: int


def remove_faces(
    instances: Sequence[DeidentifiedInstance],
) -> tuple[DeidentifiedInstance, ...]:
    """Clear the face from the instances of one series; the same instances give the same bytes.

    They keep their UIDs, so that what refers to them still does.

    Raises:
        Refused: It is not certain where face and brain lie.
        BadFile: The series is no volume, is broken, or wants too much to be decoded.
    """
    defaced = without_face([instance.content for instance in instances])
    return tuple(
        dataclasses.replace(instance, content=content)
        for instance, content in zip(instances, defaced.contents, strict=True)
    )


def without_face(contents: Sequence[bytes]) -> Defaced:
    """Clear the face from the files of one de-identified series, and mark them as free of it.

    Pixels are decoded in a limited child. A file without a cleared voxel keeps its pixels byte for
    byte; a compressed one that loses voxels is written uncompressed (Explicit VR Little Endian).

    Raises:
        Refused: It is not certain where face and brain lie.
        BadFile: The series is no volume, is broken, or wants too much to be decoded.
    """
    parsed = [read_file(content, sequence_tags()) for content in contents]
    frames = sum(_frame_count(each) for each in parsed)
    limits = Limits.for_bytes(sum(map(len, contents)), frames=frames)
    series = limits.call(decode_volumes, tuple(contents))
    if series.refused:
        raise unsure(f"a part of the series is no volume ({series.refused[0].text})")
    pixels = _cleared_frames(series)
    _check_whole(parsed, series.grids)
    written = tuple(
        _written(each, _pixels_of(number, series, pixels)) for number, each in enumerate(parsed)
    )
    return Defaced(contents=written, changed=len({file for file, _ in pixels}))


def _cleared_frames(series: SeriesVolumes) -> dict[tuple[int, int], Voxels]:
    """Return the pixels of the frames that lose some, by file and frame."""
    masks: dict[object, Solid | None] = {}
    changed: dict[tuple[int, int], Voxels] = {}
    for volume, grid in zip(series.volumes, series.grids, strict=True):
        # Echoes and time points share their grid, and their head.
        if volume.geometry not in masks:
            masks[volume.geometry] = face_mask(volume)
        mask = masks[volume.geometry]
        if mask is not None:
            changed |= _changed(volume, grid, mask)
    return changed


def _changed(volume: Volume, grid: SeriesGrid, mask: Solid) -> dict[tuple[int, int], Voxels]:
    voxels = cleared(volume, mask)
    return {
        place: slice_
        for place, slice_, part in zip(grid.frames, voxels, mask, strict=True)
        if part.any()
    }


def _check_whole(parsed: Sequence[ParsedFile], grids: Sequence[SeriesGrid]) -> None:
    """Refuse files whose planes are not the frames of the volume, as tiles of a mosaic are not."""
    sizes = {grid.files[0]: grid.geometry.shape[1:] for grid in grids}
    for file, size in sizes.items():
        if (_short(parsed[file], _ROWS), _short(parsed[file], _COLUMNS)) != size:
            raise unsure("the series is a mosaic")


def _pixels_of(
    file: int, series: SeriesVolumes, changed: Mapping[tuple[int, int], Voxels]
) -> Voxels | None:
    """Return (frames, rows, columns) of a file; None where nothing of it changes."""
    if not any(place[0] == file for place in changed):
        return None
    frames = {
        frame: changed.get((owner, frame), slice_)
        for volume, grid in zip(series.volumes, series.grids, strict=True)
        for (owner, frame), slice_ in zip(grid.frames, volume.voxels, strict=True)
        if owner == file
    }
    if sorted(frames) != list(range(len(frames))):
        raise UnsoundSeries(
            "the series is no volume: frames are missing", hint="Leave the series out."
        )
    return np.stack([frames[number] for number in range(len(frames))])


def _written(parsed: ParsedFile, pixels: Voxels | None) -> bytes:
    syntax = parsed.transfer_syntax_uid
    elements = parsed.elements | {RECOGNIZABLE_VISUAL_FEATURES: Element("CS", b"NO")}
    if pixels is not None:
        syntax = syntax if syntax in _UNCOMPRESSED else _EXPLICIT
        elements |= _pixel_elements(parsed, pixels)
        for tag in _OFFSET_TABLES & elements.keys():
            del elements[tag]
        elements[_METHOD_CODES] = _with_option(elements)
    return part10(
        *write_dataset(elements, syntax),
        sop_class_uid=_text(elements, _SOP_CLASS),
        sop_instance_uid=_text(elements, _SOP_INSTANCE),
        transfer_syntax_uid=syntax,
    )


def _pixel_elements(parsed: ParsedFile, pixels: Voxels) -> Dataset:
    """Return pixel data and the place of its bits, which decoding moved to the lowest."""
    order: Literal["<", ">"] = "<" if parsed.encoding.is_little else ">"
    # PS3.5 A.2: native pixels of one byte are OB here, longer ones OW.
    vr = "OB" if pixels.dtype.itemsize == 1 else "OW"
    high = struct.pack(order + "H", _short(parsed, _BITS_STORED) - 1)
    return {
        _HIGH_BIT: Element("US", high),
        _PIXEL_DATA: Element(vr, pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()),
    }


def _with_option(elements: Dataset) -> Element:
    """Add the option to the methods that the door named (PS3.15 E.3.10, CID 7050)."""
    known = elements.get(_METHOD_CODES)
    items = (known.items if known else None) or ()
    option = coded_item(CLEANED)
    return Element("SQ", b"", items if option in items else (*items, option))


def _short(parsed: ParsedFile, tag: int) -> int:
    element = parsed.elements.get(tag)
    value = bytes(element.value)[:2] if element else b""
    return int(struct.unpack(parsed.encoding.order + "H", value)[0]) if len(value) > 1 else 0


def _frame_count(parsed: ParsedFile) -> int:
    said = _text(parsed.elements, _FRAMES)
    return max(1, int(said)) if said.isdigit() else 1


def _text(elements: Dataset, tag: int) -> str:
    element = elements.get(tag)
    return bytes(element.value).decode("latin-1").strip("\0 ") if element else ""
