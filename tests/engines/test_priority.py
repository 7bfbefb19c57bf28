"""Work that gives way leaves the processors to whoever wants them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

_BUSY = """
import os, sys, threading, time
from sightline.engines.priority import give_way
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
os.sched_setaffinity(0, {int(sys.argv[1])})
if sys.argv[2] == "gives":
    give_way()
print(sorted({os.getpriority(os.PRIO_PROCESS, int(t)) for t in os.listdir("/proc/self/task")}))
sys.stdout.flush()
sys.stdin.readline()
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    pass
print(time.process_time())
"""
SECONDS, LAST = 3.0, 19


def _busy(kind: str) -> "subprocess.Popen[str]":
    """Start what keeps one processor busy, in a session of its own as services are."""
    processor = str(min(os.sched_getaffinity(0)))
    return subprocess.Popen(
        [sys.executable, "-c", _BUSY, processor, kind, str(SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system is not Linux")
@pytest.mark.skipif(os.getpriority(os.PRIO_PROCESS, 0) == LAST, reason="this process gave way")
def test_who_gives_way_takes_what_is_left() -> None:
    processes = [_busy("gives"), _busy("takes")]
    priorities = [each.stdout.readline().strip() for each in processes if each.stdout]
    assert priorities[0] == f"[{LAST}]"  # of all its threads
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    gave, took = (float(each.communicate()[0]) for each in processes)
    assert gave < took / 4, (gave, took)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system is not Linux")
def test_alone_it_has_the_processor() -> None:
    process = _busy("gives")
    assert process.stdin is not None
    began = time.monotonic()
    out, _ = process.communicate("go\n")
    assert time.monotonic() - began < 60
    assert float(out.splitlines()[-1]) > 0
