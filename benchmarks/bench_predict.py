"""One CT-like series from its folder to a mask on disk: ours beside nnU-Net v2 and MONAI.

A phantom of 512 x 512 x 250 voxels with known lesions, and nnU-Net's plain U-Net that learnt such
lesions on other phantoms; the same weights for all. Each contender is a process of its own with its
weights loaded; they run one after the other, in rounds. Sightline goes from the DICOM folder to a
DICOM Segmentation, as its worker does, decoding in a limited child process. nnU-Net goes from NIfTI
to NIfTI by its predictor and its export with their default processes, MONAI by the transforms,
sliding window, inversion and writer that its bundles use: neither is charged for DICOM. nnU-Net's
mirroring, on by default and eight times as long, is off.

(a) the same back end (PyTorch, eager, float32) and windows that overlap by half, Gaussian: what
everything but the network takes. (b) each as it ships: ours by the back end that its trial picks,
windows a quarter over each other.

Peak memory is the sum of the proportional set sizes of a contender's processes, looked at five
times a second. One JSON line a claim.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import nibabel as nib
import numpy as np
import torch
from benchmarks.predict.work import Work, dice, make, plan_of

ROOT = Path(__file__).parent.parent
_HERE = Path(__file__).parent / "predict"
_LOOK_S = 0.2
_MOST_SHARE, _LEAST_TIMES, _MOST_MEMORY, _MOST_DICE = 0.15, 4.0, 0.5, 0.002
_CONTENDERS = {
    "sightline, same": ("drive_sightline.py", sys.executable, ("eager", "0.5")),
    "sightline, stock": ("drive_sightline.py", sys.executable, ("picked", "0.25")),
    "nnU-Net": ("drive_nnunet.py", str(ROOT / ".peers/nnunetv2/bin/python"), ()),
    "MONAI, same": ("drive_monai.py", str(ROOT / ".peers/monai/bin/python"), ("same",)),
    "MONAI, stock": ("drive_monai.py", str(ROOT / ".peers/monai/bin/python"), ("stock",)),
}


def main(arguments: list[str]) -> None:
    """Make the work, let every contender do it, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=3, default=[250, 512, 512])
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128, 160])
    parser.add_argument("--steps", type=int, default=300, help="of the network's training")
    parser.add_argument("--lessons", type=int, default=6, help="phantoms that it learns from")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--work", type=Path, help="keeps the taught network for the next time")
    parser.add_argument("--only", nargs="+", choices=_CONTENDERS, default=list(_CONTENDERS))
    given = parser.parse_args(arguments)
    plan = plan_of((given.patch,) * 3, tuple(given.channels), overlap=0.5)
    with tempfile.TemporaryDirectory() as scratch:
        size = (given.size[0], given.size[1], given.size[2])
        work = make(
            given.work or Path(scratch),
            size=size,
            plan=plan,
            steps=given.steps,
            lessons=given.lessons,
        )
        found = {}
        if "sightline, stock" in given.only:
            subprocess.run(
                [sys.executable, _HERE / "drive_sightline.py", work.folder, "trial", "0.25", "0"],
                stdout=sys.stderr,
                check=True,
            )
        for name in given.only:
            driver, python, settings = _CONTENDERS[name]
            if not Path(python).exists():
                print(f"{name} is not installed: see `make bench`", file=sys.stderr)
                continue
            found[name] = run(work, [python, str(_HERE / driver)], settings, rounds=given.rounds)
            found[name]["dice"] = round(dice(_drawn(work.folder, driver), work.truth), 4)
            print(json.dumps({"name": name, **found[name]}), file=sys.stderr, flush=True)
    data = {"data": f"phantom CT of {'x'.join(map(str, given.size))}", "rounds": given.rounds}
    for line in claims(found):
        print(json.dumps(line | data))


