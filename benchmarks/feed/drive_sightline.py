"""Sightline's feed over stored volumes."""

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.feed.contender import Delivered, serve
from benchmarks.feed.volumes import CLASSES, SPACING_MM, WINDOW

from sightline.feed.batches import Feed, Ready
from sightline.feed.example import Example
from sightline.feed.staged import Staged
from sightline.store.arrays import StoredArray
from sightline.values.geometry import Geometry
from sightline.values.plan import Intensity, Plan
from sightline.values.recipe import Training

FOREGROUND_SHARE = 1 / 3
BATCH = 2


def examples(folder: Path) -> list[Example]:
    """Open what `prepare_sightline.py` stored."""
    count = len(list(folder.glob("image-*")))
    return [_example(folder, number) for number in range(count)]


def _example(folder: Path, number: int) -> Example:
    volume = StoredArray.open(folder / f"image-{number}")
    slices, rows, columns = SPACING_MM
    affine = [[0, 0, columns, 0], [0, rows, 0, 0], [slices, 0, 0, 0], [0, 0, 0, 1]]
    return Example(
        series_uid=f"2.25.{number}",
        subject_id=f"S-{number}",
        volume=volume,
        mask=StoredArray.open(folder / f"mask-{number}"),
        geometry=Geometry.from_affine(volume.shape, np.array(affine, dtype=np.float64)),
        modality="CT",
    )


def plan(patch: int) -> Plan:
    """Ask for the volumes' own voxels in cubes."""
    return Plan(
        task="segment",
        classes=CLASSES,
        modality="CT",
        spacing_mm=SPACING_MM,
        patch=(patch, patch, patch),
        batch=BATCH,
        intensity=Intensity(scheme="window", window=WINDOW),
        network="plain_unet",
        channels=(8, 16),
        strides=((1, 1, 1), (2, 2, 2)),
        kernels=((3, 3, 3), (3, 3, 3)),
        overlap=0.25,
        memory_mb=0,
        reasons={},
    )


def feed(
    folder: Path, patch: int, *, is_augmented: bool = False, batch: int = BATCH, seed: int = 0
) -> Feed:
    """Make a feed; augmented as nnU-Net does by default, or not at all."""
    changes = (
        {"affine_share": 0.2, "rotate_degrees": 30.0, "scale_share": 0.4}
        if is_augmented
        else {"affine_share": 0.0, "appearance": 0.0}
    )
    training = Training.model_validate(
        {
            "batch": batch,
            "seed": seed,
            "foreground_share": FOREGROUND_SHARE,
            "mirror": ["left_right", "front_back", "head_foot"] if is_augmented else [],
            **changes,
        }
    )
    chosen = dataclasses.replace(plan(patch), batch=batch)
    return Feed.over(examples(folder), chosen, training=training, device=torch.device("cpu"))


def deliver(folder: Path, patch: int, *, is_augmented: bool) -> Iterator[Delivered]:
    """Yield images and masks without end."""
    for batch in feed(folder, patch, is_augmented=is_augmented).batches(0, 2**40):
        yield batch.images, batch.targets


def send(made: Feed) -> Iterator[Ready]:
    """Yield without end what the host reads for an accelerator, which does all else."""
    reader = dataclasses.replace(made.reader, device=torch.device("meta"))
    return dataclasses.replace(made, reader=reader).read(0, 2**40)


def staged(ready: Ready) -> Staged:
    """Return what an accelerator is sent of a batch."""
    if not isinstance(ready.tensors, Staged):
        raise TypeError("this batch was made on the processor")
    return ready.tensors


def deliver_boxes(folder: Path, patch: int) -> Iterator[Delivered]:
    """Yield one whole batch, then the boxes that an accelerator cuts patches from."""
    yield from deliver_first(folder, patch)
    for ready in send(feed(folder, patch, is_augmented=True)):
        yield staged(ready).volumes, staged(ready).drawn


def deliver_first(folder: Path, patch: int) -> Iterator[Delivered]:
    """Yield one whole batch."""
    for batch in feed(folder, patch, is_augmented=True).batches(0, 1):
        yield batch.images, batch.targets


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("patch", type=int)
    options.add_argument("--augment", action="store_true")
    options.add_argument("--host", action="store_true", help="an accelerator augments")
    given = options.parse_args()
    if given.host:
        serve(lambda: deliver_boxes(given.folder, given.patch))
    else:
        serve(lambda: deliver(given.folder, given.patch, is_augmented=given.augment))
