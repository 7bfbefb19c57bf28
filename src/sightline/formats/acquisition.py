"""How a series was acquired, read from the head of one of its instances."""

from typing import TypeAlias

import numpy as np

from sightline.errors import NotDicom
from sightline.formats.dicom_elements import open_elements
from sightline.formats.dicom_text import charset_of, decode
from sightline.values.acquisition import Acquisition, Orientation

_Values: TypeAlias = dict[int, bytes]

_CHARACTER_SET = 0x00080005
_IMAGE_TYPE = 0x00080008
_STUDY_DESCRIPTION = 0x00081030
_CONTRAST = 0x00180010
_THICKNESS = 0x00180050
_KERNEL = 0x00181210
_ORIENTATION = 0x00200037
_PROCEDURE = 0x00321060
_WANTED = frozenset(
    {_CHARACTER_SET, _IMAGE_TYPE, _STUDY_DESCRIPTION, _CONTRAST, _THICKNESS, _KERNEL}
    | {_ORIENTATION, _PROCEDURE}
)
_LONGEST_BYTES = 1024
# Within 25 degrees of an axis of the body: gantries are tilted, patients lie askew.
_ALONG = np.cos(np.deg2rad(25))
_ACROSS: tuple[Orientation, ...] = ("sagittal", "coronal", "axial")

HEAD_BYTES = 64 * 1024
"""So much of a file holds what is read here, by far; pixels are never touched."""


def read_acquisition(head: bytes) -> Acquisition:
    """Read what the beginning of a Part 10 file says; what it does not say is empty or None.

    Raises:
        NotDicom: No Part 10 file.
    """
    values: _Values = {}
    elements = open_elements(head)
    try:
        for element in elements.those(_WANTED):
            if element.length <= _LONGEST_BYTES:
                values[element.tag] = elements.value(element)
    except NotDicom:
        pass  # it goes on behind the head
    charset = charset_of(values.get(_CHARACTER_SET, b""))

    def text(tag: int) -> str:
        return decode(values[tag], charset) if tag in values else ""

    return Acquisition(
        image_type=tuple(each.strip().upper() for each in text(_IMAGE_TYPE).split("\\") if each),
        orientation=_orientation(_numbers(text(_ORIENTATION))),
        kernel=text(_KERNEL),
        contrast=text(_CONTRAST),
        thickness_mm=next(iter(_numbers(text(_THICKNESS))), None),
        order=" ".join(filter(None, (text(_PROCEDURE), text(_STUDY_DESCRIPTION)))),
    )


def _numbers(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split("\\") if each.strip()]
    except ValueError:
        return []


def _orientation(cosines: list[float]) -> Orientation | None:
    if len(cosines) != 6:  # noqa: PLR2004 - directions of rows and columns
        return None
    normal = np.abs(np.cross(cosines[:3], cosines[3:]))
    axis = int(normal.argmax())
    return _ACROSS[axis] if normal[axis] >= _ALONG else "oblique"