def run(
    work: Work, command: list[str], settings: tuple[str, ...], *, rounds: int
) -> dict[str, Any]:
    """Let one contender do its rounds; return medians, and its peak memory."""
    asked = [*command, str(work.folder), *settings, str(rounds)]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as process:
        peak = Peak(process.pid)
        with peak:
            answers = [json.loads(line) for line in process.stdout or ()]
    if process.returncode or len(answers) != rounds:
        sys.exit(f"{command[-1]} ended with {process.returncode}")
    numbers = [name for name, value in answers[0].items() if isinstance(value, int | float)]
    medians = {
        name: round(float(np.median([each[name] for each in answers])), 3) for name in numbers
    }
    others = {name: value for name, value in answers[-1].items() if name not in numbers}
    return {**medians, **others, "peak_mb": round(peak.most_kb / 1024)}


class Peak:
    """Looks at the memory of a process and all it started, until left."""

    def __init__(self, pid: int) -> None:
        self.most_kb = 0
        self._pid, self._ends = pid, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ends.is_set():
            self.most_kb = max(self.most_kb, sum(map(_pss_kb, _tree(self._pid))))
            time.sleep(_LOOK_S)


def claims(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold ours against the peers."""
    lines = []
    same, peer = found.get("sightline, same"), found.get("nnU-Net")
    if same and peer:
        ours, theirs = (each["total_s"] - each["network_s"] for each in (same, peer))
        lines.append(
            {
                "name": "everything but the network, same back end and overlap, beside nnU-Net v2",
                "ours": round(ours, 2),
                "peer": round(theirs, 2),
                "ratio": round(theirs / ours, 2),
                "unit": "s",
                "windows": [same["windows"], peer["windows"]],
                "windows of the full grid": same["full_grid_windows"],
                "holds": ours <= _MOST_SHARE * theirs,
            }
        )
    stock = found.get("sightline, stock")
    peers = [found[name] for name in ("nnU-Net", "MONAI, stock") if name in found]
    if stock and peers:
        best = min(peers, key=lambda each: each["total_s"])
        ratio = best["total_s"] / stock["total_s"]
        lines.append(
            {
                "name": "series to mask on disk, each as it ships, beside the faster peer",
                "ours": stock["total_s"],
                "peer": best["total_s"],
                "ratio": round(ratio, 2),
                "unit": "s",
                "back end": stock["back_end"],
                "windows": [stock["windows"], best["windows"]],
                "holds": ratio >= _LEAST_TIMES,
            }
        )
    for name, one in (("same", same), ("stock", stock)):
        theirs = [found[each] for each in ("nnU-Net", f"MONAI, {name}") if each in found]
        if one and theirs:
            least = min(each["peak_mb"] for each in theirs)
            highest = max(each["dice"] for each in theirs)
            lines += [
                {
                    "name": f"peak memory, {name}, beside the peer that takes less",
                    "ours": one["peak_mb"],
                    "peer": least,
                    "ratio": round(least / one["peak_mb"], 2),
                    "unit": "MB",
                    "holds": one["peak_mb"] <= _MOST_MEMORY * least,
                },
                {
                    "name": f"Dice to the truth, {name}, beside the better peer",
                    "ours": one["dice"],
                    "peer": highest,
                    "ratio": round(one["dice"] / max(highest, 1e-9), 4),
                    "unit": "Dice",
                    "holds": one["dice"] >= highest - _MOST_DICE,
                },
            ]
    return lines


def _drawn(folder: Path, driver: str) -> np.ndarray:
    """Return the mask that a contender wrote last, (slices, rows, columns)."""
    if driver == "drive_sightline.py":
        return torch.load(folder / "sightline.pt").numpy()
    path = folder / ("nnunet.nii.gz" if "nnunet" in driver else "monai/image_seg.nii.gz")
    return np.asarray(nib.load(path).dataobj).squeeze().transpose(2, 1, 0).astype(np.uint8)


def _tree(pid: int) -> list[int]:
    found, at = [pid], 0
    while at < len(found):
        try:
            tasks = list(Path(f"/proc/{found[at]}/task").iterdir())
            for task in tasks:
                found += map(int, (task / "children").read_text().split())
        except OSError:
            pass
        at += 1
    return found


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main(sys.argv[1:])
