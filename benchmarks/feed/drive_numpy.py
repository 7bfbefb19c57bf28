"""Volumes that lie in memory as arrays, cropped and scaled into buffers: nothing is decoded."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.feed.contender import Delivered, serve
from benchmarks.feed.volumes import WINDOW

BATCH = 2


def deliver(folder: Path, patch: int) -> Iterator[Delivered]:
    """Yield images and masks without end, in the same two buffers."""
    count = len(list(folder.glob("image-*.npy")))
    volumes = [np.load(folder / f"image-{number}.npy") for number in range(count)]
    masks = [np.load(folder / f"mask-{number}.npy") for number in range(count)]
    places = [np.argwhere(mask[::4, ::4, ::4])[::64] * 4 for mask in masks]
    random = np.random.default_rng(0)
    images = np.empty((BATCH, 1, patch, patch, patch), np.float32)
    classes = np.empty((BATCH, patch, patch, patch), np.uint8)
    low, high = WINDOW
    while True:
        for place in range(BATCH):
            chosen = int(random.integers(count))
            room = np.array(volumes[chosen].shape) - patch
            if place == 0:
                corner = random.integers(room + 1)
            else:
                centre = places[chosen][random.integers(len(places[chosen]))]
                corner = (centre - patch // 2).clip(0, room)
            box = tuple(slice(int(at), int(at) + patch) for at in corner)
            image = images[place, 0]
            np.clip(volumes[chosen][box], low, high, out=image, casting="unsafe")
            image -= low
            image *= 1 / (high - low)
            classes[place] = masks[chosen][box]
        yield images, classes


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("patch", type=int)
    given = options.parse_args()
    serve(lambda: deliver(given.folder, given.patch))
