"""What a run tells while it goes, and its record of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """One step done.

    Attributes:
        step: steps done, of `steps`.
        loss: mean of the last steps.
        patches_per_s: since this process began.
        time_left_s: estimated.
        validation_score: mean over classes of the latest validation; None before the first.
        wait_share: of the time so far, what was spent waiting for data.
        metric: what `validation_score` is: the first metric of the task.
        curve: validations so far.
    """

    step: int
    steps: int
    loss: float
    patches_per_s: float
    time_left_s: float
    validation_score: float | None
    wait_share: float
    metric: str = "dice"
    curve: tuple["CurvePoint", ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """One validation.

    Attributes:
        loss: mean since the last one.
        scores: by class; None where no validation volume holds the class.
        metric: what they are: the first metric of the task.
    """

    step: int
    loss: float
    scores: dict[str, float | None]
    metric: str = "dice"

    @property
    def mean_score(self) -> float | None:
        """Mean over classes that could be scored."""
        known = [value for value in self.scores.values() if value is not None]
        return sum(known) / len(known) if known else None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `to_json` made."""
        return cls(
            step=content["step"],
            loss=content["loss"],
            # Runs of earlier versions scored Dice alone.
            scores=dict(content["scores"] if "scores" in content else content["dice"]),
            metric=content.get("metric", "dice"),
        )


def validation_of(record: Mapping[str, Any]) -> tuple[str, float | None]:
    """Return metric and score of the validation that a run's record tells last."""
    if "validation_score" in record:
        return record["metric"] or "score", record["validation_score"]
    # Runs of earlier versions scored Dice alone.
    return "dice", record.get("validation_dice")
