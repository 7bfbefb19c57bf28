"""The feed's benchmarks, tiny and with the timer off: what they deliver and what they say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.feed.contenders import NUMPY, OURS, PLAIN, Store, started
from benchmarks.feed.drive_sightline import deliver, send, staged
from benchmarks.feed.drive_sightline import feed as open_feed
from benchmarks.feed.volumes import CLASSES, WINDOW, Size, make

ROOT = Path(__file__).parents[2]
SIZE = Size(volumes=2, slices=40, rows=64)
EDGE = 32


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.make(tmp_path_factory.mktemp("volumes"), SIZE, peers=False)


def test_volumes_are_the_same_each_time_and_hold_every_class() -> None:
    image, mask = make(0, SIZE)
    again, _ = make(0, SIZE)
    np.testing.assert_array_equal(image, again)
    assert set(np.unique(mask)) == set(range(len(CLASSES) + 1))
    assert image.min() == -1024


def test_patches_are_scaled_voxels_of_the_volumes(store: Store) -> None:
    volumes = [make(number, SIZE)[0].clip(*WINDOW) for number in range(SIZE.volumes)]
    scaled = [(each - WINDOW[0]) / (WINDOW[1] - WINDOW[0]) for each in volumes]
    for (images, masks), _ in zip(
        deliver(store.folder / "sightline", EDGE, is_augmented=False), range(3), strict=False
    ):
        assert images.shape == (2, 1, EDGE, EDGE, EDGE)
        assert masks.shape == (2, EDGE, EDGE, EDGE)
        for image in images[:, 0].numpy():
            # The first row of a patch lies somewhere in one of the volumes.
            rows = [np.lib.stride_tricks.sliding_window_view(each, EDGE, 2) for each in scaled]
            assert any(np.isclose(each, image[0, 0], atol=1e-6).all(axis=-1).any() for each in rows)


def test_an_accelerator_is_sent_integers(store: Store) -> None:
    ready = next(send(open_feed(store.folder / "sightline", EDGE, is_augmented=True)))
    assert staged(ready).volumes.dtype.itemsize == 2
    assert len(staged(ready).volumes) == len(ready.draws)


def test_contenders_deliver_what_is_asked_for(store: Store) -> None:
    for contender in PLAIN:
        if contender.name in {OURS, NUMPY}:
            with started(contender, store, EDGE) as running:
                running.time(4)
                measured = running.measured()
            assert [patches for patches, _, _ in measured.rounds] == [4]
            assert measured.first_s >= 0


def test_accelerators_say_how_busy_they_were(store: Store) -> None:
    command = [sys.executable, ROOT / "benchmarks/bench_feed_accelerators.py"]
    command += ["--folder", store.folder, "--volumes", SIZE.volumes, "--slices", SIZE.slices]
    command += ["--rows", SIZE.rows, "--edge", EDGE, "--accelerators", 1, "--batches", 2]
    done = subprocess.run([str(part) for part in command], capture_output=True, check=True)
    line = json.loads(done.stdout)
    assert 0 < line["ours"] <= 100
    assert "1 accelerators" in line["name"]
