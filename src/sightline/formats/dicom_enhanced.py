"""Enhanced multi-frame images: what each frame's functional groups say (PS3.3 C.7.6.16)."""

from collections.abc import Sequence
from typing import TypeAlias

import pydicom
from pydicom.multival import MultiValue

from sightline.errors import NotDicom
from sightline.formats.dicom_attributes import Attributes
from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset
from sightline.formats.dicom_frame import (
    FACTS,
    Fact,
    Frame,
    Rescale,
    facts_of_single,
    place_of,
    rescale_of,
    size_of,
)

_NUMBER_OF_FRAMES, _INSTANCE_NUMBER = 0x00280008, 0x00200013
_PHILIPS = "Philips MR Imaging DD 005"
_Groups: TypeAlias = tuple[pydicom.Dataset, ...]
# Other modalities say of their frames what MR says, in groups of their own.
_FRAME_TYPES = (
    "MRImageFrameTypeSequence",
    "CTImageFrameTypeSequence",
    "PETFrameTypeSequence",
    "XAXRFFrameCharacteristicsSequence",
)


def enhanced_frames(content: bytes, attributes: Attributes, pixel_type: str) -> tuple[Frame, ...]:
    """Describe every frame, in the order of the pixels.

    Raises:
        NotDicom: The functional groups are broken, or are not as many as the frames.
        UnsoundSeries: A frame does not say where it lies.
    """
    size = size_of(attributes)
    with broken_values_are_not_dicom("read the functional groups"):
        dataset = open_dataset(content, with_pixels=False)
        shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
        frames = [(group, *shared) for group in dataset.PerFrameFunctionalGroupsSequence]
    if not frames or len(frames) != attributes.integer(_NUMBER_OF_FRAMES):
        raise NotDicom(
            f"{len(frames)} functional groups for {attributes.integer(_NUMBER_OF_FRAMES)} frames",
            hint="Ask the sender for the file again.",
        )
    common = facts_of_single(attributes)
    instance = attributes.integer(_INSTANCE_NUMBER)
    with broken_values_are_not_dicom("read the functional groups"):
        return tuple(
            Frame(
                plane=place_of(f"frame {number}", _place(groups), size),
                rescale=_rescale(f"frame {number}", groups),
                facts=common | _facts(groups),
                pixel_type=pixel_type,
                number=None if instance is None else (instance, number),
                philips_scale=_philips_scale(groups),
            )
            for number, groups in enumerate(frames, start=1)
        )


def _place(groups: _Groups) -> tuple[tuple[float, ...], ...]:
    measures = _group(groups, "PixelMeasuresSequence")
    thickness = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")
    return (
        _numbers(_group(groups, "PlanePositionSequence").get("ImagePositionPatient"), 3),
        _numbers(_group(groups, "PlaneOrientationSequence").get("ImageOrientationPatient"), 6),
        _numbers(measures.get("PixelSpacing"), 2),
        (float(thickness),) if thickness else (),
    )


def _rescale(label: str, groups: _Groups) -> Rescale:
    said = _group(groups, "PixelValueTransformationSequence")
    slope, intercept = said.get("RescaleSlope"), said.get("RescaleIntercept")
    return rescale_of(
        label,
        1 if slope is None else slope,
        0 if intercept is None else intercept,
        kind=str(said.get("RescaleType") or ""),
    )


def _facts(groups: _Groups) -> dict[str, str]:
    facts = {fact.name: _fact(groups, fact) for fact in FACTS if fact.group}
    return {name: value for name, value in facts.items() if value}


def _fact(groups: _Groups, fact: Fact) -> str:
    names = _FRAME_TYPES if fact.group in _FRAME_TYPES else (fact.group,)
    for name in names:
        value = _group(groups, name).get(fact.keyword)
        if isinstance(value, pydicom.Sequence):
            value = value[0].get("DiffusionGradientOrientation") if value else None
        if value is not None:
            parts = value if isinstance(value, MultiValue) else (value,)
            return "\\".join(f"{p:g}" if isinstance(p, float) else str(p) for p in parts)
    return ""


def _philips_scale(groups: _Groups) -> tuple[float, float] | None:
    """The single-frame copy that Philips keeps in (2005,xx0F) says it of each frame."""
    try:
        if groups[0][0x2005, 0x0014].value != _PHILIPS:
            return None
        copied = groups[0][0x2005, 0x140F].value[0]
        return float(copied[0x2005, 0x100E].value), float(copied[0x2005, 0x100D].value)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _group(groups: _Groups, name: str) -> pydicom.Dataset:
    """Find a functional group: the frame's own comes before the shared one."""
    for group in groups:
        if group.get(name):
            found: pydicom.Dataset = group[name].value[0]
            return found
    return pydicom.Dataset()


def _numbers(values: Sequence[float] | None, count: int) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values or ())
    return numbers if len(numbers) == count else ()
