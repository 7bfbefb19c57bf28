"""What a series looks like in a few numbers, and which looks a model is familiar with."""

import dataclasses
from typing import Any, Literal, Self, TypeAlias

Look: TypeAlias = Literal["values", "texture", "size", "layout"]
"""How bright, how noisy and sharp, how large, and what lies where."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Likeness:
    """What one volume looks like.

    Attributes:
        traits: of each look, numbers in a fixed order.
        metal: share of voxels that only metal reaches; 0 where values have no unit.
        scanner: manufacturer and model; empty where they are not recorded.
    """

    traits: dict[Look, tuple[float, ...]]
    metal: float = 0.0
    scanner: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Norm:
    """How one look varies among what a model learnt from.

    Attributes:
        mean: of each trait.
        spread: of each trait, never 0.
        limit: of the distance from the mean, in spreads; what lies beyond is unlike the others.
    """

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    limit: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Familiar:
    """What a model is familiar with: figures of many series together, and of none alone.

    Attributes:
        series: how many were looked at.
        metal: the largest share of voxels that only metal reaches.
        scanners: manufacturer and model; empty where none were recorded.
    """

    norms: dict[Look, Norm]
    series: int
    metal: float
    scanners: tuple[str, ...]

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `dataclasses.asdict` made of it and JSON kept."""
        norms = {
            look: Norm(
                mean=tuple(each["mean"]), spread=tuple(each["spread"]), limit=float(each["limit"])
            )
            for look, each in content["norms"].items()
        }
        return cls(
            norms=norms,
            series=int(content["series"]),
            metal=float(content["metal"]),
            scanners=tuple(content["scanners"]),
        )
