"""One instance for the web: the DICOM JSON model (PS3.18 annex F) and its frames as stored."""

import dataclasses
import math
from collections.abc import Iterable
from typing import TypeAlias, cast

import numpy as np
import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.encaps import generate_frames
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from sightline.errors import NotDicom
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset
from sightline.formats.dicom_elements import PIXEL_DATA

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | None

_BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_REAL_VRS = frozenset({"DS", "FD", "FL"})
_INLINE_BYTES = 1024
# PS3.19 table A.1.5-2 lets texts of these VRs be bulk data, too.
_LONG_TEXT_VRS = frozenset({"LT", "ST", "UC", "UT"})
_INLINE_TEXT_BYTES = 64 * 1024
# File meta, and the padding after the last element.
_LEFT_OUT_GROUPS = frozenset({0x0002, 0xFFFC})
# No VR that the dictionary leaves open, and none that holds a long value.
_PLAIN_VRS = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL"}
    | {"SS", "ST", "TM", "UI", "UL", "UR", "US"}
)
_ALIKE_BYTES = 256
_MOST_KNOWN = 8192
_KNOWN: dict[tuple[object, ...], Json] = {}
"""How elements were described lately, by their bytes."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Frames:
    """The frames of one instance, not decoded.

    Attributes:
        transfer_syntax_uid: of these frames; uncompressed ones are always little endian.
        frames: in order; one-bit frames each begin on a byte.
    """

    transfer_syntax_uid: str
    frames: tuple[bytes, ...]


def read_metadata(content: bytes, bulk_root: str) -> dict[str, Json]:
    """Describe one instance in the DICOM JSON model, without file meta.

    Long binary values and the pixels become a `BulkDataURI`: `bulk_root/PATH`, of which
    `read_bulk` resolves the PATH.

    Raises:
        NotDicom: The file is broken.
    """
    dataset = open_dataset(content, with_pixels=True)
    pixels: dict[str, Json] = {}
    for tag in PIXEL_DATA & dataset.keys():
        name = f"{tag:08X}"
        vr = str(dataset.get_item(tag).VR)
        known = vr if vr in _BINARY_VRS else "OW"
        pixels[name] = {"vr": known, "BulkDataURI": f"{bulk_root}/{name}"}
        # Not `del`: it would convert the value first.
        dataset.pop(tag)
    with broken_values_are_not_dicom("describe the instance"):
        return _describe(dataset, bulk_root) | pixels


def read_bulk(content: bytes, path: str) -> bytes:
    """Return the binary value that a `BulkDataURI` of `read_metadata` names.

    `path` is what follows `bulk_root/`, such as `00281201` or `00089215/0/00420011`.

    Raises:
        NotDicom: The file is broken, or holds no binary value there.
    """
    *places, tag = path.split("/")
    dataset: pydicom.Dataset = open_dataset(content, with_pixels=True)
    with broken_values_are_not_dicom("find the value"):
        for sequence, item in zip(places[::2], places[1::2], strict=True):
            dataset = dataset[int(sequence, 16)].value[int(item)]
        # As in `_describe_tag`.
        raw = cast("DataElement | RawDataElement", dataset.get_item(int(tag, 16)))
        if isinstance(raw, RawDataElement) and _is_long_text(raw):
            return raw.value or b""
        value = dataset[int(tag, 16)].value
    if not isinstance(value, bytes):
        raise NotDicom(
            "the value is not binary", hint="Ask for a BulkDataURI that the metadata names."
        )
    return value


def read_frames(content: bytes) -> Frames:
    """Split the pixel data into frames as stored; compressed frames stay compressed.

    Raises:
        NotDicom: The file is broken, or holds no pixels.
    """
    dataset = open_dataset(content, with_pixels=True)
    if "PixelData" not in dataset:
        raise NotDicom("the instance holds no pixels", hint="Ask for frames of images only.")
    with broken_values_are_not_dicom("split the frames"):
        syntax = UID(dataset.file_meta.TransferSyntaxUID)
        count = int(dataset.get("NumberOfFrames") or 1)
        if syntax.is_compressed and not syntax.is_deflated:
            frames = tuple(generate_frames(dataset.PixelData, number_of_frames=count))
            return Frames(transfer_syntax_uid=str(syntax), frames=frames)
        frames = tuple(_native_frames(dataset, count))
        return Frames(transfer_syntax_uid=str(ExplicitVRLittleEndian), frames=frames)


def _native_frames(dataset: pydicom.FileDataset, count: int) -> Iterable[bytes]:
    pixels: bytes = dataset.PixelData
    values = dataset.Rows * dataset.Columns * dataset.get("SamplesPerPixel", 1)
    bits: int = dataset.BitsAllocated
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        values = values * 2 // 3
    if values <= 0 or count * values * bits > len(pixels) * 8:
        raise NotDicom(
            f"{count} frames of {values} values do not fit {len(pixels)} bytes",
            hint="The file is broken; ask the sender for it again.",
        )
    if bits == 1:
        flags = np.unpackbits(np.frombuffer(pixels, np.uint8), bitorder="little")
        rows = flags[: count * values].reshape(count, values)
        return (row.tobytes() for row in np.packbits(rows, axis=1, bitorder="little"))
    length = values * bits // 8
    if not dataset.original_encoding[1] and dataset["PixelData"].VR == "OW":
        # PS3.5 8.1.1: other words of two bytes, even where a sample is one byte.
        word = max(2, bits // 8)
        whole = len(pixels) // word * word
        pixels = np.frombuffer(pixels[:whole], f">u{word}").astype(f"<u{word}").tobytes()
    return (pixels[start : start + length] for start in range(0, count * length, length))


def _describe(dataset: pydicom.Dataset, uri: str) -> dict[str, Json]:
    return {
        f"{tag:08X}": _describe_tag(dataset, tag, uri)
        for tag in sorted(dataset.keys())
        if tag.group not in _LEFT_OUT_GROUPS
    }


def _describe_tag(dataset: pydicom.Dataset, tag: BaseTag, uri: str) -> Json:
    """Describe an element; most of a series are alike from one instance to the next."""
    # Its annotation hides that what was not looked at yet comes raw.
    raw = cast("DataElement | RawDataElement", dataset.get_item(tag))
    if isinstance(raw, RawDataElement) and _is_long_text(raw):
        return {"vr": str(raw.VR), "BulkDataURI": f"{uri}/{tag:08X}"}
    if not isinstance(raw, RawDataElement) or not _is_alike(raw):
        return _describe_element(dataset[tag], uri)
    charset = dataset.original_character_set
    key = (int(tag), raw.VR, raw.value, raw.is_little_endian, str(charset))
    known = _KNOWN.get(key)
    if known is None:
        known = _describe_element(dataset[tag], uri)
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = known
    return known


def _is_long_text(raw: RawDataElement) -> bool:
    return raw.VR in _LONG_TEXT_VRS and len(raw.value or b"") > _INLINE_TEXT_BYTES


def _is_alike(raw: RawDataElement) -> bool:
    """Tell whether the value and its VR alone decide how the element is described."""
    return (
        raw.VR in _PLAIN_VRS
        and raw.value is not None
        and len(raw.value) <= _ALIKE_BYTES
        and not raw.tag.is_private
    )


def _describe_element(element: pydicom.DataElement, uri: str) -> Json:
    uri = f"{uri}/{element.tag:08X}"
    if element.VR == "SQ":
        items: list[Json] = [
            _describe(item, f"{uri}/{number}") for number, item in enumerate(element.value)
        ]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    if element.VR in _BINARY_VRS and len(element.value or b"") > _INLINE_BYTES:
        return {"vr": str(element.VR), "BulkDataURI": uri}
    model: dict[str, Json] = element.to_json_dict(None, 0)
    if element.VR in _REAL_VRS and isinstance(values := model.get("Value"), list):
        # JSON has no NaN and no infinity.
        model["Value"] = [
            None if isinstance(value, float) and not math.isfinite(value) else value
            for value in values
        ]
    return model
