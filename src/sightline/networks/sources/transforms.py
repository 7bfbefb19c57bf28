"""What MONAI's transforms before a network come to, in our words."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from sightline.errors import Refused
from sightline.values.plan import Intensity

_ALIKE = {
    "LoadImage",
    "EnsureChannelFirst",
    "AddChannel",
    "AsChannelFirst",
    "EnsureType",
    "ToTensor",
    "ToDevice",
    "CastToType",
    "Identity",
}
"""Bring no number to another."""

_NOTED = {
    "CropForeground": "it cuts the image to its foreground first; here the whole is looked at",
    "SpatialPad": "it pads small images; here they are padded to a patch",
    "DivisiblePad": "it pads small images; here they are padded to a patch",
    "Resize": "it resizes the whole image to one shape; here a patch of that shape is cut",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Preparation:
    """What happens to an image before the network sees it.

    Attributes:
        orientation: where the image's axes run; empty where they are left as they lie.
        spacing_mm: of those axes; empty where it is left as it is, 0 where one is.
        notes: what is not done here, for people.
    """

    intensity: Intensity
    orientation: str = ""
    spacing_mm: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()


def preparation_of(transforms: Sequence[dict[str, Any]]) -> Preparation:
    """Read a list of transforms, as a bundle writes them.

    Raises:
        Refused: One changes numbers in a way that Sightline does not have.
    """
    found = Preparation(intensity=Intensity(scheme="fixed"))
    is_scaled = False
    for each in transforms:
        name = _name(each)
        if name in _ALIKE:
            continue
        if name in _NOTED:
            found = dataclasses.replace(found, notes=(*found.notes, _NOTED[name]))
        elif name == "Orientation":
            found = dataclasses.replace(found, orientation=str(each["axcodes"]))
        elif name == "Spacing":
            spacing = tuple(max(float(step), 0.0) for step in _listed(each["pixdim"]))
            found = dataclasses.replace(found, spacing_mm=spacing)
        else:
            if is_scaled:
                raise _unknown(f"{name} after another scaling")
            is_scaled = True
            found = dataclasses.replace(found, intensity=_intensity(name, each))
    return found


def _intensity(name: str, given: dict[str, Any]) -> Intensity:
    match name:
        case "ScaleIntensityRange":
            return _ranged(given)
        case "NormalizeIntensity":
            return _normalised(given)
        case "ScaleIntensity":
            if (given.get("minv", 0.0), given.get("maxv", 1.0)) == (0.0, 1.0):
                return Intensity(scheme="range")
        case _:
            pass
    raise _unknown(name)


def _ranged(given: dict[str, Any]) -> Intensity:
    low, high = float(given["a_min"]), float(given["a_max"])
    first, last = given.get("b_min"), given.get("b_max")
    if first is None or last is None:
        first, last = 0.0, 1.0
    is_clipped = bool(given.get("clip", False))
    if is_clipped and (first, last) == (0.0, 1.0):
        return Intensity(scheme="window", window=(low, high))
    width = (high - low) / (float(last) - float(first))
    return Intensity(
        scheme="fixed",
        window=(low, high) if is_clipped else None,
        centre=low - float(first) * width,
        width=width,
    )


def _normalised(given: dict[str, Any]) -> Intensity:
    taken, divided = given.get("subtrahend"), given.get("divisor")
    is_nonzero = bool(given.get("nonzero", False))
    if taken is None and divided is None:
        return Intensity(scheme="deviation", counted="nonzero" if is_nonzero else "all")
    if isinstance(taken, int | float) and isinstance(divided, int | float) and not is_nonzero:
        return Intensity(scheme="fixed", centre=float(taken), width=float(divided))
    raise _unknown("NormalizeIntensity with these arguments")


def _name(transform: dict[str, Any]) -> str:
    """Return the name of a transform without the ending of its form for dictionaries."""
    name = str(transform["_target_"]).rpartition(".")[2]
    for ending in ("Dict", "D", "d"):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name


def _listed(value: Any) -> list[float]:  # noqa: ANN401 - JSON
    return value if isinstance(value, list) else [value] * 3


def _unknown(what: str) -> Refused:
    return Refused(
        f"before its network it applies {what}",
        hint="Sightline cannot prepare images so; its weights can start a training as plain "
        "safetensors with a plan.",
    )
