"""The table of metrics: every task has its own, and figures come with intervals."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sightline.errors import UnknownName
from sightline.judge.metrics import METRICS, figure_of, figures_of, metric_of, metrics_of
from sightline.values.evaluation import (
    AmountNumbers,
    MaskNumbers,
    PictureNumbers,
    ScoredExample,
)
from tests.judge.examples import marks, masks, scores, separated


def of_numbers(*numbers: object) -> list[ScoredExample]:
    return [
        ScoredExample(subject_id=f"S-{place}", series_uid=f"2.25.{place}", numbers=(each,))
        for place, each in enumerate(numbers)
    ]


NUMBERS = {
    "segment": masks([0.5, 0.7, None, 0.9]),
    "classify": scores(*separated(0, 60)),
    "detect": of_numbers(*marks((1, [(0.9, 0)]), (2, [(0.8, None), (0.7, 1)]), (0, []))),
    "grade": of_numbers(
        *(
            AmountNumbers(class_name="grade", answer=a, truth=t, is_grade=True)
            for a, t in ((1, 1), (2, 3), (0, 0))
        )
    ),
    "regress": of_numbers(
        *(AmountNumbers(class_name="age", answer=a, truth=t) for a, t in ((40, 50), (30, 25)))
    ),
    "restore": of_numbers(
        *(
            PictureNumbers(class_name="image", psnr_db=p, ssim=s, mean_error=e)
            for p, s, e in ((30.0, 0.9, 1.0), (20.0, 0.7, 3.0))
        )
    ),
}


@pytest.mark.parametrize("task", METRICS)
def test_every_metric_of_every_task_can_be_worked_out(task: str) -> None:
    examples = NUMBERS[task]
    for metric in metrics_of(task):
        figure = figure_of(metric, examples)
        if metric.name in {"nsd", "hd95_mm"}:
            assert figure.value is None  # nobody measured surfaces here
        else:
            assert figure.value is not None, metric.name
            assert figure.low <= figure.value <= figure.high, metric.name
        assert metric.why
        assert metric.title


def test_the_headlines_by_hand() -> None:
    first = {task: figure_of(metrics_of(task)[0], NUMBERS[task]) for task in METRICS}
    assert first["segment"].value == pytest.approx(0.7)
    assert first["segment"].subjects == 3
    said, truths = separated(0, 60)
    assert first["classify"].value == pytest.approx(roc_auc_score(truths, said))
    # 1 of 3 at the lowest rates, then the false one is allowed: 2 of 3.
    assert first["detect"].value == pytest.approx((1 / 3 * 2 + 2 / 3 * 5) / 7)
    assert first["regress"].value == pytest.approx(7.5)
    assert first["restore"].value == pytest.approx(0.8)


def test_all_classes_are_the_mean_of_the_classes() -> None:
    examples = [
        ScoredExample(
            subject_id=f"S-{place}",
            series_uid=f"2.25.{place}",
            numbers=tuple(
                MaskNumbers(class_name=name, dice=dice, truth_ml=1, answer_ml=3)
                for name, dice in (("left", 0.4), ("right", 0.8 if place else None))
            ),
        )
        for place in range(3)
    ]
    found = {
        each.class_name: each.figure
        for each in figures_of(metrics_of("segment")[:1], examples, ("left", "right"))
    }
    assert {name: pytest.approx(each.value) for name, each in found.items()} == {
        "": 0.6,
        "left": 0.4,
        "right": 0.8,
    }
    assert [found[name].subjects for name in ("", "left", "right")] == [3, 3, 2]
    error = figure_of(metric_of("segment", "volume_error_ml"), examples, "left")
    assert error.value == 2


def test_unknown_tasks_and_metrics_are_named() -> None:
    with pytest.raises(UnknownName, match="task 'guess'"):
        metrics_of("guess")
    with pytest.raises(UnknownName, match="not judged by 'auroc'"):
        metric_of("segment", "auroc")


def test_several_images_of_a_patient_widen_an_interval() -> None:
    said, truths = separated(3, 80)
    alone = figure_of(metrics_of("classify")[0], scores(said, truths))
    four_each = scores(
        np.repeat(said[:20], 4),
        np.repeat(truths[:20], 4),
        subjects=[f"S-{n // 4}" for n in range(80)],
    )
    clustered = figure_of(metrics_of("classify")[0], four_each)
    assert clustered.subjects == 20
    assert clustered.high - clustered.low > 1.4 * (alone.high - alone.low)
