"""DenseNet-121 over generated X-rays of 224 x 224 pixels: ten epochs of NIH's 112,120 images.

The images are phantoms, stored as the hub stores a radiograph, each with the answers to fourteen
findings; they are read, augmented and learnt as `sightline train` does, with the recipe's mixed
precision. A published cluster took under two hours for ten epochs. Fewer `--images` measure the
pace after a start that is left out; the whole is then that pace times 1,120,000.

On a machine without a GPU a few steps show that the command stands; the figure means nothing there.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch

from sightline.feed.batches import Batch
from sightline.feed.example import Example
from sightline.store.arrays import StoredArray, write_array
from sightline.train.budget import Budget
from sightline.train.determinism import deterministic
from sightline.train.device import device_named, thread_count
from sightline.train.fingerprint import take_fingerprint
from sightline.train.plan import plan as make_plan
from sightline.train.run import Run
from sightline.values.geometry import Geometry
from sightline.values.recipe import Recipe

_EDGE = 224
_FINDINGS = [f"finding_{number}" for number in range(14)]
_NIH, _EPOCHS = 112_120, 10
_PUBLISHED_MINUTES = 120.0
_PLANNED_FROM = 256
_OFTEN = 0.1
_SPACING = np.diag([1.0, 1.6, 1.6, 1.0])[[2, 1, 0, 3]]


def main(arguments: list[str]) -> None:
    """Make the images, train, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--distinct", type=int, default=_NIH, help="images that are made")
    parser.add_argument("--images", type=int, default=_NIH * _EPOCHS, help="that are learnt from")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--start", type=int, default=20, help="steps before the timer is on")
    parser.add_argument("--folder", type=Path, help="keep the images here, or take them from it")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        examples = xrays(given.folder or Path(scratch), given.distinct)
        steps = max(1, given.images // given.batch)
        line = learn(
            examples, device=given.device, batch=given.batch, steps=steps, start=given.start
        )
    print(json.dumps(line), flush=True)


def xrays(folder: Path, count: int) -> list[Example]:
    """Make images that are not there yet, and open all."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(count) if not (folder / str(number)).exists()]
    # What writes has threads of its own, which a fork would lose.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        for _ in processes.map(_make, itertools.repeat(folder), missing, chunksize=64):
            pass
    return [_opened(folder / str(number), number) for number in range(count)]


def _make(folder: Path, number: int) -> None:
    """Write a radiograph of noise upon two dark fields, in twelve bits."""
    random = np.random.default_rng(number)
    rows, columns = np.meshgrid(*[np.linspace(-1, 1, _EDGE)] * 2, indexing="ij")
    wide = random.uniform(0.25, 0.35)
    fields = sum(((columns - side) / wide) ** 2 + (rows / 0.7) ** 2 < 1 for side in (-0.45, 0.45))
    image = 2600 - 1200 * fields + random.normal(0, 80, (_EDGE, _EDGE))
    write_array(folder / str(number), image.clip(0, 4095).astype(np.uint16)[None], {})


def _opened(path: Path, number: int) -> Example:
    array = StoredArray.open(path)
    said = np.random.default_rng([number, 1]).random(len(_FINDINGS)) < _OFTEN
    return Example(
        series_uid=path.name,
        subject_id=path.name,
        volume=array,
        geometry=Geometry.from_affine(array.shape, _SPACING),
        modality="DX",
        numbers=tuple(said.astype(float).tolist()),
    )


def learn(
    examples: list[Example], *, device: str, batch: int, steps: int, start: int
) -> dict[str, object]:
    """Train so many steps and more for the start; say how long ten epochs take at that pace."""
    recipe = _recipe(batch, steps + start)
    place, threads = device_named(device), thread_count(0)
    mark = take_fingerprint(examples[:_PLANNED_FROM], tuple(_FINDINGS))
    plan = make_plan(recipe, mark, budget=Budget.of(place, threads))
    with deterministic(threads, recipe.training.seed):
        run = Run.begin(recipe, plan, start_from=None, device=device, threads=threads)
        groups = run.groups(run.feed(examples), 0)
        _steps(run, groups, range(start))
        began = time.perf_counter()
        waited_s = _steps(run, groups, range(start, start + steps))
        seconds = time.perf_counter() - began
    pace = steps * batch / seconds
    minutes = _NIH * _EPOCHS / pace / 60
    return {
        "name": "DenseNet-121 over ten epochs of 112,120 X-rays",
        "ours": round(minutes, 2),
        "peer": _PUBLISHED_MINUTES,
        "ratio": round(_PUBLISHED_MINUTES / minutes, 2),
        "unit": "min",
        "peer is": "published, a cluster",
        "images a second": round(pace, 3),
        "images learnt from": steps * batch,
        "distinct images": len(examples),
        "batch": batch,
        "wait share": round(waited_s / seconds, 3),
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else place.type,
    }


def _steps(run: Run, groups: Iterator[Iterator[Batch]], steps: range) -> float:
    """Do steps; return how long they waited for their batches."""
    waited_s = 0.0
    for step in steps:
        batches = list(next(groups))
        waited_s += sum(batch.wait_s for batch in batches)
        run.learner.learn(batches, step=step, rate=0.01)
    if run.learner.device.type == "cuda":
        torch.cuda.synchronize()
    return waited_s


def _recipe(batch: int, steps: int) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "xrays",
            "title": "Findings on a frontal chest X-ray",
            "accepts": {"modality": "DX", "min_slices": 1},
            "task": {
                "kind": "classify",
                "target": "findings",
                "classes": _FINDINGS,
                "exclusive": False,
            },
            "inputs": {"patch": [1, _EDGE, _EDGE]},
            "network": {"name": "densenet121"},
            "training": {"steps": steps, "batch": batch, "mirror": ["left_right"]},
        }
    )


if __name__ == "__main__":
    main(sys.argv[1:])
