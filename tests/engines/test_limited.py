"""Children that crash, hang, swallow memory or lie leave their parent unharmed."""

import math
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.engines.answers import pack, unpack
from sightline.engines.limited import Limits
from sightline.errors import BadFile, BeyondLimits, NotDicom
from tests.engines import large_work, work

MIB = 1024**2
SHORT = Limits(cpu_s=1, wall_s=60)
IMPATIENT = Limits(wall_s=2)
TIGHT = Limits(cpu_s=4, wall_s=60, memory_bytes=256 * MIB, answer_bytes=64 * MIB)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        2.5,
        math.inf,
        "Größe",
        b"",
        b"bytes",
        (1, (2.0, b"x")),
        [b"a", b"", b"bb" * 100],
        {"a": (1, b"c"), 3: None},
    ],
)
def test_values_come_back_as_they_are(value: object) -> None:
    assert Limits().call(work.echo, value) == value


def test_arrays_and_values_of_ours_come_back() -> None:
    got = Limits().call(work.volume)
    wanted = work.volume()
    assert got.geometry == wanted.geometry
    np.testing.assert_array_equal(got.voxels, wanted.voxels)
    assert got.voxels.dtype == np.int16
    got.voxels[0] = 5  # it is ours to write


def test_time_that_nobody_can_have_used_is_no_fault_of_a_file(tmp_path: Path) -> None:
    # The start of a child counts, too: it must stay well below half of what is allowed.
    ample = Limits(cpu_s=60)
    assert ample.call(work.out_of_time_once, tmp_path / "was-here") == "done"
    with pytest.raises(BeyondLimits, match="more than 60 s of the processor"):
        ample.call(work.out_of_time)


def test_what_is_imported_next_is_not_held_by_the_limits_before() -> None:
    before = Limits().call(work.process)
    assert TIGHT.call(work.process) == before
    assert Limits(memory_bytes=256 * MIB).call(large_work.size) == large_work.size()
    assert Limits().call(work.process) == before


def test_a_child_is_used_again() -> None:
    first = Limits().call(work.process)
    assert Limits().call(work.process) == first


@pytest.mark.parametrize(
    ("do", "why"),
    [
        (lambda: IMPATIENT.call(work.hang), "longer than 2 s"),
        (lambda: SHORT.call(work.spin), "more than 1 s of the processor"),
        (work.crash, "crashed"),
        (work.leave, "crashed"),
        (lambda: TIGHT.call(work.swallow, 1 << 30), "256 MiB of memory"),
        (lambda: TIGHT.call(work.swallow_in_a_library, 1 << 30), "crashed"),
        (lambda: TIGHT.call(work.ones, 65 * MIB), "of memory"),
    ],
    ids=["hang", "spin", "crash", "leave", "swallow", "null", "flood"],
)
def test_work_that_dies_or_wants_too_much(do: Callable[[], object], why: str) -> None:
    with pytest.raises(BeyondLimits, match=why):
        TIGHT.call(do) if do.__name__ != "<lambda>" else do()
    assert TIGHT.call(work.echo, 1) == 1


def test_memory_used_before_is_not_counted_against_the_next() -> None:
    for _ in range(20):
        assert TIGHT.call(work.swallow, 128 * MIB) == 128 * MIB


def test_errors_come_back_as_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(NotDicom, match="no good") as caught:
        Limits().call(work.refuse)
    assert caught.value.hint == "Try another."
    with pytest.raises(FileNotFoundError):
        Limits().call(work.read, tmp_path / "missing")
    with pytest.raises(BadFile, match="ZeroDivisionError"):
        Limits().call(work.divide)
    with pytest.raises(BadFile, match="TypeError"):
        Limits().call(work.unspeakable)


def test_a_child_writes_no_file_and_sees_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_SECRET", "hush")
    (tmp_path / "read").write_bytes(b"content")
    assert Limits().call(work.read, tmp_path / "read") == b"content"
    with pytest.raises((BeyondLimits, OSError)):
        Limits().call(work.write, tmp_path / "written")
    assert not (tmp_path / "written").exists() or not (tmp_path / "written").stat().st_size
    assert "hush" not in str(Limits().call(work.environment))


def test_a_child_reaches_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if Limits().call(work.reaches, port):
            pytest.skip("this kernel lets no process give up its network")
        assert work.reaches(port)


def test_many_threads_share_the_children() -> None:
    got: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: got.append(Limits().call(work.echo, n)))  # type: ignore[misc]
        for n in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(40))


@pytest.mark.parametrize(
    "text",
    [
        b'{"bytes": 99999}',
        b'{"bytes": -1}',
        b'{"array": "|O", "shape": [1]}',
        b'{"array": "<i2", "shape": [-1]}',
        b'{"array": "<i2", "shape": [4611686018427387904]}',
        b'{"module": "os", "kind": "system", "fields": {}}',
        b'{"module": "sightline.values.volume", "kind": "np", "fields": {}}',
        b'{"module": "sightline.values.volume", "kind": "Volume", "fields": {}}',
        b"[[",
        b'{"dict": [[[], 1]]}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_lies_is_no_value(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any
        unpack(text, memoryview(bytes(64)))


def test_what_cannot_be_told_is_an_error() -> None:
    with pytest.raises(TypeError):
        pack(np.array([object()]))
