"""What a run does when the disk, an array, a device or the time fails: it says so and goes on."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.errors import DamagedObject, MissingDevice, Refused
from sightline.hub.hub import Hub
from sightline.hub.models import model_of_run, run, runs
from sightline.train.progress import Progress
from sightline.train.session import Session, Trained, Wish, Workplace, begin, draft, resume, train
from sightline.values.model import ModelRecord
from tests.failing_disk import shim
from tests.train.hub import LABEL, TINY, with_training, workplace

__all__ = ["shim"]


class Stopped(BaseException):
    """Stands for whatever ends a process in the middle of a run."""


@pytest.fixture(scope="module")
def whole(folder: Path) -> ModelRecord:
    hub = Hub.at(folder / "hub")
    trained = _trained(hub, begin(hub, TINY, LABEL, workplace=workplace(folder)))
    hub.close()
    return trained.model


def _trained(
    hub: Hub, session: Session, on_progress: Callable[[Progress], None] = lambda _: None
) -> Trained:
    return train(hub, session, on_progress=on_progress)


def _stop_at(step: int) -> Callable[[Progress], None]:
    def stop(progress: Progress) -> None:
        if progress.step == step:
            raise Stopped

    return stop


def _stopped(hub: Hub, folder: Path, step: int = 3) -> Session:
    session = begin(hub, TINY, LABEL, workplace=workplace(folder))
    with pytest.raises(Stopped):
        _trained(hub, session, _stop_at(step))
    return session


def test_a_resumed_run_makes_the_same_model(hub: Hub, folder: Path, whole: ModelRecord) -> None:
    session = _stopped(hub, folder)
    again = resume(hub, session.run_id, runs_dir=folder / "runs")
    assert again == session
    assert _trained(hub, again).model.weights_digest == whole.weights_digest
    assert run(hub, session.run_id).state == "finished"
    assert not session.workdir.exists()


def test_a_chunk_that_breaks_meanwhile_is_named_and_the_run_goes_on_when_it_is_mended(
    hub: Hub, folder: Path, whole: ModelRecord, tmp_path: Path
) -> None:
    session = begin(hub, TINY, LABEL, workplace=workplace(folder))
    members = session.collection.of_split("validation")
    broken = hub.array_path(members[0].volume_digest)
    shutil.copytree(broken, tmp_path / "kept")

    def break_it(progress: Progress) -> None:
        if progress.step == 3:
            for shard in (each for each in broken.rglob("*") if each.parent.name != broken.name):
                if shard.is_file() and shard.suffix != ".json":
                    content = bytearray(shard.read_bytes())
                    content[len(content) // 3] ^= 0xFF
                    shard.write_bytes(bytes(content))

    try:
        with pytest.raises(DamagedObject, match=members[0].series_uid) as damaged:
            _trained(hub, session, break_it)
    finally:
        shutil.rmtree(broken)
        shutil.copytree(tmp_path / "kept", broken)
    assert "--resume" in damaged.value.hint
    resumed = resume(hub, session.run_id, runs_dir=folder / "runs")
    assert _trained(hub, resumed).model.weights_digest == whole.weights_digest


def test_a_series_that_is_gone_is_named_and_the_run_goes_on_when_it_is_back(
    hub: Hub, folder: Path, whole: ModelRecord, tmp_path: Path
) -> None:
    session = _stopped(hub, folder)
    member = session.collection.of_split("train")[0]
    gone = hub.array_path(member.volume_digest)
    shutil.move(gone, tmp_path / "elsewhere")
    try:
        with pytest.raises(DamagedObject, match=f"{member.series_uid}.*gone from the hub"):
            _trained(hub, resume(hub, session.run_id, runs_dir=folder / "runs"))
    finally:
        shutil.move(tmp_path / "elsewhere", gone)
    resumed = resume(hub, session.run_id, runs_dir=folder / "runs")
    assert _trained(hub, resumed).model.weights_digest == whole.weights_digest


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(
    hub: Hub, folder: Path, whole: ModelRecord, shim: Path, tmp_path: Path
) -> None:
    fault = tmp_path / "fault"
    session = begin(hub, TINY, LABEL, workplace=workplace(folder))
    command = [sys.executable, "-m", "tests.train.train_on_full_disk"]
    done = subprocess.run(
        [*command, str(folder), session.run_id, str(fault)],
        env={
            "LD_PRELOAD": str(shim),
            "FAULT_ROOT": str(folder / "runs"),
            "FAULT_FILE": str(fault),
            "PYTHONPATH": ":".join(sys.path),
        },
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == errno.ENOSPC, done.stderr
    assert "checkpoint of step 4" in done.stdout
    assert "No space left on device; the checkpoint before it stands" in done.stdout
    assert "sightline train --resume" in done.stdout
    steps: list[int] = []
    resumed = resume(hub, session.run_id, runs_dir=folder / "runs")
    trained = _trained(hub, resumed, lambda progress: steps.append(progress.step))
    assert steps == [3, 4, 5, 6]
    assert trained.model.weights_digest == whole.weights_digest


def test_a_gpu_that_is_asked_for_and_missing_ends_before_a_run_is_entered(
    hub: Hub, folder: Path
) -> None:
    before = len(runs(hub))
    place = Workplace(runs_dir=folder / "runs", threads=2, device="cuda:7")
    with pytest.raises(MissingDevice, match="cuda:7 was asked for"):
        begin(hub, TINY, LABEL, workplace=place)
    assert len(runs(hub)) == before


def test_a_run_by_minutes_keeps_its_steps_and_says_why(hub: Hub, folder: Path) -> None:
    recipe = with_training(steps=0, validate_every=50, checkpoint_every=50)
    drawn = draft(hub, recipe, LABEL, workplace=workplace(folder), wish=Wish(minutes=0.2))
    assert drawn.plan.steps >= 1
    assert "what ends in 0.2 minutes" in drawn.plan.reasons["steps"]
    session = begin(hub, recipe, LABEL, workplace=workplace(folder), wish=Wish(plan=drawn.plan))
    assert resume(hub, session.run_id, runs_dir=folder / "runs").plan == drawn.plan
    with pytest.raises(Refused, match="too short"):
        draft(hub, recipe, LABEL, workplace=workplace(folder), wish=Wish(minutes=1e-5))


def test_a_finished_run_has_its_model(hub: Hub, whole: ModelRecord) -> None:
    found = model_of_run(hub, whole.run_id)
    assert found is not None
    assert found.weights_digest == whole.weights_digest
    with pytest.raises(Refused, match="is finished"):
        resume(hub, whole.run_id, runs_dir=Path())
