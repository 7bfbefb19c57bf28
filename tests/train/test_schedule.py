import dataclasses

import pytest

from sightline.errors import Refused
from sightline.train.fingerprint import Fingerprint
from sightline.train.plan import plan
from sightline.train.progress import CurvePoint
from sightline.train.schedule import Pace, best_of, is_stalled, learning_rate, settled
from sightline.values.recipe import Training
from tests.learning import RECIPE, with_training

TRAINING = Training(steps=1, batch=2, validate_every=50, checkpoint_every=25)
MARK = Fingerprint(
    examples=4,
    subjects=4,
    modality="MR",
    median_shape=(20, 24, 22),
    median_spacing_mm=(1.5, 1.0, 1.0),
    thin_spacing_mm=(1.5, 1.0, 1.0),
    class_range=(150.0, 230.0),
    class_ml=(0.3, 0.3),
    class_subjects=(4, 4),
)
PACE = Pace(start_s=2.0, step_s=0.5, validation_s=4.0, checkpoint_s=0.2)


def _curve(*scores: float | None, metric: str = "dice") -> list[CurvePoint]:
    return [
        CurvePoint(step=index, loss=1.0, scores={"a": score}, metric=metric)
        for index, score in enumerate(scores)
    ]


def test_the_plan_decides_and_an_old_one_leaves_steps_to_the_recipe() -> None:
    recipe = with_training(RECIPE, steps=12, batch=2)
    made = dataclasses.replace(plan(recipe, MARK), steps=7, batch=3)
    assert (settled(recipe, made).steps, settled(recipe, made).batch) == (7, 3)
    assert settled(recipe, dataclasses.replace(made, steps=0)).steps == 12


def test_the_rate_falls_from_all_to_almost_nothing() -> None:
    rates = [learning_rate(0.1, step, 100) for step in range(100)]
    assert rates[0] == 0.1
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.002


@pytest.mark.parametrize("seconds", [20.0, 60.0, 1200.0])
def test_a_schedule_fills_its_time_and_ends_in_it(seconds: float) -> None:
    steps = PACE.steps_within(seconds, TRAINING)
    assert PACE.seconds(steps, TRAINING) <= seconds * 0.94
    assert PACE.seconds(steps + 12, TRAINING) > seconds * 0.94


def test_too_little_time_is_refused_with_what_would_do() -> None:
    with pytest.raises(Refused, match=r"0\.1 minutes are too short") as refusal:
        PACE.steps_within(6.0, TRAINING)
    assert "at least 0.2 minutes" in refusal.value.hint


def test_the_best_is_the_first_of_equals_and_nothing_before_one_scored() -> None:
    assert best_of(_curve(None, None)) is None
    assert best_of(_curve(None, 0.2, 0.7, 0.7, 0.1)) == 2


def test_a_run_stalls_after_so_many_validations_without_a_better_one() -> None:
    assert not is_stalled(_curve(0.5, 0.4), 2)
    assert is_stalled(_curve(0.5, 0.4, 0.5), 2)
    assert not is_stalled(_curve(0.5, 0.4, 0.6), 2)
    assert not is_stalled(_curve(0.5, 0.4, 0.3, 0.2), 0)


def test_of_errors_the_smallest_is_the_best() -> None:
    assert best_of(_curve(3.0, 2.0, 2.5, metric="mean_absolute_error")) == 1
    assert is_stalled(_curve(2.0, 3.0, 4.0, metric="mean_absolute_error"), 2)
    assert not is_stalled(_curve(4.0, 3.0, 2.0, metric="mean_absolute_error"), 2)
