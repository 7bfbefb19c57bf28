"""Back ends tried on the windows of one volume: how fast each is, and whether it agrees."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from sightline import clock
from sightline.errors import SightlineError
from sightline.predict.backends.contract import BACK_ENDS, EXACT, Look
from sightline.predict.model import Model
from sightline.tasks.contract import TASKS
from sightline.values.plan import Plan
from sightline.values.trial import Trial

_ROUNDS = 3


def try_back_ends(
    model: Model,
    windows: Sequence[torch.Tensor],
    *,
    names: Sequence[str] = (),
    tell: Callable[[Trial], None] = lambda _trial: None,
) -> tuple[Trial, ...]:
    """Run every back end that this machine has, `EXACT` first, and hold each against that one.

    Args:
        model: as loaded.
        windows: float32 (batch, channels, slices, rows, columns) each, of the plan's patch; best
            such as the model will be asked.
        names: of the back ends to try; empty for all.
        tell: is called after each.

    Raises:
        UnknownName: There is no back end of a name.
    """
    others = [name for name in names or BACK_ENDS.names() if name != EXACT]
    for name in others:
        BACK_ENDS.get(name)  # before anything is timed
    exact = [model.by(EXACT).look(each).cpu() for each in windows]
    trials = []
    for name in (EXACT, *others):
        trial = _tried(model, name, windows, exact=exact)
        tell(trial)
        trials.append(trial)
    return tuple(trials)


def _tried(
    model: Model, name: str, windows: Sequence[torch.Tensor], *, exact: Sequence[torch.Tensor]
) -> Trial:
    why = BACK_ENDS.get(name).missing(model.device)
    if why:
        return Trial(back_end=name, problem=why)
    began = clock.monotonic()
    try:
        look = model.by(name).look
        look(windows[0])
        ready_s = clock.monotonic() - began
        said = [look(each).cpu().clone() for each in windows]
    except (RuntimeError, SightlineError) as error:
        return Trial(back_end=name, problem=f"{type(error).__name__}: {error}"[:200])
    plan = model.manifest.plan
    return Trial(
        back_end=name,
        ready_s=round(ready_s, 3),
        window_s=_seconds(look, windows),
        agreement=min(agreement(*pair, plan) for pair in zip(said, exact, strict=True)),
    )


def _seconds(look: Look, windows: Sequence[torch.Tensor]) -> float:
    taken = []
    for _ in range(_ROUNDS):
        for each in windows:
            began = clock.monotonic()
            # Brought back, so that a device is waited for.
            look(each).cpu()
            taken.append((clock.monotonic() - began) / len(each))
    return float(np.median(taken))


def agreement(said: torch.Tensor, exact: torch.Tensor, plan: Plan) -> float:
    """Return the lowest Dice of any class with what is exact; of numbers, how near they are."""
    task = TASKS.get(plan.task)
    if task.needs != "mask":
        return _nearness(said, exact)
    lowest = 1.0
    for one, other in zip(said, exact, strict=True):
        ours, truth = task.decode(one, plan).classes, task.decode(other, plan).classes
        if ours is None or truth is None:
            raise AssertionError("a task that needs a mask answers with one")
        for number in range(1, len(plan.classes) + 1):
            both = int(((ours == number) & (truth == number)).sum())
            either = int((ours == number).sum()) + int((truth == number).sum())
            lowest = min(lowest, 2 * both / either) if either else lowest
    return lowest


def _nearness(said: torch.Tensor, exact: torch.Tensor) -> float:
    """Return 1 less the largest difference, in deviations of what is exact, or in ones."""
    spread = max(float(exact.std()) if exact.numel() > 1 else 1.0, 1.0)
    return max(0.0, 1.0 - float((said - exact).abs().max()) / spread)
