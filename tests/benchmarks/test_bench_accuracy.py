"""The accuracy benchmark's judge, and a run of a few seconds on phantoms."""

import json

import numpy as np
import pytest
from benchmarks.bench_accuracy import main
from benchmarks.training import nnunet
from benchmarks.training.score import dice, paired_interval
from benchmarks.training.work import phantoms, split


def test_the_split_is_the_same_every_time_and_parts_all() -> None:
    pairs = phantoms(10, (6, 6, 6))
    learnt, held = split(pairs)
    again, _ = split(pairs)
    assert [each.name for each in learnt] == [each.name for each in again]
    assert len(held) == 2
    assert {each.name for each in learnt + held} == {each.name for each in pairs}


def test_dice_of_known_masks() -> None:
    truth = np.array([[[1, 1, 2, 0]]], dtype=np.uint8)
    drawn = np.array([[[1, 0, 2, 2]]], dtype=np.uint8)
    assert dice(drawn, truth) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert dice(truth, truth) == 1
    assert dice(np.where(truth == 1, truth, 0).astype(np.uint8), np.where(truth == 1, 1, 0)) == 1


def test_the_interval_is_of_pairs_not_of_means() -> None:
    ours = np.random.default_rng(0).uniform(0.5, 0.95, 28)
    low, high = paired_interval(ours + 0.005, ours)
    assert low == pytest.approx(0.005)
    assert high == pytest.approx(0.005)
    low, high = paired_interval(ours - 0.1, ours)
    assert high < 0


@pytest.mark.gate
@pytest.mark.skipif(not nnunet.is_there(), reason="make .peers/nnunetv2/installed was not run")
def test_all_train_and_predict_within_half_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--minutes", "0.5", "--phantoms", "6"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ratio" in line]
    assert [line["name"].split(", ", 1)[1] for line in lines] == [
        "its own plan",
        "our network, patch and batch",
    ]
    assert all(line["peer"] > 0 and line["peer did"]["epochs"] > 0 for line in lines)
