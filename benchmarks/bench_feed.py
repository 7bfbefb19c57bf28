"""Random patches of CT-like volumes, delivered to the training process: ours beside peers.

Every contender is a process of its own that delivers float32 scaled images and integer masks; they
take turns on the same volumes, in rounds whose order turns, each when the one before has filled its
queues and rests. Times are medians of the rounds, by the clock and by the processor (the
processor's time counts all processes of a contender, for a machine that others share). Warm is what
has delivered for twenty seconds before; cold is what the system, and whatever a contender keeps in
memory, has forgotten. Each peer runs the best configuration that its documentation gives; see
docs/performance.md.

One JSON line a claim.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.feed.contenders import (
    AUGMENTED,
    HOST,
    NNUNET,
    OURS,
    PLAIN,
    Contender,
    Measured,
    Store,
    installed,
    started,
    wait_for_quiet,
)
from benchmarks.feed.volumes import Size


def main() -> None:
    """Run the contenders that are installed and print one JSON line a claim."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--volumes", type=int, default=12)
    parser.add_argument("--slices", type=int, default=250)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--patches", type=int, default=64, help="of each contender, a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--edges", type=int, nargs="+", default=[128, 96])
    parser.add_argument("--warm-up", type=float, default=20.0, help="seconds, where it is warm")
    parser.add_argument("--folder", type=Path, help="keep the volumes here, or take them from it")
    parser.add_argument("--only", nargs="+", help="these contenders")
    given = parser.parse_args()
    size = Size(volumes=given.volumes, slices=given.slices, rows=given.rows)
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = Store.make(folder, size)
        for line in claims(store, given):
            print(json.dumps(line), flush=True)


def claims(store: Store, given: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Measure everything and yield a line a claim."""
    share = store.stored_share()
    yield {"name": "image bytes on disk", "ours": share, "unit": "share of raw int16"}
    for edge in given.edges:
        warm = measure(store, PLAIN, edge=edge, given=given)
        yield from compared(warm, f"{edge}^3, warm", per_cpu_s=False)
        yield from compared(warm, f"{edge}^3, warm", per_cpu_s=True)
        for name, found in warm.items():
            yield {
                "name": f"first batch, {edge}^3",
                "who": name,
                "ours": found.first_s,
                "unit": "s",
            }
        cold = [each for each in PLAIN if each.name in {OURS, NNUNET}]
        rates = measure(store, cold, edge=edge, given=given, is_cold=True)
        yield from compared(rates, f"{edge}^3, cold", per_cpu_s=False)
        augmented = measure(store, AUGMENTED, edge=edge, given=given)
        yield from compared(augmented, f"{edge}^3, augmented on the processor", per_cpu_s=True)
        if HOST in augmented:
            on_accelerator = {name: found for name, found in augmented.items() if name != OURS}
            yield from compared(
                on_accelerator, f"{edge}^3, augmented by an accelerator", per_cpu_s=True, ours=HOST
            )


def measure(
    store: Store,
    contenders: Sequence[Contender],
    *,
    edge: int,
    given: argparse.Namespace,
    is_cold: bool = False,
) -> dict[str, Measured]:
    """Let contenders take turns; return what each came to."""
    chosen = [each for each in installed(contenders) if not given.only or each.name in given.only]
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(started(each, store, edge)) for each in chosen]
        if not is_cold:
            for each in running:
                each.warm_up(given.warm_up)
        for turn in range(given.rounds):
            at = turn % max(len(running), 1)
            for each in running[at:] + running[:at]:
                wait_for_quiet()
                each.empty()
                if is_cold:
                    store.forget(each.contender)
                each.time(given.patches)
    return {each.contender.name: each.measured() for each in running}


def compared(
    found: dict[str, Measured], what: str, *, per_cpu_s: bool, ours: str = OURS
) -> Iterator[dict[str, object]]:
    """Yield a line for every peer that ran beside ours."""
    if ours not in found:
        return
    mine = found[ours].rates(per_cpu_s=per_cpu_s)
    for name, peer in found.items():
        if name in {ours, HOST}:
            continue
        theirs = peer.rates(per_cpu_s=per_cpu_s)
        yield {
            "name": what,
            "peer_name": name,
            "ours": round(statistics.median(mine), 1),
            "peer": round(statistics.median(theirs), 1),
            "ratio": round(statistics.median(a / b for a, b in zip(mine, theirs, strict=True)), 2),
            "unit": "patches a processor second" if per_cpu_s else "patches/s",
        }


if __name__ == "__main__":
    main()
