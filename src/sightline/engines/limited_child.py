"""The child of `limited`: `python -m sightline.engines.limited_child DESCRIPTOR`.

It does one piece of work after another, each within its limits, and ends when its parent does.
"""

import ctypes
import importlib
import json
import mmap
import os
import pickle
import resource
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sightline.engines.answers import Buffer, pack, places, size_of
from sightline.errors import SightlineError

LENGTH = struct.Struct("<Q")
"""What stands before each message."""

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_UNLIMITED = resource.RLIM_INFINITY


def main() -> None:
    """Serve the parent at the other end of a socket until it closes."""
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        _confine()
        while request := _read_request(parent):
            memory, order = request
            try:
                answer = _answer(order, memory)
            finally:
                os.close(memory)
            parent.sendall(LENGTH.pack(len(answer)) + answer)


def _confine() -> None:
    """Give up what no decoder needs: core dumps, written files, the network where we may."""
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(kind, (0, 0))
    unshare = ctypes.CDLL(None).unshare
    if unshare(_NEW_NETWORK):
        unshare(_NEW_USER | _NEW_NETWORK)  # not every kernel lets us; all else still holds


def _read_request(parent: socket.socket) -> tuple[int, bytes] | None:
    head, descriptors, _, _ = socket.recv_fds(parent, LENGTH.size, 1)
    if not head:
        return None
    head += _read(parent, LENGTH.size - len(head))
    return descriptors[0], _read(parent, LENGTH.unpack(head)[0])


def _read(parent: socket.socket, size: int) -> bytes:
    content, at = bytearray(size), 0
    with memoryview(content) as view:
        while at < size:
            count = parent.recv_into(view[at:])
            if not count:
                raise SystemExit(1)
            at += count
    return bytes(content)


def _answer(order: bytes, memory: int) -> bytes:
    """Do the work; whatever it raises is told in words of ours, without the values it was about."""
    (module, name), arguments, keywords, limits = pickle.loads(order)  # noqa: S301 - of our parent
    told: dict[str, Any]
    try:
        _lift()
        work = getattr(importlib.import_module(module), name)
        _limit(**limits)
        text, buffers = pack(work(*arguments, **keywords))
        return _laid_out(text, buffers, memory)
    except SightlineError as error:
        told = {"error": type(error).__name__, "problem": error.problem, "hint": error.hint}
    except MemoryError:
        told = {"memory": True}
    except OSError as error:
        told = {"errno": error.errno}
    except Exception as error:  # noqa: BLE001 - the one place of this process
        told = {"unexpected": type(error).__name__, "at": _place_of(error)}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return json.dumps(told).encode()


def _lift() -> None:
    """Take the limits of the last piece of work away: what the next one imports is our own."""
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU):
        resource.setrlimit(kind, (_UNLIMITED, _UNLIMITED))


def _limit(*, memory_bytes: int, cpu_s: float) -> None:
    """Limit what this piece of work may add to what this process has used before."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    used_bytes = pages * resource.getpagesize()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_s = usage.ru_utime + usage.ru_stime
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes + memory_bytes, _UNLIMITED))
    # The timer ends us to the millisecond, unless a library caught its signal.
    resource.setrlimit(resource.RLIMIT_CPU, (int(used_s + cpu_s) + 2, _UNLIMITED))
    signal.setitimer(signal.ITIMER_PROF, cpu_s)


def _laid_out(text: bytes, buffers: Sequence[Buffer], memory: int) -> bytes:
    """Copy the buffers to the memory that the parent shares, and tell where they end."""
    sizes = [size_of(buffer) for buffer in buffers]
    starts = list(places(sizes))
    end = starts[-1] + sizes[-1] if sizes else 0
    if end > os.fstat(memory).st_size:
        raise MemoryError
    if end:
        with mmap.mmap(memory, end) as shared:
            for start, size, buffer in zip(starts, sizes, buffers, strict=True):
                if size:
                    np.frombuffer(shared, np.uint8, size, start)[:] = _octets(buffer)
    return json.dumps({"end": end}).encode() + b"\n" + text


def _octets(buffer: Buffer) -> npt.NDArray[np.uint8]:
    if isinstance(buffer, bytes):
        return np.frombuffer(buffer, np.uint8)
    return buffer.reshape(-1).view(np.uint8)


def _place_of(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return ", ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


if __name__ == "__main__":
    main()
