"""A training step: fed and augmented, beside the same step on a resident batch and beside nnU-Net.

Phantoms of the size of a hippocampus crop with the shipped recipe's network and patch, and patches
of 96 voxels cubed. nnU-Net v2 runs in an environment of its own with the same network, patch and
batch, its own loader and augmentation, set up as `nnUNetv2_train -device cpu` sets itself up.
Rounds are interleaved; between them its processes are stopped, and each of its rounds begins with
full queues. Steps a second; each contender's median round counts.

nnU-Net computes in float32 on a processor. So do we for the claim; what the default gains on a
processor that computes bfloat16 is a line of its own.

`--device cuda` does the same with the network of a 3d_fullres plan, patches of 128 voxels cubed,
batch 2: the share of time that the GPU is busy, and an epoch of 250 iterations beside nnU-Net's
in the same run and beside the 39 s (GPU augmentation) and 70 s published for an A100.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from benchmarks.training import nnunet
from benchmarks.training.busy import busy_share
from benchmarks.training.work import phantoms, recipe_of, stored, write_nnunet

from sightline.feed.batches import Batch
from sightline.train.budget import Budget
from sightline.train.determinism import deterministic
from sightline.train.device import device_named, thread_count
from sightline.train.fingerprint import take_fingerprint
from sightline.train.plan import plan as make_plan
from sightline.train.run import Run
from sightline.values.plan import Plan, Triple
from sightline.values.recipe import Recipe

_LONG_ENOUGH = 100_000  # steps of a schedule that no benchmark reaches the end of
_EPOCH = 250
_PUBLISHED_EPOCH_S = {"GPU augmentation": 39, "CPU augmentation": 70}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """One size of work."""

    name: str
    volume: Triple
    patch: Triple
    channels: list[int]
    volumes: int


HIPPOCAMPUS = Size(
    name="hippocampus size, 32 x 48 x 32",
    volume=(36, 50, 35),
    patch=(32, 48, 32),
    channels=[16, 32, 64, 128],
    volumes=20,
)
CUBE_96 = Size(
    name="96 x 96 x 96",
    volume=(128, 144, 144),
    patch=(96, 96, 96),
    channels=[16, 32, 64, 128, 256],
    volumes=6,
)
FULLRES = Size(
    name="128 x 128 x 128",
    volume=(160, 192, 192),
    patch=(128, 128, 128),
    channels=[32, 64, 128, 256, 320, 320],
    volumes=12,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds a step of one contender, a value a round.

    Of a GPU also the shares of the time of fed steps in which it had its batch, by its own clock,
    and in which a kernel was under way: between two kernels of a step it rests a microsecond.
    """

    resident: list[float]
    fed: list[float]
    peer: list[float]
    supplied: list[float] = dataclasses.field(default_factory=list)
    busy: list[float] = dataclasses.field(default_factory=list)


class Ours:
    """Our trainer, step by step."""

    def __init__(self, size: Size, folder: Path, *, device: str, precision: str) -> None:
        self.recipe = _recipe(size, precision)
        self.examples = stored(folder, phantoms(size.volumes, size.volume))
        self.plan = _plan(self.recipe, self, device=device)
        self._run = Run.begin(
            self.recipe,
            self.plan,
            start_from=None,
            device=device,
            threads=thread_count(0),
        )
        self._groups = self._run.groups(self._run.feed(self.examples), 0)
        # Copied: the feed may reuse its buffers.
        self._resident = [
            dataclasses.replace(batch, images=batch.images.clone(), targets=batch.targets.clone())
            for batch in next(self._groups)
        ]
        self._step = 0
        self.waited_s = 0.0

    def resident(self, count: int) -> float:
        """Do steps on one batch that lies ready."""
        return self._timed(count, lambda: self._resident)

    def fed(self, count: int) -> float:
        """Do steps as a training does them; note how long they waited for their batches."""
        self.waited_s = 0.0

        def batches() -> Iterator[Batch]:
            for batch in next(self._groups):
                self.waited_s += batch.wait_s
                yield batch

        return self._timed(count, batches)

    def _timed(self, count: int, batches: Callable[[], Iterable[Batch]]) -> float:
        began = time.perf_counter()
        for _ in range(count):
            self._run.learner.learn(batches(), step=self._step, rate=0.01)
            self._step += 1
        if self._run.learner.device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - began) / count


