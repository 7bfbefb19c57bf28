"""Work on bytes that others made, in child processes with little memory, time and no network.

A decoder that crashes, hangs or swallows memory ends its child, never us. Children are kept and
used again, so that a piece of work costs a millisecond and not the start of a process.
"""

import atexit
import dataclasses
import fcntl
import json
import mmap
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

from sightline import clock, errors, log
from sightline.engines.answers import unpack
from sightline.engines.limited_child import LENGTH
from sightline.errors import BadFile, BeyondLimits, SightlineError

_log = log.get("engines")

P = ParamSpec("P")
T = TypeVar("T")

_GIB = 1024**3
_AT_ONCE = max(2, os.cpu_count() or 1)
# What decoders leak does not pile up for ever.
_MOST_TASKS = 500
_MOST_FRAMES = 10_000
# Less than this share of the time allowed has passed: it cannot have been used up.
_MISCOUNTED = 0.5
_LARGEST_TOLD_BYTES = 64 * 1024**2
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one piece of work may use.

    Attributes:
        cpu_s: processor time.
        wall_s: time from the call to the answer; ample, for a busy machine is no fault of a file.
        memory_bytes: address space, beyond what the child had before.
        answer_bytes: of all arrays and bytes that come back.
    """

    cpu_s: float = 1.0
    wall_s: float = 120.0
    memory_bytes: int = 2 * _GIB
    answer_bytes: int = 1 * _GIB

    @classmethod
    def for_bytes(cls, size_bytes: int, *, frames: int = 1) -> Self:
        """Return limits that honest work keeps by a wide margin.

        Args:
            size_bytes: stored bytes that are worked on.
            frames: how many of them are decoded; beyond 10,000 they do not count.
        """
        mib = size_bytes / 1024**2
        return cls(
            cpu_s=1.0 + mib + 0.02 * min(max(frames, 1), _MOST_FRAMES),
            wall_s=120.0 + 5.0 * mib,
            memory_bytes=4 * _GIB + 16 * size_bytes,
            answer_bytes=2 * _GIB + 8 * size_bytes,
        )

    @classmethod
    def for_files(cls, files: Sequence[Path], *, frames: int) -> Self:
        """Return limits that honest work on a series keeps by a wide margin.

        Args:
            files: of its instances.
            frames: of all of them together.
        """
        return cls.for_bytes(sum(path.stat().st_size for path in files), frames=frames)

    def call(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        """Call a function of a module's top level in a child process and return its answer.

        Its arguments are pickled; its answer is what `engines.answers` can tell.

        Raises:
            SightlineError: Whatever of ours the function raised.
            BeyondLimits: The work died, or wanted more than it may have.
            BadFile: It raised something else.
            OSError: It could not read a file, or no process could be started.
        """
        name = (function.__module__, function.__qualname__)
        limits = {"memory_bytes": self.memory_bytes, "cpu_s": self.cpu_s}
        order = pickle.dumps((name, arguments, keywords, limits), protocol=5)
        answer: T = _HELPERS.ask(order, self)  # type: ignore[assignment]  # as the function says
        return answer


class _OutOfTime:
    """A child was ended for the processor time that it is said to have used."""


class _Helper:
    """One child process."""

    def __init__(self) -> None:
        self._socket, its = socket.socketpair()
        try:
            with its:
                self._process = _start(its.fileno())
        except OSError:
            self._socket.close()
            raise
        self.tasks = 0

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, order: bytes, limits: Limits) -> object:
        """Send an order, wait for the answer, and return it or the error that it tells of.

        Raises:
            TimeoutError: It takes too long.
            ConnectionError: The child died.
            ValueError: The answer makes no sense.
        """
        self.tasks += 1
        memory = os.memfd_create("answer", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(memory, limits.answer_bytes)
            # A child that made it smaller would have us die at the first look.
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
            deadline = clock.monotonic() + limits.wall_s
            self._send(order, memory, deadline)
            (size,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
            if size > _LARGEST_TOLD_BYTES:
                raise ConnectionError("an answer of unheard-of length")
            return _heard(self._read(size, deadline), memory, limits)
        finally:
            os.close(memory)

    def end(self) -> int:
        """End the child, whatever it does, and return how it ended."""
        self._socket.close()
        try:
            # At the end of the socket it leaves by itself, unless it died or hangs.
            status = self._process.wait(0.05 if self.is_alive() else None)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        return status

    def _send(self, order: bytes, memory: int, deadline: float) -> None:
        self._socket.settimeout(max(deadline - clock.monotonic(), 0.001))
        socket.send_fds(self._socket, [LENGTH.pack(len(order))], [memory])
        self._socket.sendall(order)

    def _read(self, size: int, deadline: float) -> bytes:
        content = bytearray()
        while len(content) < size:
            left = deadline - clock.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            part = self._socket.recv(min(size - len(content), 1024**2))
            if not part:
                raise ConnectionError("the child is gone")
            content += part
        return bytes(content)


def _start(descriptor: int) -> subprocess.Popen[bytes]:
    # Its environment is empty but for this: no password of ours is there to be read.
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-P", "-m", "sightline.engines.limited_child", str(descriptor)],
        env={"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[descriptor],
        start_new_session=True,
    )


class _Helpers:
    """The children of this process that wait for work."""

    def __init__(self) -> None:
        self._idle: list[_Helper] = []
        self._lock = threading.Lock()
        self._at_once = threading.BoundedSemaphore(_AT_ONCE)

    def ask(self, order: bytes, limits: Limits) -> object:
        with self._at_once:
            answer = self._ask_one(order, limits)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ask_one(self, order: bytes, limits: Limits) -> object:
        """Return the answer, or the error to raise."""
        began = clock.monotonic()
        answer = self._ask_once(order, limits)
        took_s = clock.monotonic() - began
        if not isinstance(answer, _OutOfTime):
            return answer
        if took_s < limits.cpu_s * _MISCOUNTED:
            # A machine that was paused may count the pause as work, which nobody can have done.
            _log.warning("processor_time_miscounted", cpu_s=limits.cpu_s, took_s=took_s)
            answer = self._ask_once(order, limits)
        if isinstance(answer, _OutOfTime):
            return _beyond(f"it takes more than {limits.cpu_s:g} s of the processor")
        return answer

    def _ask_once(self, order: bytes, limits: Limits) -> object:
        helper = self._take()
        try:
            answer = helper.ask(order, limits)
        except TimeoutError:
            helper.end()
            return _beyond(f"it takes longer than {limits.wall_s:g} s")
        except ConnectionError:
            return _death(helper.end(), limits)
        except ValueError:
            helper.end()
            return _beyond("its answer makes no sense")
        except BaseException:
            helper.end()
            raise
        if isinstance(answer, BeyondLimits):
            helper.end()
        else:
            self._give_back(helper)
        return answer

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for helper in idle:
            helper.end()

    def _take(self) -> _Helper:
        while True:
            with self._lock:
                helper = self._idle.pop() if self._idle else None
            if helper is None:
                return _Helper()
            if helper.is_alive():
                return helper
            helper.end()

    def _give_back(self, helper: _Helper) -> None:
        if helper.tasks >= _MOST_TASKS:
            helper.end()
            return
        with self._lock:
            self._idle.append(helper)


def _heard(answer: bytes, memory: int, limits: Limits) -> object:
    """Return the value or the error of an answer, which a hostile child may have made up.

    Raises:
        ValueError: It makes no sense.
    """
    head, _, text = answer.partition(b"\n")
    try:
        told = dict(json.loads(head))
        if "end" not in told:
            return _told_error(told, limits)
        end = int(told["end"])
    except (LookupError, RecursionError, TypeError) as error:
        raise ValueError("a malformed answer") from error
    if not 0 <= end <= limits.answer_bytes:
        raise ValueError("an answer that ends nowhere")
    if not end:
        return unpack(text, memoryview(b""))
    # Private: what is written here stays here. An array keeps the mapping alive.
    shared = mmap.mmap(memory, end, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
    return unpack(text, memoryview(shared))


def _told_error(told: dict[str, Any], limits: Limits) -> Exception:
    if "memory" in told:
        return _beyond(_wants_memory(limits))
    if "errno" in told:
        number = int(told["errno"] or 0)
        return OSError(number, os.strerror(number))
    if "error" in told:
        kind = getattr(errors, str(told["error"]), None)
        if isinstance(kind, type) and issubclass(kind, SightlineError):
            return kind(str(told["problem"]), hint=str(told["hint"]))
    _log.error("limited_work_failed", kind=told.get("unexpected"), at=told.get("at"))
    return BadFile(
        f"it cannot be handled: {told.get('unexpected')}",
        hint="The file is broken or uses a feature that is not supported.",
    )


def _death(status: int, limits: Limits) -> "BeyondLimits | _OutOfTime":
    if status in {-signal.SIGPROF, -signal.SIGXCPU}:
        return _OutOfTime()
    if status == -signal.SIGKILL:
        return _beyond(_wants_memory(limits))
    return _beyond(f"what decodes it crashed ({status})")


def _wants_memory(limits: Limits) -> str:
    return f"it wants more than {limits.memory_bytes // 1024**2} MiB of memory"


def _beyond(why: str) -> BeyondLimits:
    _log.warning("limits_reached", why=why)
    return BeyondLimits(
        f"it cannot be handled within its limits: {why}",
        hint="The file is broken or hostile; ask the sender for it uncompressed.",
    )


_HELPERS = _Helpers()
atexit.register(_HELPERS.close)
