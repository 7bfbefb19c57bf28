"""What a model or a reader says of a study."""

import dataclasses
from typing import Any, Self


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One class as measured on a mask.

    Attributes:
        volume_ml: 0 where the class is absent.
        longest_diameter_mm: greatest distance within one slice of the largest component.
        components: connected parts (26 neighbours).
        tracking_uid: names this region in the SEG and in the SR alike.
    """

    class_name: str
    volume_ml: float
    longest_diameter_mm: float
    components: int
    tracking_uid: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A model's answer for one study.

    Attributes:
        priority: 0 routine, 1 soon, 2 urgent; from the recipe's triage rules.
        words: the line shown in the worklist.
    """

    priority: int
    words: str
    measurements: tuple[Measurement, ...]

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `dataclasses.asdict` made of it and JSON kept."""
        measurements = tuple(Measurement(**each) for each in content["measurements"])
        return cls(**(content | {"measurements": measurements}))