def main(arguments: list[str]) -> None:
    """Time every size and print one JSON line a claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="of one round")
    parser.add_argument("--small", action="store_true", help="the smallest size alone")
    parser.add_argument("--no-peer", action="store_true")
    given = parser.parse_args(arguments)
    sizes = [FULLRES] if given.device != "cpu" else [HIPPOCAMPUS, CUBE_96]
    for size in sizes[:1] if given.small else sizes:
        # nnU-Net mixes precisions on a GPU as we do.
        for precision in ("float32", "auto") if given.device == "cpu" else ("auto",):
            has_peer = nnunet.is_there() and not given.no_peer and precision == _fair(given.device)
            pace = measure(
                size,
                device=given.device,
                precision=precision,
                rounds=given.rounds,
                steps=given.steps,
                has_peer=has_peer,
            )
            for line in claims(size, pace, device=given.device, precision=precision):
                print(json.dumps(line), flush=True)


def measure(
    size: Size, *, device: str, precision: str, rounds: int, steps: int, has_peer: bool
) -> Pace:
    """Time all contenders in interleaved rounds."""
    pace = Pace(resident=[], fed=[], peer=[])
    with tempfile.TemporaryDirectory() as name, deterministic(thread_count(0), 0):
        folder = Path(name)
        ours = Ours(size, folder / "arrays", device=device, precision=precision)
        ours.fed(2)
        if device != "cpu":
            ours.fed(steps)
            pace.busy.extend(busy_share(lambda: ours.fed(steps)) for _ in range(rounds))
        if not has_peer:
            for _ in range(rounds):
                _time(ours, steps, pace)
            return pace
        pairs = phantoms(size.volumes, size.volume)
        write_nnunet(folder, pairs, validation=[pairs[0].name])
        nnunet.prepare(folder, ours.plan)
        with nnunet.stepper(folder, device) as peer:
            for _ in range(rounds):
                _time(ours, steps, pace)
                pace.peer.append(peer.steps(steps) / steps)
    return pace


def _time(ours: Ours, steps: int, pace: Pace) -> None:
    """Do one round of ours."""
    pace.resident.append(ours.resident(steps))
    pace.fed.append(ours.fed(steps))
    pace.supplied.append(1 - ours.waited_s / (steps * pace.fed[-1]))


def claims(size: Size, pace: Pace, *, device: str, precision: str) -> list[dict[str, object]]:
    """Say what was found, a line a claim."""
    resident, fed = statistics.median(pace.resident), statistics.median(pace.fed)
    base = {"size": size.name, "device": device, "precision": precision, "rounds": len(pace.fed)}
    lines: list[dict[str, object]] = [
        base
        | {
            "name": "rate of a fed step over a resident one",
            "ours": round(1 / fed, 3),
            "resident": round(1 / resident, 3),
            "unit": "steps/s",
            "ratio": round(statistics.median(map(_ratio, pace.resident, pace.fed)), 3),
        }
    ]
    if pace.peer:
        lines.append(
            base
            | {
                "name": "steps a second beside nnU-Net v2",
                "ours": round(1 / fed, 3),
                "peer": round(1 / statistics.median(pace.peer), 3),
                "unit": "steps/s",
                "ratio": round(statistics.median(map(_ratio, pace.peer, pace.fed)), 3),
            }
        )
    if device != "cpu":
        lines.append(
            base
            | {
                "name": "GPU busy, of the time of fed steps",
                "ours": round(100 * statistics.median(pace.supplied), 2),
                "with a kernel under way": round(100 * statistics.median(pace.busy), 2),
                "unit": "%",
                "device": _name(device),
            }
        )
        lines.append(
            base
            | {
                "name": f"epoch of {_EPOCH} iterations",
                "ours": round(_EPOCH * fed, 1),
                "peer": round(_EPOCH * statistics.median(pace.peer), 1) if pace.peer else None,
                "published on an A100": _PUBLISHED_EPOCH_S,
                "unit": "s",
            }
        )
    return lines


def _ratio(other: float, ours: float) -> float:
    return other / ours


def _name(device: str) -> str:
    return torch.cuda.get_device_name(device) if torch.cuda.is_available() else device


def _fair(device: str) -> str:
    """Return the precision in which nnU-Net computes, too; on a GPU it mixes as we do."""
    return "float32" if device == "cpu" else "auto"


def _recipe(size: Size, precision: str) -> Recipe:
    recipe = recipe_of(steps=_LONG_ENOUGH, batch=2, precision=precision)
    inputs = recipe.inputs.model_copy(update={"patch": size.patch, "spacing_mm": (1.0, 1.0, 1.0)})
    network = recipe.network.model_copy(update={"channels": size.channels})
    return recipe.model_copy(update={"inputs": inputs, "network": network})


def _plan(recipe: Recipe, ours: Ours, *, device: str) -> Plan:
    mark = take_fingerprint(ours.examples, tuple(recipe.task.classes))
    budget = Budget.of(device_named(device), thread_count(0))
    return make_plan(recipe, mark, budget=budget)


if __name__ == "__main__":
    main(sys.argv[1:])
