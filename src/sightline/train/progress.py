"""What a run tells while it goes, and its record of it."""

import dataclasses
from typing import Any, Self


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """One step done.

    Attributes:
        step: steps done, of `steps`.
        loss: mean of the last steps.
        patches_per_s: since this process began.
        time_left_s: estimated.
        validation_dice: mean over classes of the latest validation; None before the first.
        wait_share: of the time so far, what was spent waiting for data.
    """

    step: int
    steps: int
    loss: float
    patches_per_s: float
    time_left_s: float
    validation_dice: float | None
    wait_share: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """One validation.

    Attributes:
        loss: mean since the last one.
        dice: by class; None where no validation volume holds the class.
    """

    step: int
    loss: float
    dice: dict[str, float | None]

    @property
    def mean_dice(self) -> float | None:
        """Mean over classes that could be scored."""
        known = [value for value in self.dice.values() if value is not None]
        return sum(known) / len(known) if known else None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `to_json` made."""
        return cls(step=content["step"], loss=content["loss"], dice=dict(content["dice"]))
