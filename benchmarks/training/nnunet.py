"""nnU-Net v2 in an environment of its own, started, stopped between rounds, and asked."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sightline.values.plan import Plan

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".peers" / "nnunetv2" / "bin" / "python"
_DRIVER = Path(__file__).with_name("drive_nnunet.py")


def is_there() -> bool:
    """Tell whether `make .peers/nnunetv2/installed` was run."""
    return (ROOT / ".peers" / "nnunetv2" / "installed").exists()


def prepare(folder: Path, plan: Plan | None) -> None:
    """Let nnU-Net prepare a raw folder; with a plan of ours it takes our network over."""
    ours = {}
    if plan is not None:
        ours = {
            "patch": plan.patch,
            "batch": plan.batch,
            "channels": plan.channels,
            "kernels": plan.kernels,
            "strides": plan.strides,
        }
    _call(folder, "prepare", json.dumps(ours))


def train(folder: Path, *, device: str, minutes: float) -> dict[str, Any]:
    """Let nnU-Net train and predict its validation subjects; return what it says."""
    return _call(folder, "train", device, str(minutes))


class Stepper:
    """A trainer of nnU-Net that waits between rounds, its workers too."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def steps(self, count: int) -> float:
        """Do some steps, beginning with full queues; return the seconds they took."""
        os.killpg(self._process.pid, signal.SIGCONT)
        print(count, file=self._process.stdin, flush=True)
        seconds = float(_answer(self._process)["seconds"])
        os.killpg(self._process.pid, signal.SIGSTOP)
        return seconds


@contextlib.contextmanager
def stepper(folder: Path, device: str) -> Iterator[Stepper]:
    """Start nnU-Net's trainer on a prepared folder."""
    process = _start(folder, "steps", device)
    try:
        _answer(process)
        os.killpg(process.pid, signal.SIGSTOP)
        yield Stepper(process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _call(folder: Path, *arguments: str) -> dict[str, Any]:
    process = _start(folder, *arguments)
    try:
        answer = _answer(process)
        process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return answer


def _start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {
        # Its command asks for every core itself; a limit meant for us would slow it.
        **{name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"},
        "nnUNet_raw": str(folder / "raw"),
        "nnUNet_preprocessed": str(folder / "preprocessed"),
        "nnUNet_results": str(folder / "results"),
        "PYTHONPATH": "",
    }
    with (folder / "nnunet.log").open("ab") as log:
        return subprocess.Popen(
            [PYTHON, _DRIVER, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RuntimeError("nnU-Net ended without an answer; its log lies beside its folders")
    answer: dict[str, Any] = json.loads(line)
    return answer
