"""How many accelerators the host keeps busy: MLPerf Storage's UNet3D, 128^3, batches of 7.

An accelerator is a process with a feed of its own over the same volumes, warm, that sleeps for
the 0.323 s which MLPerf Storage gives an H100 for a batch (unet3d_h100.yaml) after each batch.
The host's work is the whole of what training on an accelerator asks of it: integers read, decoded
and laid into buffers; scaling and augmentation belong to the accelerator. What an accelerator was
busy is its share of sleep; the least busy one is reported.

One JSON line a number of accelerators.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from benchmarks.feed.contenders import Store
from benchmarks.feed.volumes import Size

from sightline.store.arrays import INNER_CHUNK, StoredArray
from sightline.store.boxes import BoxReader, Place

STEP_S, BATCH, EDGE = 0.323, 7, 128


def main() -> None:
    """Start more and more accelerators and print one JSON line each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--volumes", type=int, default=12)
    parser.add_argument("--slices", type=int, default=250)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--accelerators", type=int, nargs="+", default=[8, 10, 12])
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--edge", type=int, default=EDGE)
    parser.add_argument("--folder", type=Path, help="keep the volumes here, or take them from it")
    parser.add_argument("--be", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.be is not None:
        accelerator(given.folder, given.edge, seed=given.be, batches=given.batches)
        return
    size = Size(volumes=given.volumes, slices=given.slices, rows=given.rows)
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = Store.make(folder, size, peers=False)
        warm_up(store.folder / "sightline")
        for count in given.accelerators:
            print(json.dumps(busy(store, count, given)), flush=True)


def warm_up(folder: Path) -> None:
    """Read every chunk once; what is decoded stays in memory, for all processes, until the end."""
    reader = BoxReader.best()
    for path in sorted(folder.glob("*-*")):
        array = StoredArray.open(path)
        slices, rows, columns = array.shape
        target = np.empty(INNER_CHUNK * rows * columns, array.dtype)
        place = Place(target=target, first=0, strides=(rows * columns, columns, 1))
        for start in range(0, slices, INNER_CHUNK):
            stop = min(start + INNER_CHUNK, slices)
            reader.read(array, ((start, stop), (0, rows), (0, columns)), place)


def busy(store: Store, count: int, given: argparse.Namespace) -> dict[str, object]:
    """Run so many accelerators at once; return how busy they were."""
    command = [sys.executable, __file__, "--folder", str(store.folder / "sightline")]
    command += ["--batches", str(given.batches), "--edge", str(given.edge)]
    processes = [
        subprocess.Popen(
            [*command, "--be", str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    for each in processes:
        each.stdout.readline()  # it is ready
    for each in processes:
        each.stdin.write("go\n")
        each.stdin.flush()
    # A feed that ends says so in the log, which is no JSON here.
    lines = [each.communicate()[0].splitlines() for each in processes]
    told = [json.loads(next(line for line in said if line.startswith("{"))) for said in lines]
    shares = [each["busy"] for each in told]
    patches = sum(each["patches"] for each in told)
    return {
        "name": f"UNet3D at H100 step times, {given.edge}^3, batch {BATCH}, {count} accelerators",
        "ours": round(100 * min(shares), 1),
        "mean": round(100 * sum(shares) / count, 1),
        "cpu_ms_a_patch": round(1e3 * sum(each["cpu_s"] for each in told) / patches, 2),
        "unit": "% busy",
    }


def accelerator(folder: Path, edge: int, *, seed: int, batches: int) -> None:
    """Take batches, sleep as long as a step lasts, and tell how busy that was."""
    from benchmarks.feed.drive_sightline import feed, send  # noqa: PLC0415 - the parent needs no torch

    batch = iter(send(feed(folder, edge, batch=BATCH, seed=seed)))
    next(batch)
    print("ready", flush=True)
    sys.stdin.readline()
    began, began_cpu = time.perf_counter(), time.process_time()
    for _ in range(batches):
        next(batch)
        time.sleep(STEP_S)
    seconds = time.perf_counter() - began
    told = {
        "busy": batches * STEP_S / seconds,
        "patches": batches * BATCH,
        "cpu_s": time.process_time() - began_cpu,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
