"""Compressed instances for clients that take only explicit little endian (PS3.18 8.7.3.5).

They are decoded by a child process: a decoder that dies must not take us along.
"""

import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sightline import log
from sightline.errors import NotDicom

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

_log = log.get("web")
_TIMEOUT_S = 60.0
_AT_ONCE = threading.Semaphore(2)
_LENGTH = struct.Struct(">Q")


@contextmanager
def decoder() -> Iterator[Callable[[bytes], bytes]]:
    """Give a function that returns a Part 10 file in explicit little endian.

    It raises NotDicom where a file cannot be decoded within the limits of memory and time. One
    child serves all files of a request.
    """
    command = [sys.executable, "-m", "sightline.web.decode_instances"]
    with (
        _AT_ONCE,
        subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child,
    ):
        assert child.stdin is not None  # noqa: S101 - it was started with pipes
        try:
            yield lambda content: _decode(child, content)
        finally:
            child.kill()
            with suppress(BrokenPipeError):  # what a dead child did not read
                child.stdin.close()


def _decode(child: subprocess.Popen[bytes], content: bytes) -> bytes:
    assert child.stdin is not None  # noqa: S101 - it was started with pipes
    assert child.stdout is not None  # noqa: S101 - the same
    alarm = threading.Timer(_TIMEOUT_S, child.kill)
    alarm.start()
    try:
        child.stdin.write(_LENGTH.pack(len(content)) + content)
        child.stdin.flush()
        head = child.stdout.read(_LENGTH.size)
        length = _LENGTH.unpack(head)[0] if head else 0
        decoded = child.stdout.read(length)
    except BrokenPipeError:
        decoded, length = b"", 0
    finally:
        alarm.cancel()
    if not decoded or len(decoded) < length:
        _log.warning("instance_not_decoded", child=child.poll())
        raise NotDicom(
            "the instance cannot be decoded",
            hint="Accept it as it is stored: transfer-syntax=*.",
        )
    return decoded
