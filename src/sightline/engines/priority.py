"""Work that nobody waits for takes what is left of the processors."""

import contextlib
import os
from pathlib import Path

_LAST = 19
_THREADS = Path("/proc/self/task")
# Linux gives every terminal session, and so every service, an equal share, and lets `nice` count
# within one alone (sched(7), "The autogroup feature").
_AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Let this process, its threads and all it will start run when nothing else wants to.

    A study that arrives while a model is trained on the same machine is predicted as if nothing
    ran beside it. Where nothing else wants the processors it costs nothing. What the system does
    not let be changed stays as it is.
    """
    for thread in _threads():
        with contextlib.suppress(OSError):  # it may have ended
            os.setpriority(os.PRIO_PROCESS, thread, _LAST)
    with contextlib.suppress(OSError):
        _AUTOGROUP.write_text(str(_LAST), encoding="ascii")


def _threads() -> list[int]:
    """List the threads of this process; 0 is the calling one, where the system tells of none."""
    try:
        return [int(each.name) for each in _THREADS.iterdir()]
    except OSError:
        return [0]
