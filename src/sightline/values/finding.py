"""What a model or a reader says of a study."""

import dataclasses
from typing import Any, Self

UNFAMILIAR = "unlike what the model learnt from"


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
class Probability:
    """How likely a model holds one class, from 0 to 1."""

    class_name: str
    probability: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A model's answer for one study.

    Attributes:
        priority: 0 routine, 1 soon, 2 urgent; from the recipe's triage rules.
        words: the line shown in the worklist.
        probabilities: of a model that answers by them; an earlier version kept none.
        cautions: in which way the series is unlike what the model learnt from, a line each.
        acknowledge_min: minutes within which somebody must acknowledge it; None where nobody must.
    """

    priority: int
    words: str
    measurements: tuple[Measurement, ...]
    probabilities: tuple[Probability, ...] = ()
    cautions: tuple[str, ...] = ()
    acknowledge_min: float | None = None

    @property
    def line(self) -> str:
        """The words, and whether they are to be taken with caution."""
        return f"{self.words} (caution: {UNFAMILIAR})" if self.cautions else self.words

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `dataclasses.asdict` made of it and JSON kept."""
        measurements = tuple(Measurement(**each) for each in content["measurements"])
        probabilities = tuple(Probability(**each) for each in content.get("probabilities", ()))
        cautions = tuple(content.get("cautions", ()))
        said = {"measurements": measurements, "probabilities": probabilities, "cautions": cautions}
        return cls(**(content | said))

    def repeats(self, then: Self) -> bool:
        """Tell whether this says what an earlier one said, as far as that was kept."""
        kept = self.probabilities if then.probabilities else ()
        return dataclasses.replace(self, probabilities=kept) == then
