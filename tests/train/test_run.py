"""Repeating a training gives the same bytes, however often it is stopped."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import nn

from sightline.errors import BadRecipe
from sightline.train.learner import Learner, StepLoss
from sightline.train.progress import Progress
from sightline.train.run import FittedModel, Splits, fit
from sightline.values.recipe import Recipe, Training
from tests.learning import RECIPE, example, planned, with_training
from tests.train.conftest import Trained


class Stopped(BaseException):
    """Stands for whatever ends a process in the middle of a run."""


def test_the_same_training_gives_the_same_bytes(trained: Trained, tmp_path: Path) -> None:
    again = fit(RECIPE, trained.plan, trained.splits, workdir=tmp_path, threads=2)
    assert again.weights == trained.fitted.weights
    assert again.manifest == trained.fitted.manifest


@pytest.mark.parametrize("step", [1, 4, 7, 11])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    trained: Trained, tmp_path: Path, step: int
) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == step:
            raise Stopped

    with pytest.raises(Stopped):
        fit(RECIPE, trained.plan, trained.splits, workdir=tmp_path, threads=2, on_progress=stop)
    steps = []
    resumed = fit(
        RECIPE,
        trained.plan,
        trained.splits,
        workdir=tmp_path,
        threads=2,
        on_progress=lambda progress: steps.append(progress.step),
    )
    assert steps[0] == step // 4 * 4 + 1
    assert resumed.weights == trained.fitted.weights
    assert resumed.record["curve"] == trained.fitted.record["curve"]


def test_losses_that_are_known_a_step_later_are_lost_nowhere(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 5:
            raise Stopped

    # As on a GPU, which is still at work on a step when the next is handed over.
    monkeypatch.setattr(StepLoss, "is_there", property(lambda _: False))
    with pytest.raises(Stopped):
        fit(RECIPE, trained.plan, trained.splits, workdir=tmp_path, threads=2, on_progress=stop)
    late = fit(RECIPE, trained.plan, trained.splits, workdir=tmp_path, threads=2)
    assert late.weights == trained.fitted.weights
    assert late.record["curve"] == trained.fitted.record["curve"]


def test_a_moving_average_goes_with_batches_that_are_counted(trained: Trained) -> None:
    network = nn.Sequential(nn.BatchNorm1d(3))
    learner = Learner.of(
        network,
        trained.plan,
        Training(average=0.5),
        device=torch.device("cpu"),
        is_bfloat16=False,
    )
    for _ in range(3):
        network(torch.randn(8, 3))
    learner.move_average(100)
    assert learner.average is not None
    assert learner.average["0.num_batches_tracked"] == 3
    middle = (network[0].running_mean) / 2  # type: ignore[operator]  # torch gives a union
    assert torch.allclose(learner.average["0.running_mean"], middle)


@pytest.mark.parametrize(
    "kills",
    [pytest.param(3, id="3 kills"), pytest.param(20, id="20 kills", marks=pytest.mark.gate)],
)
def test_a_run_killed_at_random_steps_goes_on_to_the_same_bytes(
    trained: Trained, tmp_path: Path, kills: int
) -> None:
    arrays = trained.splits.training[0].volume.path.parent
    chosen = np.random.default_rng(kills)
    done = 0
    while done < kills:
        # A killed run goes on until it is whole; then another begins anew.
        workdir = tmp_path / f"after-{done}"
        while done < kills and _killed(workdir, arrays, at=int(chosen.integers(1, 12))):
            done += 1
        resumed = fit(RECIPE, trained.plan, trained.splits, workdir=workdir, threads=2)
        assert resumed.weights == trained.fitted.weights


def _killed(workdir: Path, arrays: Path, *, at: int) -> bool:
    """Train in a process that is killed at a step; tell whether that came before its end."""
    module = "tests.train.train_until_killed"
    command = [sys.executable, "-m", module, str(workdir), str(arrays)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= at:
                os.kill(process.pid, signal.SIGKILL)
                break
    return process.wait() == -signal.SIGKILL


def test_a_finished_run_gives_its_weights_again_without_a_step(
    trained: Trained, tmp_path: Path
) -> None:
    first = fit(RECIPE, trained.plan, trained.splits, workdir=tmp_path, threads=2)
    steps: list[int] = []
    again = fit(
        RECIPE,
        trained.plan,
        trained.splits,
        workdir=tmp_path,
        threads=2,
        on_progress=lambda progress: steps.append(progress.step),
    )
    assert not steps
    assert again.weights == first.weights


def test_a_checkpoint_of_another_run_is_not_used(trained: Trained, tmp_path: Path) -> None:
    other = with_training(seed=1)
    fit(other, trained.plan, trained.splits, workdir=tmp_path, threads=2)
    fitted = fit(RECIPE, trained.plan, trained.splits, workdir=tmp_path, threads=2)
    assert fitted.weights == trained.fitted.weights


def test_training_learns(trained: Trained, tmp_path: Path) -> None:
    seen: list[Progress] = []
    recipe = with_training(steps=100, validate_every=50, affine_share=0.0)
    plan = planned(list(trained.splits.training), recipe)
    fitted = fit(recipe, plan, trained.splits, workdir=tmp_path, threads=2, on_progress=seen.append)
    assert [progress.step for progress in seen] == list(range(1, 101))
    assert seen[-1].loss < 0.6 * seen[0].loss
    assert seen[-1].time_left_s == 0
    assert all(0 <= progress.wait_share <= 1 for progress in seen)
    assert seen[0].validation_score is None
    assert fitted.record["validation_score"] == seen[-1].validation_score
    assert (seen[-1].validation_score or 0) > 0.5
    assert -1 < fitted.record["determinism_cost"] < 2
    assert fitted.record["feed"]["threads"] >= 1
    assert fitted.record["feed"]["ready"] >= 2


def test_two_halves_of_a_batch_move_the_weights_as_the_whole_does(
    trained: Trained, tmp_path: Path
) -> None:
    found = list(trained.splits.training)
    weights = []
    for batch, accumulate in ((2, 1), (1, 2)):
        recipe = with_training(
            steps=1, batch=batch, accumulate=accumulate, precision="float32", appearance=0.0
        )
        fitted = fit(
            recipe,
            planned(found, recipe),
            Splits(training=found, validation=[]),
            workdir=tmp_path / str(batch),
            threads=2,
        )
        weights.append(load(fitted.weights))
    # The Dice of a batch is no mean of the Dice of its halves, so they agree only nearly.
    apart = sum(float((one - weights[1][name]).norm()) for name, one in weights[0].items())
    assert 0 < apart < 0.1 * sum(float(one.norm()) for one in weights[0].values())


STOPS_EARLY = {"patience": 2, "validate_every": 2, "learning_rate": 20.0}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"accumulate": 2, "average": 0.9} | STOPS_EARLY, id="all together"),
        pytest.param({"accumulate": 2}, id="accumulated", marks=pytest.mark.gate),
        pytest.param({"average": 0.9}, id="averaged", marks=pytest.mark.gate),
        pytest.param(STOPS_EARLY, id="stopped early", marks=pytest.mark.gate),
    ],
)
def test_a_stopped_run_with_more_state_goes_on_to_the_same_bytes(
    trained: Trained, tmp_path: Path, changes: dict[str, object]
) -> None:
    recipe = with_training(checkpoint_every=3, **changes)
    plan = planned(list(trained.splits.training), recipe)

    def stop(progress: Progress) -> None:
        if progress.step == 4:
            raise Stopped

    def run(workdir: str, listener: Callable[[Progress], None] = lambda _: None) -> FittedModel:
        return fit(
            recipe,
            plan,
            trained.splits,
            workdir=tmp_path / workdir,
            threads=2,
            on_progress=listener,
        )

    whole = run("whole")
    with contextlib.suppress(Stopped):
        run("stopped", stop)
    again = run("stopped")
    assert again.weights == whole.weights
    assert again.record["curve"] == whole.record["curve"]
    assert again.record["kept_step"] == whole.record["kept_step"]
    assert whole.weights != trained.fitted.weights


def test_a_run_that_gets_no_better_stops_with_its_best_weights(
    trained: Trained, tmp_path: Path
) -> None:
    # A rate that spoils what it learns: no validation is better than the first for long.
    recipe = with_training(steps=40, validate_every=2, patience=2, learning_rate=20.0)
    plan = planned(list(trained.splits.training), recipe)
    fitted = fit(recipe, plan, trained.splits, workdir=tmp_path, threads=2)
    record = fitted.record
    scores = [sum(point["scores"].values()) / 2 for point in record["curve"]]
    assert record["steps"] < 40
    assert record["kept_step"] == 2 * (scores.index(max(scores)) + 1)
    assert record["validation_score"] == pytest.approx(max(scores))
    assert record["steps"] == record["kept_step"] + 4
    again = fit(recipe, plan, trained.splits, workdir=tmp_path, threads=2)
    assert again.weights == fitted.weights


def test_the_record_says_what_repeating_the_run_needs(trained: Trained) -> None:
    record = json.loads(json.dumps(trained.fitted.record))
    assert Recipe.from_yaml(record["recipe"]) == RECIPE
    assert record["hardware"]["threads"] == "2"
    assert record["environment"]["package:torch"]
    assert record["precision"] in {"float32", "bfloat16"}
    assert [point["step"] for point in record["curve"]] == [6, 12]
    digest = hashlib.sha256(trained.fitted.weights).hexdigest()
    assert trained.fitted.manifest.weights_digest == digest


def test_fine_tuning_takes_every_layer_of_the_same_classes(
    trained: Trained, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(trained.fitted.weights)
    tuned = fit(
        RECIPE, trained.plan, trained.splits, workdir=tmp_path, start_from=weights, threads=2
    )
    assert tuned.transfer is not None
    assert tuned.transfer.loaded
    assert not tuned.transfer.skipped
    assert tuned.weights != trained.fitted.weights


def test_fine_tuning_for_other_classes_makes_the_head_fresh(
    trained: Trained, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(trained.fitted.weights)
    task = RECIPE.task.model_copy(update={"classes": ["dim", "brighter"]})
    recipe = with_training(RECIPE.model_copy(update={"task": task}), steps=1)
    found = list(trained.splits.training)
    tuned = fit(
        recipe,
        planned(found, recipe),
        Splits(training=found, validation=[]),
        workdir=tmp_path,
        start_from=weights,
        threads=2,
    )
    assert tuned.transfer is not None
    assert set(tuned.transfer.skipped.values()) == {"its classes differ"}
    assert all("seg_layers" in name for name in tuned.transfer.skipped)
    assert not any("seg_layers" in name for name in tuned.transfer.loaded)


def test_fine_tuning_another_architecture_is_refused(trained: Trained, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(trained.fitted.weights)
    network = RECIPE.network.model_copy(update={"base_channels": 8})
    recipe = RECIPE.model_copy(update={"network": network})
    plan = planned([example(tmp_path, 1)], recipe)
    with pytest.raises(BadRecipe, match="the weights fit"):
        fit(recipe, plan, trained.splits, workdir=tmp_path, start_from=weights, threads=2)
