"""Do two steps of plans given as JSON lines, and print how many megabytes each held at most."""

import ctypes
import gc
import json
import sys
from pathlib import Path

import torch

from sightline.feed.batches import Batch
from sightline.networks.contract import NETWORKS
from sightline.train.learner import Learner
from sightline.values.plan import Plan
from sightline.values.recipe import Training


def main() -> None:
    torch.set_num_threads(2)
    # What libraries set up on first use is no plan's.
    _steps(Plan.from_json(json.loads(sys.stdin.readline())))
    for line in sys.stdin:
        plan = Plan.from_json(json.loads(line))
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _status("VmRSS")
        _steps(plan)
        sys.stdout.write(f"{(_status('VmHWM') - before) / 1024:.1f}\n")


def _steps(plan: Plan) -> None:
    learner = Learner.of(
        NETWORKS.get(plan.network).build(plan),
        plan,
        Training(steps=2, batch=plan.batch),
        device=torch.device("cpu"),
        is_bfloat16=False,
    )
    batch = Batch(
        step=0,
        images=torch.randn((plan.batch, 1, *plan.patch)),
        masks=torch.randint(0, 3, (plan.batch, *plan.patch), dtype=torch.uint8),
        wait_s=0.0,
    )
    for step in range(2):
        learner.learn([batch], step=step, rate=0.01)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


main()
