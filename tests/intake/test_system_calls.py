"""Power loss, proven by the order of system calls: an answer leaves after everything is durable.

A kill proves no fsync, because the kernel still writes what it was given. Here strace records a
listener: for each C-STORE-RSP that reports success, a temporary file was written and fsynced,
renamed, its folder fsynced, the catalog's log written and fsynced, each done before the next began
and all of them before the answer's send began.
"""

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.settings import Settings
from tests.counterparties import HOST, free_port, listens, program, start_dcmtk, wait_until
from tests.instances import SERIES, part10_of, slice_of
from tests.intake.conftest import serve_command

_CALLS = "openat,write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,sendto,sendmsg"
_WHOLE = re.compile(r"(\d+) +(\d+\.\d+) (\w+)\((.*)\) += (-?\d+)")
_BEGUN = re.compile(r"(\d+) +(\d+\.\d+) (\w+)\((.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)\) += (-?\d+)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One system call; `began` and `ended` number the lines of the record."""

    thread: str
    name: str
    arguments: str
    result: int
    began: int
    ended: int


def calls(record: Path) -> Iterator[Call]:
    """Read strace's record; a call that another thread's interrupts stands on two lines."""
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(record.read_text(errors="replace").splitlines()):
        if match := _WHOLE.match(line):
            thread, _, name, arguments, result = match.groups()
            yield Call(
                thread=thread,
                name=name,
                arguments=arguments,
                result=int(result),
                began=number,
                ended=number,
            )
        elif match := _BEGUN.match(line):
            begun[match[1]] = (number, match[4])
        elif match := _RESUMED.match(line):
            thread, _, name, rest, result = match.groups()
            began, arguments = begun.pop(thread)
            yield Call(
                thread=thread,
                name=name,
                arguments=arguments + rest,
                result=int(result),
                began=began,
                ended=number,
            )


def is_success(call: Call) -> bool:
    """Whether a call sends a C-STORE-RSP of status 0000."""
    return (
        call.name in {"sendto", "sendmsg"}
        and call.arguments.find(r"\x00\x00\x00\x01\x02\x00\x00\x00\x01\x80") > 0
        and call.arguments.find(r"\x00\x00\x00\x09\x02\x00\x00\x00\x00\x00") > 0
    )


def check_acknowledgement(answer: Call, every: list[Call], *, since: int) -> str:
    """Check what went before one answer; return the digest of what was stored.

    Args:
        answer: sends a C-STORE-RSP.
        every: the whole record.
        since: when the same thread sent the answer before.
    """
    own = [each for each in every if each.thread == answer.thread]

    def first(names: set[str], of: str, calls: list[Call], *, after: int) -> Call:
        for each in calls:
            is_in_order = after < each.began and each.ended < answer.began
            if is_in_order and each.result >= 0 and each.name in names and of in each.arguments:
                return each
        raise AssertionError(f"no {sorted(names)} of {of} before the answer")

    write = first({"write", "pwrite64"}, ".incoming-", own, after=since)
    name = re.search(r"\.incoming-\w+", write.arguments)
    assert name is not None
    sync = first({"fsync", "fdatasync"}, name[0], own, after=write.ended)
    rename = first({"rename", "renameat", "renameat2"}, name[0], own, after=sync.ended)
    target = re.search(r'objects/([0-9a-f]{2})/([0-9a-f]{64})(?:\.split)?"', rename.arguments)
    assert target is not None
    folder = first({"fsync"}, f"objects/{target[1]}>", own, after=rename.ended)
    # Another thread may commit for this one.
    entry = first({"pwrite64"}, "catalog.db-wal", every, after=folder.ended)
    first({"fsync", "fdatasync"}, "catalog.db-wal", every, after=entry.ended)
    return target[2]


@pytest.mark.parametrize(
    ("clients", "each_sends"), [(1, 10), (4, 6), pytest.param(4, 75, marks=pytest.mark.gate)]
)
def test_every_answer_leaves_after_all_is_durable(
    settings: Settings, archive: Archive, tmp_path: Path, clients: int, each_sends: int
) -> None:
    record, port = tmp_path / "calls", free_port()
    tracer = (program("strace"), "-f", "-y", "-ttt", "-x", "-s", "300", "-e", f"trace={_CALLS}")
    command = [*tracer, "-o", str(record), *serve_command(settings.data_dir, port)]
    with traced(command):
        wait_until(lambda: listens(port), seconds=60)
        senders = [
            start_dcmtk("storescu", "+sd", HOST, port, written(tmp_path / str(client), each_sends))
            for client in range(clients)
        ]
        assert [each.wait(240) for each in senders] == [0] * clients
    every = list(calls(record))
    since: dict[str, int] = defaultdict(lambda: -1)
    digests = set()
    for answer in filter(is_success, every):
        digests.add(check_acknowledgement(answer, every, since=since[answer.thread]))
        since[answer.thread] = answer.began
    assert len(digests) == clients * each_sends
    assert digests == set(archive.objects.digests())


def test_the_proof_sees_an_answer_that_leaves_too_early() -> None:
    answer = Call(thread="1", name="sendto", arguments="", result=1, began=9, ended=9)
    write = Call(thread="1", name="write", arguments=".incoming-a", result=1, began=1, ended=1)
    with pytest.raises(AssertionError, match="before the answer"):
        check_acknowledgement(answer, [write, answer], since=-1)


@contextlib.contextmanager
def traced(command: list[str]) -> Iterator[None]:
    """Run a command under strace, and end it, not its tracer."""
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        children = Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGTERM)
        tracer.wait(60)


def written(folder: Path, count: int) -> Path:
    """Write a series whose UIDs are the folder's own."""
    folder.mkdir()
    series = f"{SERIES}.{folder.name}"
    for number in range(1, count + 1):
        dataset = slice_of(
            number, size=256, SeriesInstanceUID=series, SOPInstanceUID=f"{series}.{number}"
        )
        (folder / f"{number:03}.dcm").write_bytes(part10_of(dataset))
    return folder
