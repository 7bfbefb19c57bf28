"""Where a slice lies and what it says it is one of, read from the head of a Part 10 file."""

import dataclasses
import re

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import Elements, open_elements

_CONCATENATION_UID, _CONCATENATION_NUMBER, _CONCATENATION_TOTAL = 0x00209161, 0x00209162, 0x00209163
_POSITION, _ORIENTATION, _FRAMES = 0x00200032, 0x00200037, 0x00280008
_WANTED = frozenset(
    {
        *(_CONCATENATION_UID, _CONCATENATION_NUMBER, _CONCATENATION_TOTAL),
        *(_POSITION, _ORIENTATION, _FRAMES),
    }
)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

HEAD_BYTES = 256 * 1024
"""As much of a file as holds these attributes in practice: they stand before the pixels."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SlicePlace:
    """What one instance says of its place in its series.

    Attributes:
        position_mm: Image Position (Patient), LPS; empty where it is not given.
        orientation: Image Orientation (Patient), six direction cosines; empty likewise.
        frames: 1 where it is not given.
        concatenation: UID of the concatenation that a multi-frame instance is a part of.
        part: number within it, from 1; 0 for no part.
        parts: of how many; 0 where that is not given (PS3.3 C.7.6.16.2.2.4).
    """

    position_mm: tuple[float, ...] = ()
    orientation: tuple[float, ...] = ()
    frames: int = 1
    concatenation: str = ""
    part: int = 0
    parts: int = 0


def read_place(head: bytes) -> SlicePlace:
    """Read the place of a slice from the beginning of its file; what is broken is not given."""
    values: dict[int, bytes] = {}
    is_little = True
    try:
        elements = open_elements(head)
        is_little = elements.encoding.is_little
        _collect(elements, values)
    except NotDicom:
        pass  # the head ends within an element, or the file is none: what was read counts
    order = "little" if is_little else "big"
    frames = values.get(_FRAMES, b"").decode("ascii", "replace").strip("\0 ")
    return SlicePlace(
        position_mm=_decimals(values.get(_POSITION, b""), 3),
        orientation=_decimals(values.get(_ORIENTATION, b""), 6),
        frames=int(frames) if frames.isdecimal() and int(frames) else 1,
        concatenation=values.get(_CONCATENATION_UID, b"").decode("ascii", "replace").strip("\0 "),
        part=int.from_bytes(values.get(_CONCATENATION_NUMBER, b"")[:2], order),  # type: ignore[arg-type]  # one of two words
        parts=int.from_bytes(values.get(_CONCATENATION_TOTAL, b"")[:2], order),  # type: ignore[arg-type]  # one of two words
    )


def _collect(elements: Elements, values: dict[int, bytes]) -> None:
    for element in elements:
        if element.tag > _FRAMES:
            return
        if element.tag in _WANTED:
            values[element.tag] = elements.value(element)


def _decimals(value: bytes, count: int) -> tuple[float, ...]:
    parts = [part.strip("\0 ") for part in value.decode("ascii", "replace").split("\\")]
    if len(parts) != count or not all(_DECIMAL.fullmatch(part) for part in parts):
        return ()
    return tuple(float(part) for part in parts)
