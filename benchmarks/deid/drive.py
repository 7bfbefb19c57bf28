"""The loop around every peer: the files of a folder one by one, timed, and what went wrong.

It runs in the peer's own environment, so it needs the standard library alone. A peer's own command
may stop at the first file that it cannot read; here it goes on with the next, which favours it.
"""

import argparse
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeAlias

SECRET = b"the same secret for every peer"
MAX_DAYS = 3650
Clean: TypeAlias = Callable[[Path, Path], None]


def drive(clean: Clean) -> None:
    """Clean the files of a folder and print the seconds of the loop and the failures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--durable", action="store_true", help="fsync each file and its folder")
    parser.add_argument(
        "--limit-s",
        type=int,
        default=0,
        help="give a file up after this time on the processor, however busy the machine",
    )
    given = parser.parse_args()
    signal.signal(signal.SIGPROF, _give_up)
    failed = {}
    began, began_cpu = time.perf_counter(), time.process_time()
    for path in sorted(given.source.iterdir()):
        target = given.target / path.name
        signal.setitimer(signal.ITIMER_PROF, given.limit_s)
        try:
            clean(path, target)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a peer raises is counted
            failed[path.name] = type(error).__name__
            target.unlink(missing_ok=True)
            continue
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if given.durable:
            _sync(target)
            _sync(given.target)
    seconds = time.perf_counter() - began
    cpu_seconds = time.process_time() - began_cpu
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "failed": failed}))


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
