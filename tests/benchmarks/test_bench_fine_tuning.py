"""The fine-tuning benchmark: what another scanner makes of an image, and a run of seconds."""

import json

import numpy as np
import pytest
from benchmarks.bench_fine_tuning import main
from benchmarks.training.work import of_another_scanner, phantoms


def test_another_scanner_has_thick_slices_and_another_contrast() -> None:
    (pair,) = phantoms(1, (36, 50, 35))
    there = of_another_scanner(pair)
    assert there.image.shape == there.mask.shape == (18, 50, 35)
    assert there.slice_mm == 2.0
    assert np.array_equal(there.image, of_another_scanner(pair).image)
    # The classes keep their volume, the image its structure but not its values.
    for number in (1, 2):
        before, after = (pair.mask == number).sum(), 2 * (there.mask == number).sum()
        assert after == pytest.approx(before, rel=0.1)
    before = pair.image.reshape(18, 2, 50, 35).mean(axis=1)
    assert 0.3 < np.corrcoef(before.ravel(), there.image.ravel())[0, 1] < 0.95


@pytest.mark.gate
def test_three_models_are_trained_and_scored(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--phantoms", "10", "--few", "2", "--minutes", "0.15", "--base-minutes", "0.15"])
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["gain"] == pytest.approx(line["ours"] - line["peer"], abs=2e-4)
    assert line["subjects"] == [6, 2, 2]
