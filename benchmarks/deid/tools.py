"""Sightline and its peers, each run on a folder by a process of its own."""

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pydicom
from benchmarks.deid.score import Outcome

from sightline.deid.hub_door import HubDoor
from sightline.settings import Settings

ROOT = Path(__file__).parent.parent.parent
PEERS = ("dicognito", "dicom-anonymizer", "deid")
OURS = "sightline"
_HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of one tool.

    Attributes:
        loop_s: seconds of the loop over the files, after the imports.
        cpu_s: seconds of the loop on the processor, for a machine that others share.
        process_s: seconds of the whole process, with the start of the interpreter.
    """

    loop_s: float
    cpu_s: float
    process_s: float
    outcome: Outcome


def installed(peers: Iterable[str]) -> list[str]:
    """List our tool and those of the peers that are there; say how to install the others."""
    missing = [name for name in peers if not _python(name).exists()]
    for name in missing:
        print(f"{name} is not installed: make .peers/{name}/installed", file=sys.stderr)
    return [OURS, *(name for name in peers if name not in missing)]


def run(
    name: str,
    source: Path,
    target: Path,
    *,
    durable: bool = False,
    limit_s: int = 0,
    processes: int = 1,
) -> Run:
    """Run a tool's driver on a flat folder.

    Args:
        name: ours or a peer.
        source: a folder of files.
        target: a new folder beside which a tool may keep its data.
        durable: make a peer fsync every file, as ours always does.
        limit_s: after how many seconds on the processor a peer gives up a file; 0 for never.
        processes: how many of ours work at a time; a peer has no such option.
    """
    target.mkdir(parents=True)
    if name == OURS:
        options = ["--data-dir", str(_data_of(target)), "--processes", str(processes)]
    else:
        options = ["--limit-s", str(limit_s)]
    options += ["--durable"] if durable and name != OURS else []
    driver = _HERE / f"drive_{name.replace('-', '_')}.py"
    command = [str(_python(name)), str(driver), str(source), str(target), *options]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    process_s = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{name} failed: {done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Run(
        loop_s=said["seconds"],
        cpu_s=said["cpu_seconds"],
        process_s=process_s,
        outcome=_ours(source, target, held=said["held"]) if name == OURS else _theirs(target),
    )


def run_command(source: Path, target: Path, *, processes: int = 1) -> float:
    """Return the seconds of `sightline deid`, as a person types it."""
    command = [sys.executable, "-m", "sightline", "--data-dir", str(_data_of(target)), "deid"]
    command += [str(source), str(target), "--processes", str(processes)]
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - began


def _python(name: str) -> Path:
    return Path(sys.executable) if name == OURS else ROOT / ".peers" / name / "bin" / "python"


def _data_of(target: Path) -> Path:
    return target.parent / f"{target.name}-data"


def _theirs(target: Path) -> Outcome:
    return Outcome(outputs={path.name: path for path in target.iterdir()}, beside=(), held={})


def _ours(source: Path, target: Path, *, held: dict[str, str]) -> Outcome:
    """Find our files by the names that the hub's key gives them."""
    written = {path.stem: path for path in target.rglob("*.dcm")}
    door = HubDoor.open(Settings.load(data_dir=_data_of(target)))
    outputs, kept_back = {}, {}
    for path in source.iterdir():
        dataset = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
        uid = str(dataset.SOPInstanceUID)
        if uid in held:
            kept_back[path.name] = held[uid]
        hub_uid = door.hub_uid(uid)
        if hub_uid in written:
            outputs[path.name] = written[hub_uid]
    rest = {path for path in target.rglob("*") if path.is_file()} - set(outputs.values())
    return Outcome(outputs=outputs, beside=tuple(sorted(rest)), held=kept_back)
