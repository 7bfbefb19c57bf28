"""The step benchmark with the timer off: our side alone, on volumes of a few voxels."""

import dataclasses
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from benchmarks.bench_step import HIPPOCAMPUS, claims, measure
from benchmarks.training import nnunet
from benchmarks.training.work import NNUNET_NAME, phantoms, write_nnunet

TINY = dataclasses.replace(
    HIPPOCAMPUS, volume=(20, 20, 20), patch=(16, 16, 16), channels=[4, 8], volumes=3
)


def test_our_side_gives_a_ratio_of_fed_to_resident() -> None:
    pace = measure(TINY, device="cpu", precision="float32", rounds=2, steps=2, has_peer=False)
    (line,) = claims(TINY, pace, device="cpu", precision="float32")
    assert line["ratio"] == pytest.approx(
        np.median(np.array(pace.resident) / np.array(pace.fed)), abs=1e-3
    )
    assert line["rounds"] == 2
    assert json.dumps(line)


def test_an_epoch_of_a_gpu_stands_beside_the_published_ones() -> None:
    pace = measure(TINY, device="cpu", precision="float32", rounds=1, steps=1, has_peer=False)
    pace = dataclasses.replace(pace, peer=[0.4], busy=[0.97])
    made = claims(TINY, pace, device="cuda", precision="auto")
    by_name = {str(line["name"]): line for line in made}
    assert by_name["epoch of 250 iterations"]["peer"] == 100.0
    assert by_name["epoch of 250 iterations"]["published on an A100"] == {
        "GPU augmentation": 39,
        "CPU augmentation": 70,
    }
    busy = by_name["GPU busy, of the time of fed steps"]
    assert busy["ours"] == pytest.approx(100 * pace.supplied[0], abs=0.01)
    assert busy["with a kernel under way"] == 97
    beside = by_name["steps a second beside nnU-Net v2"]
    assert beside["ratio"] == pytest.approx(0.4 / pace.fed[0], abs=1e-3)


def test_nnunet_gets_the_same_voxels(tmp_path: Path) -> None:
    (pair, other) = phantoms(2, (8, 10, 12))
    write_nnunet(tmp_path, [pair, other], validation=[other.name])
    raw = tmp_path / "raw" / NNUNET_NAME
    image = nib.load(raw / "imagesTr" / f"{pair.name}_0000.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), pair.image)
    split = json.loads((tmp_path / "preprocessed" / NNUNET_NAME / "splits_final.json").read_text())
    assert split == [{"train": [pair.name], "val": [other.name]}]
    assert {1, 2} <= set(np.unique(pair.mask))


@pytest.mark.gate
@pytest.mark.skipif(not nnunet.is_there(), reason="make .peers/nnunetv2/installed was not run")
def test_nnunet_trains_the_same_network() -> None:
    pace = measure(TINY, device="cpu", precision="float32", rounds=1, steps=2, has_peer=True)
    assert pace.peer[0] > 0
