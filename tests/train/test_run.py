"""Repeating a training gives the same bytes, however often it is stopped."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sightline.errors import BadRecipe
from sightline.train.progress import Progress
from sightline.train.run import Splits, fit
from sightline.values.recipe import Recipe
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


def test_a_run_killed_at_any_time_goes_on_to_the_same_bytes(
    trained: Trained, tmp_path: Path
) -> None:
    root = Path(__file__).parents[2]
    arrays = [each.volume.path for each in trained.splits.training + trained.splits.validation]
    module = "tests.train.train_until_killed"
    command = [sys.executable, "-m", module, str(tmp_path), str(arrays[0].parent)]
    for kill_at in (3, 9):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= kill_at:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
    resumed = fit(RECIPE, trained.plan, trained.splits, workdir=tmp_path, threads=2)
    assert resumed.weights == trained.fitted.weights


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
    fitted = fit(
        recipe, trained.plan, trained.splits, workdir=tmp_path, threads=2, on_progress=seen.append
    )
    assert [progress.step for progress in seen] == list(range(1, 101))
    assert seen[-1].loss < 0.6 * seen[0].loss
    assert seen[-1].time_left_s == 0
    assert all(0 <= progress.wait_share <= 1 for progress in seen)
    assert seen[0].validation_dice is None
    assert fitted.record["validation_dice"] == seen[-1].validation_dice
    assert (seen[-1].validation_dice or 0) > 0.5


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
    with pytest.raises(BadRecipe, match="no layer"):
        fit(recipe, plan, trained.splits, workdir=tmp_path, start_from=weights, threads=2)
