"""A rotation that is killed, at random moments and before every step on the disk, ends later."""

import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.catalog.hub_tables import STUDY
from sightline.deid.certifying import verify_hub
from sightline.deid.destruction import public_key_of
from sightline.deid.recording import Book
from sightline.deid.reidentification import reidentify
from sightline.deid.rotation import plan_rotation, rotate
from sightline.deid.vault import Vault
from sightline.errors import Refused
from sightline.hub.hub import ROTATING_FILE, Hub
from sightline.phantoms.people import visit
from tests.deid.house import ANNA, PASSPHRASE, House
from tests.deid.rotations import LEAKED, PEOPLE, Names, fill, intervals

KILLS = [20, pytest.param(200, marks=pytest.mark.gate)]


class Watched:
    """A data directory that is rotated by processes that die, and looked at in between."""

    def __init__(self, folder: Path) -> None:
        house = House(folder)
        fill(house, folder)
        self.settings, self._secret = house.settings, (folder / "secret").read_bytes()
        self._apart, self._former = intervals(house.hub), frozenset[str]()
        self._names = Names.of(house).texts
        self.rotations = self.cut_off = 0
        house.close()

    def look(self) -> None:
        """Hold the hub to be whole: as it was, or of the next key alone; or closed to all."""
        if (self.settings.hub_dir / ROTATING_FILE).exists():
            self.cut_off += 1
            for opening in (Hub, Vault):
                with pytest.raises(Refused, match="vault rotate"):
                    opening.open(self.settings)
            assert plan_rotation(self.settings).is_cut_off
            return
        house = House(self.settings.data_dir.parent)
        try:
            self._check(house)
        finally:
            house.close()

    def _check(self, house: House) -> None:
        subjects = {house.subject_of(visit(seed).patient) for seed in PEOPLE}
        with house.hub.database.read() as connection:
            known = set(connection.execute(sa.select(STUDY.c.subject_id)).scalars())
        assert subjects <= known
        assert len(known) == len(PEOPLE) + 2
        assert intervals(house.hub) == self._apart
        assert verify_hub(house.hub, public_key_of(self.settings)).faults == ()
        patient = visit(PEOPLE[0]).patient
        found = reidentify(
            *(house.book, house.subject_of(patient)),
            secret=self._secret,
            passphrase=PASSPHRASE,
            occasion=ANNA,
        )
        assert found.patient_id == patient.patient_id
        names = Names.of(house).texts
        if not names <= self._names:
            self.rotations += 1
            self._former, self._names = self._names, names
        house.hub.close()
        if self.rotations and plan_rotation(self.settings).is_cut_off is False:
            assert Names(texts=self._former).found_in(self.settings.hub_dir) == set()
            assert Names(texts=self._former).found_in(self.settings.vault_dir) == set()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kills", KILLS)
def test_kills_leave_nothing_half(watched: Watched, kills: int) -> None:
    chance = random.Random(2026)  # noqa: S311 - moments, not secrets
    longest_s = _seconds_of_a_rotation(watched)
    ended = 0
    for _ in range(kills):
        process = _start(watched)
        time.sleep(chance.uniform(0, longest_s))
        process.kill()
        ended += "done" in process.communicate()[0]
        watched.look()
    assert 0 < ended < kills
    _finish(watched)
    watched.look()
    assert watched.rotations >= 2
    assert not (watched.settings.hub_dir / ROTATING_FILE).exists()


def _seconds_of_a_rotation(watched: Watched) -> float:
    process = _start(watched)
    began = time.monotonic()
    process.communicate(timeout=300)
    watched.look()
    return time.monotonic() - began


def _start(watched: Watched) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("rotate_until_killed.py")
    process = subprocess.Popen(
        [sys.executable, script, str(watched.settings.data_dir)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _finish(watched: Watched) -> None:
    archive = Archive.open(watched.settings)
    rotate(Book(watched.settings, archive), occasion=LEAKED, tell=lambda *_: None)
    archive.close()


class _Died(BaseException):
    """The process ends here."""


Step = tuple[str, str]
"""A call to the system and the file it is about, without what differs from run to run."""

_VARYING = re.compile(r"[0-9a-f]{16,}|S-[A-Z2-7]{10}|(?<=/)(?:[A-Z2-7]{2}|[0-9a-f]{2})(?=/)")


@pytest.mark.slow
def test_it_may_end_before_each_step_on_the_disk(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Die before a file is renamed or removed: the first and the last of each kind."""
    steps = Counter[Step]()
    with monkeypatch.context() as patch:
        _before_each_step(patch, steps.update)
        _finish(watched)
    assert ("replace", "hub/catalog.db.next") in steps
    moments = {(step, number) for step, count in steps.items() for number in (1, count)}
    for step, number in sorted(moments):
        with monkeypatch.context() as patch:
            _before_each_step(patch, _Death(step, number))
            with pytest.raises(_Died):
                _finish(watched)
        watched.look()
        _finish(watched)
    watched.look()
    assert watched.cut_off > 10
    assert not (watched.settings.hub_dir / ROTATING_FILE).exists()


class _Death:
    """Dies before a step is done for the n-th time."""

    def __init__(self, step: Step, number: int) -> None:
        self._step, self._left = step, number

    def __call__(self, steps: list[Step]) -> None:
        self._left -= steps == [self._step]
        if not self._left:
            raise _Died


def _before_each_step(patch: pytest.MonkeyPatch, call: Callable[[list[Step]], None]) -> None:
    for name in ("rename", "replace", "unlink", "rmdir"):
        original = getattr(os, name)

        def step(
            path: object,
            *given: object,
            name: str = name,
            original: Callable[..., None] = original,
            **more: object,
        ) -> None:
            place = str(path).partition("/data/")[2]
            if place.startswith(("hub/", "vault/")):
                call([(name, _VARYING.sub("*", place))])
            original(path, *given, **more)

        patch.setattr(os, name, step)
