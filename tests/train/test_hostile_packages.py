"""Packages that mean harm end in one refusal with a hint, and nothing of them happens or stays.

Seconds are those of the processor, for this process and its children: a machine that does other
work as well is no fault of a package.
"""

import gc
import os
import pickle
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.catalog.hub_tables import EDGE, MODEL, NODE, RUN
from sightline.errors import SightlineError
from sightline.hub.hub import Hub
from sightline.hub.packages import opened
from sightline.hub.publishers import trust
from sightline.train.installing import install
from tests.hostile_kit import Trap
from tests.hostile_packages import HOSTILE, Kit
from tests.intake.victim import cpu_of_family, memory_kib
from tests.packages import PUBLISHER, Key

FEWEST, COUNT = 50, 243
IN_CI = list(HOSTILE)[::4]  # of every kind some: they lie beside each other
MOST_SECONDS, MOST_GROWN_KIB = 5.0, 64 * 1024


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Give a hub that trusts the publisher; what honest packages load is loaded."""
    folder = tmp_path_factory.mktemp("site")
    warm = Hub.at(folder / "warm")
    trust(warm, PUBLISHER, Key().public_key)
    made = Kit(folder, 0)
    for path in (made.tensors(), made.monai({})):
        with opened(warm, path) as vouched:
            install(warm, vouched, name="warm" + str(path.stat().st_size))
    opened_hub = Hub.at(folder / "hub")
    trust(opened_hub, PUBLISHER, Key().public_key)
    yield opened_hub
    warm.close()
    opened_hub.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def kit(tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Kit:
    # What lies where packages are unpacked is looked at; tests beside this one unpack, too.
    (tmp_path / "unpacked").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "unpacked"))
    return Kit(tmp_path, listener.getsockname()[1])


def refusal_of(hub: Hub, path: Path) -> SightlineError | None:
    try:
        with opened(hub, path) as vouched:
            install(hub, vouched)
    except SightlineError as error:
        return error
    return None


def state_of(hub: Hub) -> dict[str, object]:
    """Return what a hub holds, and what lies where packages are unpacked."""
    with hub.database.read() as connection:
        rows = {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            for table in (MODEL, RUN, NODE, EDGE)
        }
    folder = hub.arrays_dir.parent
    files = sorted(str(path) for path in folder.rglob("*") if "catalog.db" not in path.name)
    left = sorted(Path(tempfile.gettempdir()).glob("sightline-package-*"))
    return {**rows, "files": files, "left": left}


def test_so_many_are_tried() -> None:
    # docs/reference/gates.md says how many, too.
    assert len(HOSTILE) == COUNT
    assert len(IN_CI) >= FEWEST


def test_the_payloads_would_do_harm(kit: Kit, listener: socket.socket) -> None:
    pickle.loads(pickle.dumps(Trap(os.system, kit.shell)))  # noqa: S301 - what is spared us
    assert kit.canary.exists()
    kit.canary.unlink()
    pickle.loads(pickle.dumps(Trap(exec, kit.code)))  # noqa: S301 - the same
    assert kit.canary.exists()
    eval(kit.call).close()  # noqa: S307 - the same
    listener.accept()[0].close()


@pytest.mark.parametrize("name", IN_CI)
def test_a_hostile_package_is_refused_and_nothing_happens(
    hub: Hub, kit: Kit, listener: socket.socket, name: str
) -> None:
    _try(hub, kit, listener, name)


@pytest.mark.gate
@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in IN_CI])
def test_so_is_every_other_one(hub: Hub, kit: Kit, listener: socket.socket, name: str) -> None:
    _try(hub, kit, listener, name)


def _try(hub: Hub, kit: Kit, listener: socket.socket, name: str) -> None:
    make, words = HOSTILE[name]
    path = make(kit)
    before = state_of(hub)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak
    memory, began = memory_kib("VmRSS"), cpu_of_family()
    error = refusal_of(hub, path)
    seconds, grown = cpu_of_family() - began, memory_kib("VmHWM") - memory
    assert error is not None
    assert words in error.problem, error
    assert error.hint
    assert seconds <= MOST_SECONDS
    assert grown <= MOST_GROWN_KIB
    assert not kit.canary.exists()
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert state_of(hub) == before
