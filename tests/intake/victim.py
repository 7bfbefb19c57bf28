"""A process that takes files in and does with each all that Sightline ever does to one.

`python -m tests.intake.victim DATA_DIR WARM...` takes the files WARM, then reads a path a line and
answers a line of JSON: what came of each step, how much processor time it took of this process and
its children, and by how much this process grew at most.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.locating import LocatedInstance, locate
from sightline.archive.studies import study
from sightline.catalog import archive_tables, hub_tables
from sightline.catalog.database import Database
from sightline.deid.hub_door import HubDoor
from sightline.errors import SightlineError
from sightline.hub.admission import admit
from sightline.hub.hub import Hub
from sightline.intake.files import import_path
from sightline.settings import Settings
from sightline.web.rendering import Picture, Renderer
from sightline.web.retrieval import Retrieval

_FEW = 2


class Victim:
    """An archive, a hub and a door that are emptied after each file."""

    def __init__(self, data_dir: Path) -> None:
        settings = Settings.load(data_dir=data_dir)
        self.archive, self.hub = Archive.open(settings), Hub.open(settings)
        self.door = HubDoor.open(settings)

    def warm(self, paths: list[Path]) -> None:
        """Take files for what they make the process load: that stays, and is no growth."""
        for path in paths:
            self.suffer(path)
        # Walking through all of it again and again took nine tenths of the time.
        gc.freeze()

    def suffer(self, path: Path) -> dict[str, Any]:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak
        before = memory_kib("VmRSS")
        steps = list(self._steps(path))
        grown = memory_kib("VmHWM") - before
        self._forget()
        return {"steps": steps, "grown_kib": grown}

    def _steps(self, path: Path) -> Iterator[tuple[str, str, float]]:
        reports: list[Any] = []
        yield timed("import", lambda: reports.append(import_path(self.archive, path)))
        if not reports:
            return
        report = reports[0]
        for each in report.refused[:_FEW]:
            yield ("refusal", "refused: " + each.reason, 0.0)
        if report.conflicts:
            yield ("conflict", "held", 0.0)
        for uid in report.studies:
            yield timed("door and hub", lambda uid=uid: self._pass(uid))  # type: ignore[misc]
            for instance in locate(self.archive, uid)[:_FEW]:
                yield from self._show(instance)

    def _pass(self, uid: Any) -> None:  # noqa: ANN401 - a StudyUid
        passage = self.door.pass_study(study(self.archive, uid))
        if passage.study is not None:
            admit(self.hub, passage.study)

    def _show(self, instance: LocatedInstance) -> Iterator[tuple[str, str, float]]:
        retrieval = Retrieval(self.archive, "/archive")
        renderer = Renderer(self.archive.objects)
        picture = Picture(media_type="image/png", size=(160, 160))
        yield timed("metadata", lambda: retrieval.metadata(instance))
        yield timed("frames", lambda: retrieval.frames(instance))
        yield timed("picture", lambda: renderer.render(instance, 1, picture))

    def _forget(self) -> None:
        empty(self.archive.database, archive_tables.METADATA)
        empty(self.hub.database, hub_tables.METADATA)


def timed(name: str, do: Callable[[], object]) -> tuple[str, str, float]:
    began = cpu_of_family()
    try:
        do()
        outcome = "done"
    except SightlineError as error:
        outcome = f"refused: {error.problem}" if error.hint else "NO HINT"
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        outcome = f"CRASH {type(error).__name__}: {error}"
    return name, outcome, cpu_of_family() - began


def cpu_of_family() -> float:
    """Return the processor time of this process and of its children, dead ones included.

    The clock on the wall would measure what else the machine does.
    """
    times = os.times()
    whole = times.user + times.system + times.children_user + times.children_system
    ticks = 0
    for task in Path("/proc/self/task").iterdir():
        for child in content_of(task / "children").split():
            ticks += ticks_of(child)
    return whole + ticks / os.sysconf("SC_CLK_TCK")


def ticks_of(process: str) -> int:
    fields = content_of(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if fields else 0


def content_of(path: Path) -> str:
    """Read a file of /proc; empty where its thread or process has ended just now."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def memory_kib(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(name)


def empty(database: Database, tables: sa.MetaData) -> None:
    with database.write() as connection:
        for table in reversed(tables.sorted_tables):
            connection.execute(table.delete())


class VictimProcess:
    """A victim in a process of its own."""

    def __init__(self, data_dir: Path, *, warm: list[Path]) -> None:
        command = [sys.executable, "-m", "tests.intake.victim", str(data_dir), *map(str, warm)]
        self.complaints = data_dir.with_suffix(".stderr")
        with self.complaints.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
            )

    def suffer(self, path: Path) -> dict[str, Any]:
        """Let it take the files at `path`; fail where it dies."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path}\n".encode())
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            last_words = self.complaints.read_text(errors="replace")[-2000:]
            pytest.fail(f"it died of {path.name} ({self.process.wait()}):\n{last_words}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self.process.communicate()


def main() -> None:
    log.configure(level="ERROR")
    victim = Victim(Path(sys.argv[1]))
    victim.warm([Path(name) for name in sys.argv[2:]])
    for line in sys.stdin:
        answer = victim.suffer(Path(line.rstrip("\n")))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
