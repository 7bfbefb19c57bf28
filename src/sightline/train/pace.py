"""How long a run takes on this device: timed on the first steps of the run itself."""

import dataclasses
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from sightline import clock
from sightline.feed.example import Example
from sightline.train.checkpoint import RunState, save_checkpoint
from sightline.train.determinism import deterministic
from sightline.train.evaluate import evaluate
from sightline.train.run import Run, Splits
from sightline.train.schedule import Pace, settled
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

# The first steps choose kernels and fill caches.
_WARM_UP = 2
_MOST_STEPS = 12


def within(plan: Plan, recipe: Recipe, pace: Pace, *, seconds: float, why: str) -> Plan:
    """Give a plan the number of steps that end in time.

    Raises:
        Refused: Not one step does.
    """
    steps = pace.steps_within(seconds, settled(recipe, plan))
    timed = (
        f"{why}: {pace.step_s:.3g} s a step and {pace.validation_s:.2g} s a validation, timed here"
    )
    return dataclasses.replace(plan, steps=steps, reasons=plan.reasons | {"steps": timed})


def measure_pace(
    recipe: Recipe,
    plan: Plan,
    splits: Splits,
    *,
    start_from: Path | None,
    threads: int,
    device: str,
    seconds: float,
) -> Pace:
    """Train for a moment, `seconds` at most besides the shortest trial, and forget it.

    Raises:
        Refused: An example has no mask.
        BadRecipe: The earlier model is another architecture.
        DamagedObject: Data or weights cannot be read.
        MissingDevice: The device is not there.
    """
    with deterministic(threads, recipe.training.seed):
        began = clock.monotonic()
        run = Run.begin(recipe, plan, start_from=start_from, device=device, threads=threads)
        feed = run.feed(splits.training)
        start_s = clock.monotonic() - began
        times: list[float] = []
        until = began + seconds
        last = clock.monotonic()
        for step, batches in enumerate(run.groups(feed, 0)):
            run.learner.learn(batches, step=step, rate=0.0).value()
            now = clock.monotonic()
            times.append(now - last)
            last = now
            is_enough = len(times) > _WARM_UP + 1 and now > until
            if is_enough or len(times) == _WARM_UP + _MOST_STEPS:
                break
        chosen = splits.validation[: recipe.training.validation_volumes]
        return Pace(
            start_s=start_s,
            step_s=statistics.median(times[_WARM_UP:] or times),
            validation_s=_one_validation(run, chosen[0]) * len(chosen) if chosen else 0.0,
            checkpoint_s=_timed(lambda: _one_checkpoint(run)),
        )


def _one_validation(run: Run, example: Example) -> float:
    evaluate(run.model(), [example])
    return _timed(lambda: evaluate(run.model(), [example]))


def _one_checkpoint(run: Run) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), RunState(identity=""), run.learner)


def _timed(work: Callable[[], object]) -> float:
    began = clock.monotonic()
    work()
    return clock.monotonic() - began
