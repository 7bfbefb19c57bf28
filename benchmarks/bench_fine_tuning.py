"""Fine-tuning to another scanner: 10 subjects after 100 others, beside 10 subjects alone.

Real MR crops of the hippocampus (Medical Segmentation Decathlon, Task04, CC BY-SA 4.0), which the
folder named by SIGHTLINE_TEST_DATA holds. The other scanner is made: slices of 2 mm, another
contrast, a coil's shading, more noise. A model learns from 100 subjects as they are for
`--base-minutes`. Then the same 10 subjects of the other scanner are learnt from for `--minutes`
(several: one after the other), once from its weights and once from nothing, and both are scored on
subjects neither has seen. What the fine-tuned model forgot of the old scanner is printed beside.

One JSON line for each number of minutes.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from benchmarks.training.ours import learn
from benchmarks.training.score import paired_interval, score
from benchmarks.training.work import of_another_scanner, phantoms, real_pairs, split

_LEAST_GAIN = 0.03


def main(arguments: list[str]) -> None:
    """Train a model, then two for each number of minutes, score them, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-minutes", type=float, default=20.0)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 3.0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--few", type=int, default=10, help="subjects of the other scanner")
    parser.add_argument("--phantoms", type=int, default=0, help="so many instead of real crops")
    given = parser.parse_args(arguments)
    pairs = phantoms(given.phantoms, (36, 50, 35)) if given.phantoms else real_pairs()
    learnt, held = split(pairs)
    many, few = learnt[: -given.few], [of_another_scanner(each) for each in learnt[-given.few :]]
    there = [of_another_scanner(each) for each in held]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = learn(many, folder / "base", minutes=given.base_minutes, device=given.device)
        before = {
            "there": score(base.model, there, folder / "there"),
            "old": score(base.model, held, folder / "held"),
        }
        for minutes in given.minutes:
            timed = {"minutes": minutes, "device": given.device}
            tuned = learn(few, folder / f"tuned-{minutes:g}", start=base, **timed)
            alone = learn(few, folder / f"alone-{minutes:g}", **timed)
            found = before | {
                "tuned": score(tuned.model, there, folder / "there"),
                "alone": score(alone.model, there, folder / "there"),
                "old, tuned": score(tuned.model, held, folder / "held"),
            }
            line = told(found) | {
                "data": "phantoms" if given.phantoms else "real hippocampus crops, scanner made",
                "minutes": minutes,
                "base, minutes": given.base_minutes,
                "subjects": [len(many), len(few), len(held)],
                "steps": [base.plan.steps, tuned.plan.steps, alone.plan.steps],
            }
            print(json.dumps(line), flush=True)


def told(found: dict[str, np.ndarray]) -> dict[str, object]:
    """Say what was gained and what was forgotten."""
    means = {name: round(float(np.mean(scores)), 4) for name, scores in found.items()}
    low, high = paired_interval(found["tuned"], found["alone"])
    gain = float(np.mean(found["tuned"] - found["alone"]))
    return {
        "name": "Dice after fine-tuning to another scanner, beside the same minutes from nothing",
        "ours": means["tuned"],
        "peer": means["alone"],
        "ratio": round(means["tuned"] / max(means["alone"], 1e-9), 3),
        "unit": "Dice",
        "gain": round(gain, 4),
        "gain, 95 %": [round(low, 4), round(high, 4)],
        "holds": gain >= _LEAST_GAIN,
        "there before fine-tuning": means["there"],
        "on the old scanner, before": means["old"],
        "on the old scanner, after": means["old, tuned"],
    }


if __name__ == "__main__":
    main(sys.argv[1:])
