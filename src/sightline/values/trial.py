"""One back end tried for one model on one kind of machine."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """How a back end ran a model.

    Attributes:
        ready_s: seconds from a loaded model to its first answer.
        window_s: seconds for one window, the median of several.
        agreement: with the model in eager float32, at the worst window: the lowest Dice of any
            class, or 1 less the largest difference of a number; 1 where they are the same.
        problem: why it did not run; empty where it did.
    """

    back_end: str
    ready_s: float = 0.0
    window_s: float = 0.0
    agreement: float = 0.0
    problem: str = ""

    def is_fit(self, least_agreement: float) -> bool:
        """Tell whether it ran, and agrees well enough to be used."""
        return not self.problem and self.agreement >= least_agreement


def picked(trials: Sequence[Trial], *, least_agreement: float) -> Trial | None:
    """Return the fastest of those that agree; None where none does."""
    fit = [each for each in trials if each.is_fit(least_agreement)]
    return min(fit, key=lambda each: each.window_s, default=None)
