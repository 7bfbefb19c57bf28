"""One frame of an image: where it lies, what its values mean, and what sets it apart."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from sightline.formats.dicom_attributes import Attributes
from sightline.formats.dicom_grid import Plane, unsound

_ROWS, _COLUMNS, _INSTANCE_NUMBER = 0x00280010, 0x00280011, 0x00200013
_PHOTOMETRIC, _BITS_STORED = 0x00280004, 0x00280101


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rescale:
    """`slope * stored + intercept` is in the unit that `kind` names (PS3.3 C.11.1.1.2)."""

    slope: float = 1.0
    intercept: float = 0.0
    kind: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """Something that may differ between frames at one place.

    Attributes:
        tag: of the attribute in a single-frame image, and beside the functional groups.
        group: the functional group that holds it in an enhanced image; empty where none does.
        is_ordinal: only its rank is told: times of day and gradient directions mean little, and
            a time may point to a patient.
        marks_blocks: frames that differ in it may also lie apart instead of sharing their places.
    """

    name: str
    tag: int
    group: str = ""
    keyword: str = ""
    is_ordinal: bool = False
    marks_blocks: bool = False


# In the order in which they are tried; a cause stands before its symptoms, and clocks stand last.
FACTS = (
    Fact(
        name="echo time",
        tag=0x00180081,
        group="MREchoSequence",
        keyword="EffectiveEchoTime",
        marks_blocks=True,
    ),
    Fact(name="echo", tag=0x00180086, marks_blocks=True),
    Fact(
        name="inversion time", tag=0x00180082, group="MRModifierSequence", keyword="InversionTimes"
    ),
    Fact(name="b-value", tag=0x00189087, group="MRDiffusionSequence", keyword="DiffusionBValue"),
    Fact(
        name="gradient direction",
        tag=0x00189089,
        group="MRDiffusionSequence",
        keyword="DiffusionGradientDirectionSequence",
        is_ordinal=True,
    ),
    Fact(
        name="time point",
        tag=0x00200100,
        group="FrameContentSequence",
        keyword="TemporalPositionIndex",
    ),
    Fact(
        name="trigger time",
        tag=0x00181060,
        group="CardiacSynchronizationSequence",
        keyword="NominalCardiacTriggerDelayTime",
    ),
    Fact(
        name="image type",
        tag=0x00080008,
        group="MRImageFrameTypeSequence",
        keyword="FrameType",
        marks_blocks=True,
    ),
    Fact(
        name="component",
        tag=0x00089208,
        group="MRImageFrameTypeSequence",
        keyword="ComplexImageComponent",
    ),
    Fact(
        name="flip angle",
        tag=0x00181314,
        group="MRTimingAndRelatedParametersSequence",
        keyword="FlipAngle",
    ),
    Fact(
        name="stack",
        tag=0x00209056,
        group="FrameContentSequence",
        keyword="StackID",
        marks_blocks=True,
    ),
    Fact(
        name="acquisition",
        tag=0x00200012,
        group="FrameContentSequence",
        keyword="FrameAcquisitionNumber",
        marks_blocks=True,
    ),
    Fact(name="view", tag=0x00185101),
    Fact(name="laterality", tag=0x00200062),
    Fact(
        name="kernel",
        tag=0x00181210,
        group="CTReconstructionSequence",
        keyword="ConvolutionKernel",
    ),
    Fact(name="kVp", tag=0x00180060, group="CTXRayDetailsSequence", keyword="KVP"),
    Fact(
        name="acquisition time",
        tag=0x00080032,
        group="FrameContentSequence",
        keyword="FrameAcquisitionDateTime",
        is_ordinal=True,
    ),
    Fact(name="content time", tag=0x00080033, is_ordinal=True),
)

_DOUBLES = frozenset({0x00189087, 0x00189089})

Facts: TypeAlias = Mapping[str, str]
"""What a frame says, by the names in `FACTS`; what it does not say is missing."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One plane of pixels, described but not decoded.

    Attributes:
        pixel_type: of the acquired integers, as numpy names it, such as `int16`.
        number: instance number and frame number, by which the frames were counted; None if unsaid.
        philips_scale: scale slope and intercept of Philips' private elements (2005,xx0E) and
            (2005,xx0D), which lead to floating-point values beside the rescale; noted, not applied.
    """

    plane: Plane
    rescale: Rescale
    facts: Facts
    pixel_type: str
    number: tuple[int, int] | None = None
    philips_scale: tuple[float, float] | None = None


def size_of(attributes: Attributes) -> tuple[int, int]:
    """Rows and columns.

    Raises:
        UnsoundSeries: There are none.
    """
    rows, columns = attributes.short(_ROWS), attributes.short(_COLUMNS)
    if not rows or not columns:
        raise unsound(
            f"{label_of(attributes)} has no rows or columns", "Ask the sender for it again."
        )
    return rows, columns


def label_of(attributes: Attributes) -> str:
    """Name an image in messages, by its instance number."""
    number = attributes.integer(_INSTANCE_NUMBER)
    return "an image without a number" if number is None else f"image {number}"


def place_of(label: str, place: Sequence[Sequence[float]], size: tuple[int, int]) -> Plane:
    """Make a plane of what an image says.

    Args:
        label: names the image in messages.
        place: position, orientation, pixel spacing and slice spacing; empty where unsaid.
        size: rows, columns.

    Raises:
        UnsoundSeries: It does not say where it lies, or not in numbers.
    """
    position, orientation, spacing, thickness = place
    named = {"position": position, "orientation": orientation, "pixel spacing": spacing}
    missing = [
        name for name, values in named.items() if not values or not all(map(math.isfinite, values))
    ]
    if missing:
        raise unsound(
            f"{label} does not say where it lies: no {' and no '.join(missing)}",
            "Projections and captures have none; a scanner's own series has: ask for that.",
        )
    return Plane(
        label=label,
        position=(position[0], position[1], position[2]),
        along_row=(orientation[0], orientation[1], orientation[2]),
        along_column=(orientation[3], orientation[4], orientation[5]),
        spacing_mm=(spacing[0], spacing[1]),
        thickness_mm=abs(thickness[0]) if thickness else None,
        rows=size[0],
        columns=size[1],
    )


def place_of_projection(attributes: Attributes) -> tuple[tuple[float, ...], ...]:
    """A plane of its own for an X-ray, which lies nowhere in the patient; one slice of 1 mm.

    Columns run along x, rows along y. The spacing is that of the detector (PS3.3 C.8.11.4.1.1),
    which is larger than the patient's, unless the image was calibrated.
    """
    spacing = (
        attributes.numbers(0x00280030, 2)  # Pixel Spacing
        or attributes.numbers(0x00181164, 2)  # Imager Pixel Spacing
        or attributes.numbers(0x00182010, 2)  # Nominal Scanned Pixel Spacing
    )
    return ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), spacing, (1.0,))


def brighter_is_denser(attributes: Attributes, rescale: Rescale) -> Rescale:
    """The rescale that turns an image round where low values are shown bright (MONOCHROME1)."""
    if attributes.text(_PHOTOMETRIC) != "MONOCHROME1":
        return rescale
    highest = (1 << (attributes.short(_BITS_STORED) or 16)) - 1
    return dataclasses.replace(
        rescale, slope=-rescale.slope, intercept=rescale.slope * highest + rescale.intercept
    )


def place_of_single(attributes: Attributes) -> tuple[tuple[float, ...], ...]:
    """Position, orientation, pixel spacing and slice spacing of a single-frame image."""
    # Spacing between slices (0018,0088) before slice thickness (0018,0050).
    thickness = attributes.numbers(0x00180088, 1) or attributes.numbers(0x00180050, 1)
    return (
        attributes.numbers(0x00200032, 3),
        attributes.numbers(0x00200037, 6),
        attributes.numbers(0x00280030, 2),
        thickness,
    )


def rescale_of_single(attributes: Attributes) -> Rescale:
    """The rescale of a single-frame image; 1 and 0 where it says none.

    Raises:
        UnsoundSeries: It says what is no scale.
    """
    said = [attributes.text(tag) for tag in (0x00281053, 0x00281052)]
    return rescale_of(
        label_of(attributes), said[0] or 1, said[1] or 0, kind=attributes.text(0x00281054)
    )


def rescale_of(label: str, slope: object, intercept: object, *, kind: str) -> Rescale:
    """Make a rescale of what an image says.

    Raises:
        UnsoundSeries: A slope of 0, or no number: the values would mean nothing.
    """
    try:
        numbers = float(str(slope)), float(str(intercept))
    except ValueError:
        numbers = math.nan, math.nan
    if numbers[0] == 0 or not all(map(math.isfinite, numbers)):
        raise unsound(
            f"{label} has a rescale slope or intercept that is no scale",
            "Ask the sender for the original series.",
        )
    return Rescale(slope=numbers[0], intercept=numbers[1], kind=kind)


def facts_of_single(attributes: Attributes) -> dict[str, str]:
    """What a single-frame image says of itself, vendors' b-values included."""
    facts = {
        fact.name: attributes.text(fact.tag)
        for fact in FACTS
        if fact.tag in attributes.values and fact.tag not in _DOUBLES
    }
    value, direction = attributes.doubles(0x00189087, 1), attributes.doubles(0x00189089, 3)
    facts |= {"b-value": f"{value[0]:g}"} if value else _private_b_value(attributes)
    if direction:
        facts["gradient direction"] = "\\".join(f"{part:g}" for part in direction)
    return facts


def philips_scale_of_single(attributes: Attributes) -> tuple[float, float] | None:
    """Philips' private scale slope and intercept (FL); None where it is not there."""
    slope = attributes.private(0x2005, "Philips MR Imaging DD 001", 0x0E)
    if not slope:
        return None
    scale, offset = attributes.floats(slope, 1), attributes.floats(slope - 1, 1)
    return (scale[0], offset[0]) if scale and offset else None


def _private_b_value(attributes: Attributes) -> dict[str, str]:
    for group, creator, element in (
        (0x0043, "GEMS_PARM_01", 0x39),
        (0x0019, "SIEMENS MR HEADER", 0x0C),
    ):
        tag = attributes.private(group, creator, element)
        text = attributes.text(tag).split("\\")[0].strip()
        if text.isascii() and text.isdigit():
            # GE adds a flag of 10^9 to the value.
            return {"b-value": str(int(text) % 1_000_000)}
    return {}
