"""The benchmark of X-rays with the timer off: a few steps of a few images."""

import json

import pytest
from benchmarks.bench_xrays import main


def test_a_few_steps_say_how_long_ten_epochs_take(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--distinct", "4", "--images", "4", "--batch", "2", "--start", "1", "--device", "cpu"])
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["images learnt from"] == 4
    assert line["ours"] == pytest.approx(1_121_200 / line["images a second"] / 60, rel=0.02)
    assert 0 <= line["wait share"] <= 1
