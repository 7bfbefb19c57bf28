"""One contender in a process of its own, asked line by line to deliver so many patches.

A line on standard input is a number of patches; the answer is one JSON line. Needs
numpy alone, for it runs in every peer's environment.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Delivered: TypeAlias = tuple[Any, Any]
"""Images and masks of (batch, ..., slices, rows, columns)."""

_TICKS = os.sysconf("SC_CLK_TCK")


def serve(open_feed: Callable[[], Iterator[Delivered]]) -> None:
    """Open a feed, tell how long its first batch took, then deliver what is asked for."""
    began = time.perf_counter()
    feed = open_feed()
    images, masks = next(feed)
    seconds = time.perf_counter() - began
    first = check(images, masks)
    answer({"first_s": seconds, "shape": list(first)})
    for line in sys.stdin:
        cpu, began = cpu_s(), time.perf_counter()
        count = take(feed, int(line))
        seconds = time.perf_counter() - began
        answer({"patches": count, "seconds": seconds, "cpu_s": cpu_s() - cpu})


def take(feed: Iterator[Delivered], patches: int) -> int:
    """Consume at least so many patches; return how many."""
    count = 0
    while count < patches:
        images, _ = next(feed)
        count += len(images)
    return count


def check(images: Any, masks: Any) -> tuple[int, ...]:  # noqa: ANN401 - each framework has its arrays
    """Make sure that it is float32 images and integer masks of one shape; return that."""
    image, mask = np.asarray(images), np.asarray(masks)
    if image.dtype != np.float32 or mask.dtype.kind not in "iu":
        sys.exit(f"delivered {image.dtype} and {mask.dtype}")
    if image.shape[-3:] != mask.shape[-3:]:
        sys.exit(f"delivered {image.shape} and {mask.shape}")
    return image.shape[-3:]


def cpu_s() -> float:
    """Return the processor's time of this process and all below it so far."""
    below: dict[int, list[int]] = {}
    spent: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended meanwhile
        process = int(path.parent.name)
        below.setdefault(int(fields[1]), []).append(process)
        spent[process] = sum(map(int, fields[11:15]))
    total, waiting = 0, [os.getpid()]
    while waiting:
        process = waiting.pop()
        total += spent.get(process, 0)
        waiting += below.get(process, [])
    return total / _TICKS


def answer(content: dict[str, Any]) -> None:
    """Print one JSON line."""
    print(json.dumps(content), flush=True)
