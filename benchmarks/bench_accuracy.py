"""Accuracy at equal time: Sightline and nnU-Net v2 on the hippocampus, both ending in `--minutes`.

Real MR crops of the Medical Segmentation Decathlon, Task04 (CC BY-SA 4.0), which the folder named
by SIGHTLINE_TEST_DATA holds. Left and right of one person may both be there under unrelated
numbers. One split for both, drawn once from the seed: 111 subjects to learn from, 28 held out.

Sightline runs the shipped recipe as `sightline train hippocampus --minutes` does. nnU-Net plans by
its own rules and trains with its own trainer, loader, augmentation and deep supervision; the
number of its epochs and iterations is set, by its own speed measured on the first steps, so that
its polynomial schedule ends in the same time (1,000 epochs of 250 would take days on two cores).
It runs twice: with its own plan, whose batch of nine large patches leaves few iterations on a small
machine, and with our network, patch and batch in its plan, which tells the methods apart.
All predict as they ship: nnU-Net with mirroring and its own sliding windows, Sightline as the
recipe says. All are scored by one scorer: Dice of each structure, averaged, subject by subject;
the interval is a paired bootstrap over the held-out subjects.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import nibabel as nib
import numpy as np
from benchmarks.training import nnunet
from benchmarks.training.ours import learn
from benchmarks.training.score import dice, paired_interval, score
from benchmarks.training.work import Pair, phantoms, real_pairs, split, write_nnunet

from sightline.values.plan import Plan

_WORST = 0.01
_LEAST = 0.885
_PLANS = {"its": "its own plan", "ours": "our network, patch and batch"}


def main(arguments: list[str]) -> None:
    """Train all, score all, and print one JSON line for each plan of nnU-Net."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--phantoms", type=int, default=0, help="so many instead of real crops")
    names = "plans of nnU-Net: " + "; ".join(f"{key}, {name}" for key, name in _PLANS.items())
    parser.add_argument("--plans", nargs="+", choices=_PLANS, default=list(_PLANS), help=names)
    given = parser.parse_args(arguments)
    pairs = phantoms(given.phantoms, (36, 50, 35)) if given.phantoms else real_pairs()
    learnt, held = split(pairs)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours, plan, ours_said = train_ours(
            learnt, held, folder / "ours", minutes=given.minutes, device=given.device
        )
        base: dict[str, object] = {
            "ours": round(float(ours.mean()), 4),
            "unit": "Dice",
            "minutes": given.minutes,
            "held out": len(held),
            "data": "phantoms" if given.phantoms else "real hippocampus crops",
            "ours did": ours_said,
        }
        if not nnunet.is_there():
            print("nnunetv2 is not installed: make .peers/nnunetv2/installed", file=sys.stderr)
            print(json.dumps({"name": "mean Dice, no peer is there"} | base))
            return
        for kind in given.plans:
            own = None if kind == "its" else plan
            peer, said = train_peer(
                learnt,
                held,
                folder / f"nnunet-{kind}",
                plan=own,
                minutes=given.minutes,
                device=given.device,
            )
            line = {"name": f"mean Dice at equal time beside nnU-Net v2, {_PLANS[kind]}"}
            line |= base | compared(ours, peer) | {"peer did": said}
            print(json.dumps(line), flush=True)


def compared(ours: np.ndarray, peer: np.ndarray) -> dict[str, object]:
    """Hold the Dice of the same subjects against each other."""
    low, high = paired_interval(peer, ours)
    return {
        "peer": round(float(peer.mean()), 4),
        "ratio": round(float(ours.mean() / peer.mean()), 3),
        "peer minus ours, 95 %": [round(low, 4), round(high, 4)],
        "holds": bool(high <= _WORST and ours.mean() >= _LEAST),
    }


def train_ours(
    learnt: list[Pair], held: list[Pair], folder: Path, *, minutes: float, device: str
) -> tuple[np.ndarray, Plan, dict[str, object]]:
    """Train the shipped recipe within the time; return each held-out subject's Dice."""
    found = learn(learnt, folder, minutes=minutes, device=device)
    said: dict[str, object] = {"steps": found.plan.steps, "seconds": round(found.seconds, 1)}
    return score(found.model, held, folder / "held"), found.plan, said


def train_peer(
    learnt: list[Pair],
    held: list[Pair],
    folder: Path,
    *,
    plan: Plan | None,
    minutes: float,
    device: str,
) -> tuple[np.ndarray, dict[str, object]]:
    """Train nnU-Net within the time, by its own plan or ours; return each subject's Dice."""
    folder.mkdir(parents=True)
    write_nnunet(folder, [*learnt, *held], validation=[pair.name for pair in held])
    # Planning and preprocessing are not counted: a user of nnU-Net does them once.
    nnunet.prepare(folder, plan)
    said = nnunet.train(folder, device=device, minutes=minutes)
    found = []
    for pair in held:
        image = nib.load(Path(said["predictions"]) / f"{pair.name}.nii.gz")
        found.append(dice(np.asarray(image.dataobj).transpose(2, 1, 0), pair.mask))
    return np.array(found), {
        "epochs": said["epochs"],
        "iterations an epoch": said["iterations"],
        "seconds": round(said["seconds"], 1),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
