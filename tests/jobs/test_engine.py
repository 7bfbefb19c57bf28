"""Jobs survive being killed, and steps that finished are not done again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = """
import sys, time
from pathlib import Path
from sightline.errors import Refused
from sightline.jobs.engine import Jobs, job_states

folder, trail = Path(sys.argv[1]), Path(sys.argv[2])

def note(word, answer):
    with trail.open("a") as file:
        file.write(word + "\\n")
    return answer

def linger(word):
    note(word, None)
    time.sleep(float(sys.argv[3]))

def refuse():
    note("refuse", None)
    raise Refused("no", hint="never")

def journey(step, *, name):
    carried = step("first", note, word="first", answer=name)
    step("second", linger, word="second")
    step("third", note, word="third:" + carried, answer=None)

def refused(step):
    step("refuse", refuse)

jobs = Jobs(folder)
jobs.define("journey", journey)
jobs.define("refused", refused)
jobs.launch(workers=1)
for again in range(2):
    jobs.start("journey", "journey-1", name="a")
    jobs.start("refused", "refused-1")
done = {"SUCCESS", "ERROR"}
deadline = time.monotonic() + 30
while time.monotonic() < deadline and {s.state for s in job_states()} - done:
    time.sleep(0.05)
print({s.id: (s.state, s.problem) for s in job_states()})
jobs.close()
"""


def _start(tmp_path: Path, linger_s: float) -> subprocess.Popen[str]:
    arguments = [str(tmp_path / "jobs"), str(tmp_path / "trail"), str(linger_s)]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, text=True
    )


def _trail(tmp_path: Path) -> list[str]:
    path = tmp_path / "trail"
    return path.read_text().split() if path.exists() else []


def test_a_killed_job_goes_on_where_it_was(tmp_path: Path) -> None:
    first = _start(tmp_path, linger_s=60)
    deadline = time.monotonic() + 30
    while "second" not in _trail(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()

    second = _start(tmp_path, linger_s=0)
    printed, _ = second.communicate(timeout=60)

    trail = _trail(tmp_path)
    assert trail.count("first") == 1
    assert trail.count("second") == 2
    assert trail.count("third:a") == 1
    assert "'journey-1': ('SUCCESS', '')" in printed


def test_a_refusal_is_not_tried_again_and_says_why(tmp_path: Path) -> None:
    run = _start(tmp_path, linger_s=0)
    printed, _ = run.communicate(timeout=60)

    assert _trail(tmp_path).count("refuse") == 1
    assert "'refused-1': ('ERROR', 'no')" in printed
    assert _trail(tmp_path).count("first") == 1
