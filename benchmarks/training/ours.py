"""Our trainer as `sightline train hippocampus --minutes` calls it, without a hub."""

import dataclasses
import time
from pathlib import Path

from benchmarks.training.work import CLASSES, Pair, stored

from sightline.predict.model import Model
from sightline.recipes.library import recipe_named
from sightline.train.budget import Budget
from sightline.train.device import device_named, thread_count
from sightline.train.fingerprint import take_fingerprint
from sightline.train.pace import measure_pace, within
from sightline.train.plan import plan as make_plan
from sightline.train.run import Splits, fit
from sightline.values.plan import Plan


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learnt:
    """What a training made, and how long it took."""

    model: Model
    plan: Plan
    weights: Path
    seconds: float


def learn(
    pairs: list[Pair], folder: Path, *, minutes: float, device: str, start: Learnt | None = None
) -> Learnt:
    """Train the shipped recipe so that it ends in time; from the weights of `start` if given."""
    began = time.monotonic()
    recipe = recipe_named("hippocampus")
    # Nobody looks at a validation here; nnU-Net's trainer has its own, which it pays for.
    splits = Splits(training=stored(folder / "arrays", pairs), validation=[])
    threads = thread_count(0)
    plan = make_plan(
        recipe,
        take_fingerprint(splits.training, CLASSES),
        start_from=start.plan if start else None,
        budget=Budget.of(device_named(device), threads),
    )
    start_from = start.weights if start else None
    pace = measure_pace(
        recipe,
        plan,
        splits,
        start_from=start_from,
        threads=threads,
        device=device,
        seconds=min(30.0, (minutes * 60 - (time.monotonic() - began)) * 0.03),
    )
    left = minutes * 60 - (time.monotonic() - began)
    plan = within(plan, recipe, pace, seconds=left, why=f"what ends in {minutes:g} minutes")
    fitted = fit(
        recipe,
        plan,
        splits,
        workdir=folder / "run",
        start_from=start_from,
        threads=threads,
        device=device,
    )
    seconds = time.monotonic() - began
    weights = folder / "weights.safetensors"
    weights.write_bytes(fitted.weights)
    model = Model.load(weights, fitted.manifest)
    return Learnt(model=model, plan=plan, weights=weights, seconds=seconds)
