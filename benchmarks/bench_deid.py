"""De-identification beside dicognito, dicom-anonymizer and pydicom's deid: one folder, one scorer.

Each peer runs in an environment of its own (`make bench` installs them) with the best profile that
its documentation gives for data that must keep a patient's story; `benchmarks/deid/drive_*.py` say
which. The work: objects with planted identifiers, hostile objects, and patients with several
studies that refer to one another. Then the speed, in interleaved rounds, one process each, medians:
of the loop over the files after the imports, by the clock and by the processor, and of the whole
command with the start of its interpreter. Ours makes every file durable before the next, the peers
do not, so the speed is given twice: in a memory file system, where that costs nobody anything, and
on the disk as they come. `--settings durable` makes the peers fsync too. Two of our processes are
held against one, and against two runs that share nothing: what the machine itself allows.

One JSON line a claim. `peer` is the best of the peers; a ratio above 1 says that ours is better.
Counts are compared with one added to both, because none left is the aim.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.deid import score
from benchmarks.deid.planted import identifiers_in, write_hostile, write_planted
from benchmarks.deid.speed import LOADS, PATIENTS, write_load
from benchmarks.deid.story import write_story
from benchmarks.deid.tools import OURS, PEERS, installed, run, run_command

LIMIT_S = 20
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
Values: TypeAlias = dict[str, float | None]
Table: TypeAlias = dict[str, Values]


def main() -> None:
    """Score every tool, time every tool, and print a line a claim."""
    given = _arguments()
    names = installed(given.peers)
    where = _MEMORY if _MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=where, prefix="bench-deid-") as memory,
        tempfile.TemporaryDirectory(prefix="bench-deid-") as disk,
    ):
        if given.score:
            work = write_work(
                Path(memory), patients=given.patients, visits=given.visits, hostile=given.hostile
            )
            for line in claims(score_tools(work, names)):
                print(json.dumps(line), flush=True)
            shutil.rmtree(work)
        folders = {"memory": Path(memory), "disk": Path(disk), "durable": Path(disk)}
        for load in [LOADS[name] for name in given.loads] if given.rounds else ():
            count = given.objects or load.files
            source = write_load(Path(memory) / "load", load, count)
            for setting in given.settings:
                rates = time_tools(
                    source,
                    folders[setting],
                    names,
                    is_durable=setting == "durable",
                    rounds=given.rounds,
                )
                for line in _rate_lines(f"{count} {load.name}, {setting}", rates):
                    print(json.dumps(line), flush=True)
            shutil.rmtree(source)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--score", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--patients", type=int, default=4)
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--hostile", type=int, default=14, help="hostile objects")
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=LOADS)
    parser.add_argument("--objects", type=int, help="files of each load, in place of its own")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--rounds", type=int, default=3, help="0 leaves the timer off")
    settings = ("memory", "disk", "durable")
    parser.add_argument("--settings", nargs="+", choices=settings, default=settings[:2])
    return parser.parse_args()


def write_work(folder: Path, *, patients: int, visits: int, hostile: int) -> Path:
    """Write the three folders that are scored."""
    work = folder / "work"
    work.mkdir()
    write_planted(work / "planted")
    write_hostile(work / "hostile", count=hostile)
    write_story(work / "story", patients=patients, visits=visits)
    return work


def score_tools(work: Path, names: Iterable[str]) -> Table:
    """Run each tool over the work and return columns of values by tool."""
    table: Table = defaultdict(dict)
    for name in names:
        held = 0
        for source in sorted(path for path in work.iterdir() if path.is_dir()):
            target = work.parent / f"{name}-{source.name}"
            outcome = run(name, source, target, limit_s=LIMIT_S).outcome
            for column, value in _columns(source, outcome):
                table[column][name] = value
            held += len(outcome.held)
            shutil.rmtree(target)
        table["files held with a reason"][name] = held
    return table


def _columns(source: Path, outcome: score.Outcome) -> Iterator[tuple[str, float | None]]:
    count = len(list(source.iterdir()))
    yield f"files of {count} {source.name} ones that crashed", outcome.crashes(source)
    is_story = source.name == "story"
    find = score.story_identifiers(source) if is_story else identifiers_in
    left, planted = score.identifiers_left(source, outcome, find)
    # A tool that wrote nothing proved nothing.
    yield (
        f"identifiers left of {planted} in {source.name} objects",
        left if outcome.outputs else None,
    )
    kept, total = score.pixels(source, outcome)
    yield f"pixels unchanged, {source.name} objects", _percent(kept, total)
    if is_story:
        yield "references resolved", _percent(*score.references(source, outcome))
        yield "intervals kept", _percent(*score.intervals(source, outcome))
        yield "ages kept", _percent(*score.ages(source, outcome))
        yield "new dciodvfy errors", len(score.new_errors(source, outcome))


def _percent(kept: int, total: int) -> float | None:
    return round(100 * kept / total, 2) if total else None


def claims(table: Table) -> Iterator[dict[str, object]]:
    """Return a line for each column."""
    for column, values in sorted(table.items()):
        is_share = column.startswith(("pixels", "references", "intervals", "ages"))
        peers = {name: value for name, value in values.items() if name != OURS}
        known = [value for value in peers.values() if value is not None]
        ours = values[OURS]
        peer = (max if is_share else min)(known, default=None)
        ratio = None
        if ours is not None and peer is not None and "held" not in column:
            ratio = round(ours / peer if is_share and peer else (peer + 1) / (ours + 1), 3)
        unit = "%" if is_share else "count"
        line = {"name": column, "ours": ours, "peer": peer, "ratio": ratio, "unit": unit}
        yield line | {"peers": peers}


def time_tools(
    source: Path, folder: Path, names: list[str], *, is_durable: bool, rounds: int
) -> dict[str, dict[str, float]]:
    """Return the median rates by what was timed and by tool, in files a second."""
    count = len(list(source.iterdir()))
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name in names:
            target = folder / f"out-{name}"
            with _cleared(target):
                done = run(name, source, target, durable=is_durable)
            seconds["loop", name].append(done.loop_s)
            seconds["loop, processor time", name].append(done.cpu_s)
            if name != OURS:
                seconds["command", name].append(done.process_s)
        target = folder / "out-two"
        with _cleared(target):
            two = run(OURS, source, target, processes=2)
        seconds["loop, two processes", OURS].append(two.loop_s)
        seconds["loop, two runs apart", OURS].append(_apart_s(source, folder))
        for what, processes in (("command", 1), ("command, two processes", 2)):
            target = folder / "out-command"
            with _cleared(target):
                seconds[what, OURS].append(run_command(source, target, processes=processes))
    rates: dict[str, dict[str, float]] = defaultdict(dict)
    for (what, name), each in seconds.items():
        rates[what][name] = round(count / statistics.median(each), 1)
    return rates


def _apart_s(source: Path, folder: Path) -> float:
    """Run two that share nothing side by side, on half the patients each: all a machine can do."""
    halves = [source.with_name(f"{source.name}-{half}") for half in range(2)]
    for number, path in enumerate(sorted(source.iterdir())):
        half = halves[number % PATIENTS * 2 // PATIENTS]
        half.mkdir(exist_ok=True)
        os.link(path, half / path.name)
    targets = [folder / f"out-apart-{half}" for half in range(2)]
    with _cleared(targets[0]), _cleared(targets[1]), ThreadPoolExecutor(2) as threads:
        done = list(threads.map(partial(run, OURS), halves, targets))
    for half in halves:
        shutil.rmtree(half)
    return max(each.loop_s for each in done)


@contextmanager
def _cleared(target: Path) -> Iterator[None]:
    """Let nothing that was written before be on its way to the disk, and leave nothing behind."""
    os.sync()
    yield
    for folder in (target, Path(f"{target}-data")):
        shutil.rmtree(folder, ignore_errors=True)


def _rate_lines(what: str, rates: dict[str, dict[str, float]]) -> Iterator[dict[str, object]]:
    for timed in ("loop", "command"):
        one, two = rates[timed][OURS], rates[f"{timed}, two processes"][OURS]
        line = {"name": f"{what}, {timed}, two processes over one", "ours": two, "peer": one}
        yield line | {"ratio": round(two / one, 2), "unit": "files/s"}
    two, apart = (rates[f"loop, {how}"][OURS] for how in ("two processes", "two runs apart"))
    line = {"name": f"{what}, loop, two processes over two runs apart", "ours": two, "peer": apart}
    yield line | {"ratio": round(two / apart, 2), "unit": "files/s"}
    for timed in ("loop", "loop, processor time", "command"):
        ours = rates[timed].pop(OURS)
        peer = max(rates[timed].values(), default=None)
        ratio = round(ours / peer, 2) if peer else None
        line = {"name": f"{what}, {timed}", "ours": ours, "peer": peer, "ratio": ratio}
        yield line | {"unit": "files/s", "peers": rates[timed]}


if __name__ == "__main__":
    main()
