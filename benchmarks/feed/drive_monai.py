"""MONAI's CacheDataset or PersistentDataset over NIfTI files, cropped by label."""

import argparse
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.feed.contender import Delivered, serve
from benchmarks.feed.volumes import WINDOW

warnings.filterwarnings("ignore")

import torch
from monai.data import CacheDataset, PersistentDataset, ThreadDataLoader
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    EnsureTyped,
    LoadImaged,
    RandAdjustContrastd,
    RandAffined,
    RandCropByPosNegLabeld,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandSimulateLowResolutiond,
    ScaleIntensityRanged,
)
from monai.utils import set_determinism

KEYS = ("image", "mask")
# As MONAI's spleen tutorial: four crops of a volume that was brought to memory.
CROPS = 4


def transforms(patch: int, *, is_augmented: bool) -> Compose:
    """Load, scale and crop as MONAI's tutorials do, positives one in three."""
    steps = [
        LoadImaged(keys=KEYS),
        EnsureChannelFirstd(keys=KEYS),
        ScaleIntensityRanged(
            keys=("image",), a_min=WINDOW[0], a_max=WINDOW[1], b_min=0, b_max=1, clip=True
        ),
        EnsureTyped(keys=KEYS, dtype=(torch.float32, torch.uint8), track_meta=False),
        RandCropByPosNegLabeld(
            keys=KEYS,
            label_key="mask",
            spatial_size=(patch, patch, patch),
            pos=1,
            neg=2,
            num_samples=CROPS,
        ),
    ]
    return Compose(steps + (augmentation(patch) if is_augmented else []))


def augmentation(patch: int) -> list[object]:
    """Change patches with nnU-Net's probabilities and MONAI's transforms; nearest masks."""
    return [
        RandAffined(
            keys=KEYS,
            prob=0.36,
            rotate_range=(0.52, 0.52, 0.52),
            scale_range=(0.3, 0.3, 0.3),
            mode=("bilinear", "nearest"),
            padding_mode="zeros",
            spatial_size=(patch, patch, patch),
        ),
        RandGaussianNoised(keys=("image",), prob=0.1),
        RandGaussianSmoothd(keys=("image",), prob=0.1),
        RandScaleIntensityd(keys=("image",), prob=0.15, factors=0.25),
        RandSimulateLowResolutiond(keys=("image",), prob=0.125, zoom_range=(0.5, 1.0)),
        RandAdjustContrastd(keys=("image",), prob=0.3, gamma=(0.7, 1.5)),
        *(RandFlipd(keys=KEYS, prob=0.5, spatial_axis=axis) for axis in range(3)),
    ]


def deliver(options: argparse.Namespace) -> Iterator[Delivered]:
    """Yield images and masks without end."""
    count = len(list(options.folder.glob("image-*.nii")))
    items = [
        {
            "image": str(options.folder / f"image-{number}.nii"),
            "mask": str(options.folder / f"mask-{number}.nii"),
        }
        for number in range(count)
    ]
    steps = transforms(options.patch, is_augmented=options.augment)
    if options.kind == "cache":
        data = CacheDataset(items, steps, num_workers=2, progress=False)
    else:
        data = PersistentDataset(items, steps, cache_dir=options.cache)
    loader = ThreadDataLoader(data, batch_size=1, shuffle=True, num_workers=0)
    while True:
        for batch in loader:
            yield batch["image"], batch["mask"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("patch", type=int)
    parser.add_argument("--kind", choices=("cache", "persistent"), default="cache")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--augment", action="store_true")
    given = parser.parse_args()
    set_determinism(0)
    serve(lambda: deliver(given))
