"""A plan: everything a recipe left open, decided from a collection's fingerprint."""

import dataclasses
from typing import Any, Literal, Self, TypeAlias

from pydantic import TypeAdapter, ValidationError

from sightline.errors import DamagedObject

Triple: TypeAlias = tuple[int, int, int]
SpacingMm: TypeAlias = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Intensity:
    """How acquired values become network input.

    Attributes:
        scheme: `window` maps a fixed range to 0..1; `robust` makes the foreground of each volume
            zero-mean with unit deviation after clipping its extreme voxels.
        window: the range, in the unit of the acquired values; None for `robust`.
    """

    scheme: Literal["window", "robust"]
    window: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a training does and what its model expects; axes are (head-foot, front-back, side).

    Attributes:
        classes: class k of a mask is `classes[k - 1]`.
        spacing_mm: of the grid the network sees.
        patch: voxels of that grid seen at once.
        channels: features of each level, finest first.
        strides: downsampling into each level; the first is (1, 1, 1).
        kernels: convolution size of each level.
        overlap: share of a window that its neighbour covers too, when a model is applied.
        memory_mb: estimate for one training step.
        mirror_axes: when a model is applied, the volume is looked at mirrored along these, too.
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
        return f"{value.scheme} {value.window}" if value.window else value.scheme
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return ", ".join(_words(part) for part in value)
    if isinstance(value, tuple):
        joint = ", " if value and isinstance(value[0], str) else " x "
        return joint.join(f"{part:.4g}" if isinstance(part, float) else str(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
