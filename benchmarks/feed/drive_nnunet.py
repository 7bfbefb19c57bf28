"""nnU-Net v2's own loader over its own preprocessed store, with its own augmentation or none.

Settings are those of its trainer: Blosc2 with chunks for the patch, two workers on two cores
(`nnUNet_n_proc_DA`), six batches ahead, a third of the patches on a class. `--augment` cuts the
larger patch first and runs its default transforms, masks interpolated by the nearest voxel.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(name, "/nowhere")
warnings.filterwarnings("ignore")

import numpy as np
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import (
    NonDetMultiThreadedAugmenter,
)
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from benchmarks.feed.contender import Delivered, serve
from benchmarks.feed.volumes import CLASSES
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import (
    comp_blosc2_params,
    nnUNetDatasetBlosc2,
)
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import LabelManager

BATCH, WORKERS, CACHED = 2, 2, 6
FOREGROUND_SHARE = 0.33
ROTATION = (-30 / 360 * 2 * np.pi, 30 / 360 * 2 * np.pi)
_MOST_PLACES = 10_000


def prepare(plain: Path, folder: Path, patch: int) -> None:
    """Normalise volumes as nnU-Net does CT, and keep them as its preprocessing does."""
    folder.mkdir(parents=True)
    for number in range(len(list(plain.glob("image-*.npy")))):
        image = np.load(plain / f"image-{number}.npy")
        mask = np.load(plain / f"mask-{number}.npy").astype(np.int8)
        covered = image[mask > 0].astype(np.float32)
        low, high = np.percentile(covered, (0.5, 99.5))
        data = (image.clip(low, high).astype(np.float32) - covered.mean()) / covered.std()
        shape = (1, *image.shape)
        blocks, chunks = comp_blosc2_params(shape, (patch,) * 3, data.itemsize)
        blocks_seg, chunks_seg = comp_blosc2_params(shape, (patch,) * 3, mask.itemsize)
        nnUNetDatasetBlosc2.save_case(
            data[None],
            mask[None],
            {"class_locations": {k: _places(mask, k) for k in range(1, len(CLASSES) + 1)}},
            str(folder / f"case_{number}"),
            chunks=chunks,
            blocks=blocks,
            chunks_seg=chunks_seg,
            blocks_seg=blocks_seg,
        )


def _places(mask: np.ndarray, number: int) -> np.ndarray:
    found = np.argwhere(mask[None] == number)
    chosen = np.random.default_rng(0).permutation(len(found))[:_MOST_PLACES]
    return found[chosen]


def deliver(folder: Path, patch: int, *, is_augmented: bool) -> Iterator[Delivered]:
    """Yield images and masks without end."""
    shape = (patch, patch, patch)
    labels = {"background": 0, **{name: place + 1 for place, name in enumerate(CLASSES)}}
    transforms, read = None, shape
    if is_augmented:
        read = get_patch_size(shape, ROTATION, ROTATION, ROTATION, (0.85, 1.25))
        transforms = nnUNetTrainer.get_training_transforms(shape, ROTATION, None, (0, 1, 2), False)
        for each in transforms.transforms:
            if isinstance(each, SpatialTransform):
                each.mode_seg = "nearest"
    loader = nnUNetDataLoader(
        nnUNetDatasetBlosc2(str(folder)),
        BATCH,
        read,
        shape,
        LabelManager(labels, None),
        oversample_foreground_percent=FOREGROUND_SHARE,
        probabilistic_oversampling=True,
        transforms=transforms,
    )
    workers = NonDetMultiThreadedAugmenter(
        data_loader=loader,
        transform=None,
        num_processes=WORKERS,
        num_cached=CACHED,
        seeds=None,
        pin_memory=False,
        wait_time=0.002,
    )
    for batch in workers:
        yield batch["data"], batch["target"]


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("patch", type=int)
    options.add_argument("--augment", action="store_true")
    options.add_argument("--prepare", type=Path, help="make the store of these volumes instead")
    given = options.parse_args()
    if given.prepare:
        prepare(given.prepare, given.folder, given.patch)
    else:
        serve(lambda: deliver(given.folder, given.patch, is_augmented=given.augment))
