"""How a series was acquired, as far as the choice of a model asks."""

import dataclasses
from typing import Literal, TypeAlias

Orientation: TypeAlias = Literal["axial", "coronal", "sagittal", "oblique"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Acquisition:
    """What one instance of a series says of how it was made.

    Attributes:
        image_type: values of Image Type; LOCALIZER stands among those of a scout.
        orientation: of the slices, by the axis they lie across; None where it is not said.
        kernel: Convolution Kernel.
        contrast: Contrast/Bolus Agent; empty where none was given.
        thickness_mm: Slice Thickness; None where it is not said.
        order: Requested Procedure Description, and Study Description.
    """

    image_type: tuple[str, ...] = ()
    orientation: Orientation | None = None
    kernel: str = ""
    contrast: str = ""
    thickness_mm: float | None = None
    order: str = ""
