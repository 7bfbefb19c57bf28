"""TorchIO's Queue with a LabelSampler over NIfTI files."""

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
import torchio

BATCH = 2
# Sixteen patches of a volume that was loaded: three times as fast as its example's four.
PATCHES, QUEUE = 16, 64


def deliver(options: argparse.Namespace) -> Iterator[Delivered]:
    """Yield images and masks without end."""
    count = len(list(options.folder.glob("image-*.nii")))
    subjects = [
        torchio.Subject(
            image=torchio.ScalarImage(options.folder / f"image-{number}.nii"),
            mask=torchio.LabelMap(options.folder / f"mask-{number}.nii"),
        )
        for number in range(count)
    ]
    scale = torchio.RescaleIntensity(out_min_max=(0, 1), in_min_max=WINDOW, percentiles=(0, 100))
    sampler = torchio.LabelSampler(
        options.patch, label_name="mask", label_probabilities={0: 2, 1: 0.34, 2: 0.33, 3: 0.33}
    )
    queue = torchio.Queue(
        torchio.SubjectsDataset(subjects, transform=scale),
        max_length=QUEUE,
        samples_per_volume=PATCHES,
        sampler=sampler,
        num_workers=2,
    )
    while True:
        for batch in torchio.SubjectsLoader(queue, batch_size=BATCH, num_workers=0):
            yield batch["image"]["data"].to(torch.float32), batch["mask"]["data"].to(torch.uint8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("patch", type=int)
    given = parser.parse_args()
    torch.manual_seed(0)
    serve(lambda: deliver(given))
