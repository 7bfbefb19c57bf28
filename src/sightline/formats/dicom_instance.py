"""One image file of a series: its frames, described; and its pixels, decoded when asked for."""

import dataclasses
import io

import numpy as np
from pydicom.pixels.utils import pixel_array

from sightline.errors import NotDicom
from sightline.formats.dicom_attributes import Attributes
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset
from sightline.formats.dicom_elements import DEFLATED, Element, open_elements
from sightline.formats.dicom_enhanced import enhanced_frames
from sightline.formats.dicom_frame import (
    Frame,
    brighter_is_denser,
    facts_of_single,
    label_of,
    philips_scale_of_single,
    place_of,
    place_of_projection,
    place_of_single,
    rescale_of_single,
    size_of,
)
from sightline.formats.dicom_grid import unsound
from sightline.formats.dicom_mosaic import Mosaic, open_mosaic
from sightline.values.arrays import Voxels

_IMAGE_TYPE, _SOP_CLASS_UID = 0x00080008, 0x00080016
_INSTANCE_NUMBER, _NUMBER_OF_FRAMES = 0x00200013, 0x00280008
_SAMPLES_PER_PIXEL, _BITS_ALLOCATED, _BITS_STORED = 0x00280002, 0x00280100, 0x00280101
_HIGH_BIT, _PIXEL_REPRESENTATION = 0x00280102, 0x00280103
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
# Computed and digital radiography, mammography and intra-oral X-rays (PS3.4 B.5).
_PROJECTIONS = frozenset(
    f"1.2.840.10008.5.1.4.1.1.1{kind}" for kind in ("", ".1", ".1.1", ".2", ".2.1", ".3", ".3.1")
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One file, described but not decoded.

    Attributes:
        frames: one a plane; of a mosaic, one a tile.
    """

    content: bytes
    transfer_syntax_uid: str
    attributes: Attributes
    pixels: Element
    dtype: np.dtype[np.integer]
    frames: tuple[Frame, ...]
    mosaic: Mosaic | None = None

    def decode(self) -> Voxels:
        """Return (frames, rows, columns), the significant bits of each pixel.

        Raises:
            NotDicom: The pixels are broken, or fewer than the header says.
        """
        shape = (1 if self.mosaic else len(self.frames), *size_of(self.attributes))
        if self.transfer_syntax_uid in _NATIVE_LITTLE:
            stored = self._native(shape)
        else:
            stored = self._decompressed(shape)
        values = _significant(stored, self.attributes)
        return self.mosaic.cut(values) if self.mosaic else values

    def _native(self, shape: tuple[int, ...]) -> Voxels:
        count = int(np.prod(shape, dtype=np.int64))
        if count * self.dtype.itemsize > self.pixels.length:
            raise NotDicom(
                f"{shape} pixels do not fit {self.pixels.length} bytes",
                hint="The file is broken; ask the sender for it again.",
            )
        little = self.dtype.newbyteorder("<")
        values = np.frombuffer(self.content, little, count, self.pixels.start)
        return values.reshape(shape)

    def _decompressed(self, shape: tuple[int, ...]) -> Voxels:
        # pydicom looks for pixels in a file, and in a deflated one finds none.
        is_deflated = self.transfer_syntax_uid == DEFLATED
        source = (
            open_dataset(self.content, with_pixels=True)
            if is_deflated
            else io.BytesIO(self.content)
        )
        with broken_values_are_not_dicom("decode the pixels"):
            decoded: Voxels = pixel_array(source, raw=True)
            values = decoded.reshape(shape)
        if not np.can_cast(values.dtype, self.dtype):
            raise NotDicom(
                f"the pixels are {values.dtype}, the header says {self.dtype}",
                hint="The file is broken; ask the sender for it again.",
            )
        return values.astype(self.dtype, copy=False)


def open_instance(content: bytes) -> Instance:
    """Describe an image file without decoding its pixels.

    Raises:
        UnsoundSeries: It is no image that lies in space; the problem says why.
        NotDicom: It is broken.
    """
    elements = open_elements(content)
    found = list(elements)
    attributes = Attributes.of(elements, found)
    pixels = next((element for element in found if element.tag == _PIXEL_DATA), None)
    if pixels is None or attributes.text(_SOP_CLASS_UID) in _NO_IMAGES:
        raise unsound("it holds an object that is no image", "Give an image series.")
    if attributes.short(_SAMPLES_PER_PIXEL) != 1:
        raise unsound(
            f"its images are in colour ({label_of(attributes)})", "A volume has one value a voxel."
        )
    dtype = _dtype(attributes)
    mosaic = None
    if "MOSAIC" in attributes.text(_IMAGE_TYPE):
        mosaic = open_mosaic(elements, found, pixel_type=dtype.name)
        frames = mosaic.frames
    elif attributes.has(_PER_FRAME):
        frames = enhanced_frames(content, attributes, dtype.name)
    else:
        frames = (_single_frame(attributes, dtype.name),)
    return Instance(
        content=content,
        transfer_syntax_uid=elements.transfer_syntax_uid,
        attributes=attributes,
        pixels=pixels,
        dtype=dtype,
        frames=frames,
        mosaic=mosaic,
    )


def _single_frame(attributes: Attributes, pixel_type: str) -> Frame:
    if (attributes.integer(_NUMBER_OF_FRAMES) or 1) > 1:
        raise unsound(
            f"{label_of(attributes)} is a multi-frame image without positions",
            "Only enhanced images have them.",
        )
    number = attributes.integer(_INSTANCE_NUMBER)
    size = size_of(attributes)
    place, rescale = place_of_single(attributes), rescale_of_single(attributes)
    if attributes.text(_SOP_CLASS_UID) in _PROJECTIONS:
        place = place_of_projection(attributes)
        rescale = brighter_is_denser(attributes, rescale)
    return Frame(
        plane=place_of(label_of(attributes), place, size),
        rescale=rescale,
        facts=facts_of_single(attributes),
        pixel_type=pixel_type,
        number=None if number is None else (number, 1),
        philips_scale=philips_scale_of_single(attributes),
    )


def _dtype(attributes: Attributes) -> np.dtype[np.integer]:
    bits = attributes.short(_BITS_ALLOCATED)
    if bits not in {8, 16, 32}:
        raise unsound(f"{label_of(attributes)} has {bits} bits a pixel", "Images have 8, 16 or 32.")
    sign = "i" if attributes.short(_PIXEL_REPRESENTATION) == 1 else "u"
    return np.dtype(f"{sign}{bits // 8}")


def _significant(values: Voxels, attributes: Attributes) -> Voxels:
    """Keep the stored bits (PS3.5 8.1.1): beside them old images hold overlays, or no sign."""
    allocated = values.dtype.itemsize * 8
    stored = attributes.short(_BITS_STORED) or allocated
    high = attributes.short(_HIGH_BIT)
    shift = (stored - 1 if high is None else high) - (stored - 1)
    if not (0 < stored <= allocated and 0 <= shift <= allocated - stored):
        raise NotDicom(
            f"{stored} bits stored below bit {high} of {allocated}",
            hint="The file is broken; ask the sender for it again.",
        )
    if shift == 0 and (stored == allocated or _fits(values, stored)):
        return values
    unused = allocated - stored
    native = values.astype(values.dtype.newbyteorder("="))
    return (native << (unused - shift)) >> unused


def _fits(values: Voxels, bits: int) -> bool:
    is_signed = values.dtype.kind == "i"
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    return bool(values.size == 0 or (values.max() <= highest and values.min() >= lowest))
