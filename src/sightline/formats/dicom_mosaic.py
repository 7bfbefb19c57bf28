"""Siemens mosaics: the slices of one volume laid out in one image, said by the CSA header alone."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from sightline.formats.csa_header import read_csa
from sightline.formats.dicom_attributes import Attributes
from sightline.formats.dicom_elements import Element, Elements
from sightline.formats.dicom_frame import (
    Frame,
    facts_of_single,
    label_of,
    place_of,
    place_of_single,
    rescale_of_single,
    size_of,
)
from sightline.formats.dicom_grid import unsound
from sightline.values.arrays import Voxels

_INSTANCE_NUMBER, _SPACING_BETWEEN_SLICES = 0x00200013, 0x00180088
_WANTED = frozenset({"NumberOfImagesInMosaic", "SliceNormalVector"})
_MOST_SLICES = 1024
_ASK = "Send the series as the scanner wrote it, or converted to enhanced MR."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mosaic:
    """How the slices lie in the image.

    Attributes:
        tiles: along each side.
    """

    slices: int
    tiles: int
    frames: tuple[Frame, ...]

    def cut(self, image: Voxels) -> Voxels:
        """Cut (1, rows, columns) into (slices, rows, columns)."""
        _, rows, columns = image.shape
        tiled = image.reshape(self.tiles, rows // self.tiles, self.tiles, columns // self.tiles)
        tiles = tiled.transpose(0, 2, 1, 3)
        return tiles.reshape(-1, rows // self.tiles, columns // self.tiles)[: self.slices]


def open_mosaic(elements: Elements, found: Sequence[Element], *, pixel_type: str) -> Mosaic:
    """Describe the slices of a mosaic.

    The position that the image gives is that of a plane as large as the whole mosaic around the
    centre of the first slice.

    Raises:
        UnsoundSeries: The CSA header is not there or does not say how the slices lie.
        NotDicom: The CSA header is broken.
    """
    attributes = Attributes.of(elements, found)
    label = label_of(attributes)
    tag = attributes.private(0x0029, "SIEMENS CSA HEADER", 0x10)
    header = next((elements.value(each) for each in found if each.tag == tag), None)
    count, normal = _said_by_csa(header, label)
    tiles = math.ceil(math.sqrt(count))
    rows, columns = size_of(attributes)
    spacing = attributes.numbers(_SPACING_BETWEEN_SLICES, 1)
    if rows % tiles or columns % tiles or not spacing:
        raise unsound(
            f"{label} is a mosaic of {count} slices, {rows} x {columns} pixels, that lie "
            f"{spacing[0] if spacing else 'unknown'} mm apart",
            _ASK,
        )
    size = (rows // tiles, columns // tiles)
    whole = place_of(label, place_of_single(attributes), size)
    steps = np.outer(np.arange(count), np.array(normal) * spacing[0])
    corner = (
        np.array(whole.position)
        + np.array(whole.along_row) * whole.spacing_mm[1] * (columns - size[1]) / 2
        + np.array(whole.along_column) * whole.spacing_mm[0] * (rows - size[0]) / 2
    )
    rescale, facts = rescale_of_single(attributes), facts_of_single(attributes)
    number = attributes.integer(_INSTANCE_NUMBER)
    frames = tuple(
        Frame(
            plane=dataclasses.replace(
                whole,
                label=f"slice {index + 1} of {label}",
                position=(float(x), float(y), float(z)),
                thickness_mm=abs(spacing[0]),
            ),
            rescale=rescale,
            facts=facts,
            pixel_type=pixel_type,
            number=None if number is None else (number, index + 1),
        )
        for index, (x, y, z) in enumerate(corner + steps)
    )
    return Mosaic(slices=count, tiles=tiles, frames=frames)


def _said_by_csa(header: bytes | None, label: str) -> tuple[int, tuple[float, ...]]:
    if header is None:
        raise unsound(
            f"{label} is a mosaic of many slices, and the CSA header (0029,xx10) that says how "
            "they lie is not there",
            _ASK,
        )
    said = read_csa(header, _WANTED)
    counts, normal = said.get("NumberOfImagesInMosaic", ()), said.get("SliceNormalVector", ())
    try:
        count, direction = int(counts[0]), tuple(float(part) for part in normal)
    except (IndexError, ValueError):
        count, direction = 0, ()
    if not 1 <= count <= _MOST_SLICES or not math.isclose(math.hypot(*direction), 1, abs_tol=1e-3):
        raise unsound(f"{label} is a mosaic whose CSA header does not say how it lies", _ASK)
    return count, direction
