"""When a run is over, how fast it learns until then, and how many steps fit a time."""

import bisect
import dataclasses
import math
from collections.abc import Sequence

from sightline.errors import Refused
from sightline.judge.metrics import is_more_better
from sightline.train.progress import CurvePoint
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe, Training

_POWER = 0.9
# Of the time that is there, what is left for a machine that is slower than when it was timed.
_RESERVE = 0.06


def settled(recipe: Recipe, plan: Plan) -> Training:
    """Return the schedule of a recipe with steps, batch and learning rate as planned."""
    own = recipe.training
    planned = {
        "batch": plan.batch,
        # Older plans have neither.
        "steps": plan.steps or own.steps,
        "learning_rate": plan.learning_rate or own.learning_rate,
    }
    return own.model_copy(update=planned)


def learning_rate(first: float, step: int, steps: int) -> float:
    """Return the rate of a step, counted from 0: it falls to nothing at the end, as nnU-Net's."""
    return first * float((1 - step / steps) ** _POWER)


def best_of(curve: Sequence[CurvePoint]) -> int | None:
    """Return which validation was the best so far, the first of equals; None before any scored."""
    scored = [(_goodness(point), -index) for index, point in enumerate(curve)]
    known = [(score, index) for score, index in scored if score is not None]
    return -max(known)[1] if known else None


def _goodness(point: CurvePoint) -> float | None:
    """Return a number that is the greater the better, whatever the metric is."""
    score = point.mean_score
    return score if score is None or is_more_better(point.metric) else -score


def is_stalled(curve: Sequence[CurvePoint], patience: int) -> bool:
    """Tell whether the last `patience` validations brought nothing better; never where it is 0."""
    best = best_of(curve)
    return bool(patience) and best is not None and len(curve) - 1 - best >= patience


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How long the parts of a run take on this device, in seconds.

    Attributes:
        start_s: before the first step.
        step_s: one step, with what it waits for data.
        validation_s: one validation.
        checkpoint_s: one checkpoint.
    """

    start_s: float
    step_s: float
    validation_s: float
    checkpoint_s: float

    def seconds(self, steps: int, training: Training) -> float:
        """Foretell how long a run takes."""
        validations = math.ceil(steps / training.validate_every)
        checkpoints = math.ceil(steps / training.checkpoint_every)
        return (
            self.start_s
            + steps * self.step_s
            + validations * self.validation_s
            + checkpoints * self.checkpoint_s
        )

    def steps_within(self, seconds: float, training: Training) -> int:
        """Return how many steps end within a time.

        Raises:
            Refused: Not one does.
        """
        there = seconds * (1 - _RESERVE)
        most = max(0, int((there - self.start_s) / self.step_s))
        steps = bisect.bisect_right(
            range(1, most + 1), there, key=lambda count: self.seconds(count, training)
        )
        if steps < 1:
            least = self.seconds(1, training) / (1 - _RESERVE) / 60
            raise Refused(
                f"{seconds / 60:.1f} minutes are too short for one step on this device",
                hint=f"Give at least {least + 0.1:.1f} minutes, or a smaller patch.",
            )
        return steps
