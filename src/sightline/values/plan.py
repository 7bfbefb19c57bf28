"""A plan: everything a recipe left open, decided from a collection's fingerprint."""

import dataclasses
from typing import Any, Literal, Self, TypeAlias

from pydantic import TypeAdapter, ValidationError

from sightline.errors import DamagedObject

Triple: TypeAlias = tuple[int, int, int]
SpacingMm: TypeAlias = tuple[float, float, float]
OUR_ORIENTATION = "SPL"
"""Axes of our grids run towards head, back and left."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Intensity:
    """How acquired values become network input.

    Attributes:
        scheme: `window` maps a fixed range to 0..1; `robust` makes the foreground of each volume
            zero-mean with unit deviation after clipping its extreme voxels. Weights of others
            bring theirs: `fixed` clips to `window`, takes `centre` away and divides by `width`;
            `deviation` makes each volume zero-mean with unit deviation; `range` maps what each
            volume covers to 0..1.
        window: the range, in the unit of the acquired values; None does not clip.
        centre: what becomes 0 under `fixed`.
        width: what becomes 1 more than that.
        counted: voxels that `deviation` looks at: all of a volume, those in the box that holds
            everything but 0, or those that are not 0, which then stays 0.
    """

    scheme: Literal["window", "robust", "fixed", "deviation", "range"]
    window: tuple[float, float] | None = None
    centre: float = 0.0
    width: float = 1.0
    counted: Literal["all", "box", "nonzero"] = "all"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a training does and what its model expects; axes are (head-foot, front-back, side).

    Attributes:
        classes: class k of a mask is `classes[k - 1]`.
        spacing_mm: of the grid the network sees; 0 along an axis keeps each volume's own.
        patch: voxels of that grid seen at once.
        channels: features of each level, finest first.
        strides: downsampling into each level; the first is (1, 1, 1).
        kernels: convolution size of each level.
        overlap: share of a window that its neighbour covers too, when a model is applied.
        memory_mb: estimate for one training step.
        mirror_axes: when a model is applied, the volume is looked at mirrored along these, too.
        outputs: numbers that the network answers with, a voxel or a patch; 0 stands for one a class
            and one for the background.
        input_channels: images of one patch that the network sees together.
        regions: names of overlapping regions, in the order in which they are painted, each with the
            numbers of the classes it is made of; empty where classes exclude each other.
        is_exclusive: whether exactly one class holds of a whole image.
        scales: mean and deviation in training of each number that whole images are taught with.
        orientation: where the axes of the network's own arrays run, a letter each (R, L, A, P, S,
            I): weights of others were taught on other axes than ours.
        network_settings: of the architecture, beside channels, strides and kernels; JSON values.
        steps: changes of the weights in one training.
        learning_rate: at the first of them, with fresh weights.
        reasons: by field, why the value is what it is.
    """

    task: str
    classes: tuple[str, ...]
    modality: str
    spacing_mm: SpacingMm
    patch: Triple
    batch: int
    intensity: Intensity
    network: str
    channels: tuple[int, ...]
    strides: tuple[Triple, ...]
    kernels: tuple[Triple, ...]
    overlap: float
    memory_mb: int
    reasons: dict[str, str]
    mirror_axes: tuple[int, ...] = ()  # older plans have none
    outputs: int = 0
    input_channels: int = 1
    regions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    is_exclusive: bool = True
    scales: tuple[tuple[float, float], ...] = ()
    orientation: str = OUR_ORIENTATION
    network_settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    steps: int = 0
    learning_rate: float = 0.0

    @property
    def output_count(self) -> int:
        """How many numbers the network answers with."""
        return self.outputs or len(self.classes) + 1

    @property
    def is_flat(self) -> bool:
        """Whether the network sees single slices; their patches are one slice deep."""
        return self.patch[0] == 1

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, with format and version."""
        return {"format": "sightline-plan", "version": 1, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `to_json` made.

        Raises:
            DamagedObject: It is no plan of a known version.
        """
        fields = {k: v for k, v in content.items() if k not in {"format", "version"}}
        try:
            if content.get("format") != "sightline-plan" or content.get("version") != 1:
                raise DamagedObject(
                    f"no plan of a known version: {content.get('version')!r}",
                    hint="It was made by a later Sightline; upgrade this one.",
                )
            return TypeAdapter(cls).validate_python(fields)
        except ValidationError as error:
            raise DamagedObject(
                f"a plan does not validate: {error.errors()[0]['loc']}",
                hint="Train the model again, or restore the catalog from a backup.",
            ) from error

    def rows(self) -> list[tuple[str, str, str]]:
        """List name, value and reason of every decision, for people."""
        return [
            (field.name, _words(getattr(self, field.name)), self.reasons.get(field.name, ""))
            for field in dataclasses.fields(self)
            if field.name != "reasons"
        ]


def _words(value: object) -> str:
    if isinstance(value, Intensity):
        clipped = f" {value.window}" if value.window else ""
        scaled = f", {value.centre:.4g} to 0, width {value.width:.4g}"
        return f"{value.scheme}{clipped}{scaled if value.scheme == 'fixed' else ''}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {value[name]}" for name in sorted(value)) or "none"
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return ", ".join(_words(part) for part in value)
    if isinstance(value, tuple):
        joint = ", " if value and isinstance(value[0], str) else " x "
        return joint.join(f"{part:.4g}" if isinstance(part, float) else str(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
