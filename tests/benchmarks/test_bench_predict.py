"""The judge of the benchmark of whole series, and a run of ours alone."""

import json

import numpy as np
import pytest
from benchmarks.bench_predict import claims, main
from benchmarks.predict.work import dice

OURS = {
    "total_s": 30.0,
    "network_s": 27.0,
    "windows": 24,
    "full_grid_windows": 36,
    "peak_mb": 900,
    "dice": 0.93,
    "back_end": "openvino",
}
NNUNET = {"total_s": 120.0, "network_s": 90.0, "windows": 36, "peak_mb": 2000, "dice": 0.931}
MONAI = {"total_s": 100.0, "network_s": 90.0, "windows": 18, "peak_mb": 3000, "dice": 0.92}


def test_claims_hold_ours_against_the_better_peer() -> None:
    found = {"sightline, same": OURS, "sightline, stock": OURS, "nnU-Net": NNUNET}
    found |= {"MONAI, same": MONAI, "MONAI, stock": MONAI}
    rest, whole, *others = claims(found)
    assert (rest["ours"], rest["peer"], rest["holds"]) == (3.0, 30.0, True)
    assert (whole["peer"], whole["ratio"], whole["holds"]) == (100.0, 3.33, False)
    assert [each["holds"] for each in others] == [True, True, True, True]
    assert {each["unit"] for each in others} == {"MB", "Dice"}
    worse = claims(found | {"sightline, same": OURS | {"dice": 0.928, "peak_mb": 1001}})
    assert [each["holds"] for each in worse[2:]] == [False, False, True, True]


def test_without_a_peer_nothing_is_claimed() -> None:
    assert claims({"sightline, same": OURS}) == []


def test_dice_is_the_mean_of_the_classes() -> None:
    truth = np.array([0, 1, 1, 2])
    assert dice(truth, truth) == 1.0
    assert dice(np.array([0, 1, 0, 2]), truth) == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.gate
def test_ours_goes_from_folder_to_mask(capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--size", "40", "96", "96", "--patch", "96", "--channels", "2", "4"]
    main([*size, "--steps", "1", "--lessons", "1", "--only", "sightline, same"])
    found = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert found["name"] == "sightline, same"
    assert 0 < found["network_s"] < found["total_s"]
    assert 0 < found["windows"] <= found["full_grid_windows"]
    assert found["peak_mb"] > 0
