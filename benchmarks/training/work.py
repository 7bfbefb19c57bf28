"""Volumes that both trainers learn from: ours as stored arrays, nnU-Net's as NIfTI."""

import dataclasses
import json
import os
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from sightline.feed.example import Example
from sightline.store.arrays import StoredArray, write_array
from sightline.values.geometry import Geometry
from sightline.values.plan import Triple
from sightline.values.recipe import Recipe

CLASSES = ("anterior", "posterior")
# Slices of 1 mm towards the head, rows to the back, columns to the left, in LPS.
AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
NNUNET_NAME = "Dataset501_Work"
SEED = 2026
_HELD_OUT = 28


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """An image and its mask, (slices, rows, columns); voxels are of 1 mm but for thick slices."""

    name: str
    image: np.ndarray
    mask: np.ndarray
    slice_mm: float = 1.0


def phantoms(count: int, shape: Triple) -> list[Pair]:
    """Make noisy volumes with two ellipsoids that touch, where a hippocampus would lie."""
    return [_phantom(seed, shape) for seed in range(count)]


def _phantom(seed: int, shape: Triple) -> Pair:
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij")
    radii, turn = random.uniform(0.35, 0.55, 3), random.uniform(-0.15, 0.15, 3)
    inside = sum(
        ((axis - at) / radius) ** 2 for axis, at, radius in zip(axes, turn, radii, strict=True)
    )
    mask = np.where(inside < 1, np.where(axes[1] < turn[1], 1, 2), 0).astype(np.uint8)
    image = random.normal(400, 60, shape) + np.array([0, 130, 90])[mask]
    return Pair(name=f"phantom{seed:03d}", image=image.astype(np.int16), mask=mask)


def hippocampi(folder: Path) -> list[Pair]:
    """Read the real crops of the Medical Segmentation Decathlon, Task04 (CC BY-SA 4.0)."""
    pairs = []
    for path in sorted((folder / "images").glob("*.nii.gz")):
        image, mask = nib.load(path), nib.load(folder / "labels" / path.name)
        values = np.asarray(image.dataobj, dtype=np.float64)
        if values.max() > np.iinfo(np.int16).max:
            values *= np.iinfo(np.int16).max / values.max()
        # Axes of the files run to right, front and head: ours are (head, back, left).
        turned = values[::-1, ::-1, :].transpose(2, 1, 0)
        drawn = np.asarray(mask.dataobj)[::-1, ::-1, :].transpose(2, 1, 0)
        pairs.append(
            Pair(
                name=path.name.removesuffix(".nii.gz").replace("_", ""),
                image=np.ascontiguousarray(turned.round().astype(np.int16)),
                mask=np.ascontiguousarray(drawn.astype(np.uint8)),
            )
        )
    return pairs


def real_pairs() -> list[Pair]:
    """Read the real crops; end where no folder is named."""
    data = os.environ.get("SIGHTLINE_TEST_DATA")
    if not data:
        sys.exit("SIGHTLINE_TEST_DATA names no folder; --phantoms 20 runs without")
    return hippocampi(Path(data) / "hippocampus" / "TrainingSet")


def split(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Hold a fifth out, the same for both."""
    order = np.random.default_rng(SEED).permutation(len(pairs))
    count = min(_HELD_OUT, max(1, len(pairs) // 5))
    return [pairs[at] for at in sorted(order[count:])], [pairs[at] for at in sorted(order[:count])]


def of_another_scanner(pair: Pair) -> Pair:
    """Make of an image what a coarser scanner with another contrast would have made.

    Slices of 2 mm, each the mean of two; contrast bent by a power, brighter towards the back as
    beside a coil, noisier. A slice's mask is the class that holds more of it.
    """
    count = pair.image.shape[0] // 2 * 2
    image = pair.image[:count].reshape(-1, 2, *pair.image.shape[1:]).astype(float).mean(axis=1)
    low, high = np.quantile(image, [0.01, 0.99])
    bent = ((image - low) / (high - low)).clip(0, 1.5) ** 2.2
    coil = np.linspace(0.7, 1.4, image.shape[1])[None, :, None]
    random = np.random.default_rng(zlib.crc32(pair.name.encode()))
    seen = 300 * bent * coil + random.normal(40, 20, image.shape)
    halves = pair.mask[:count].reshape(-1, 2, *pair.mask.shape[1:])
    shares = np.stack([(halves == number).mean(axis=1) for number in range(len(CLASSES) + 1)])
    mask = shares.argmax(axis=0).astype(np.uint8)
    return Pair(
        name=f"{pair.name}b",
        image=seen.round().clip(0, None).astype(np.int16),
        mask=mask,
        slice_mm=2.0,
    )


def stored(folder: Path, pairs: list[Pair]) -> list[Example]:
    """Write pairs as the hub does."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for pair in pairs:
        volume, mask = folder / f"{pair.name}-volume", folder / f"{pair.name}-mask"
        write_array(volume, pair.image, {})
        write_array(mask, pair.mask, {})
        opened = StoredArray.open(volume)
        found.append(
            Example(
                series_uid=pair.name,
                subject_id=pair.name,
                volume=opened,
                mask=StoredArray.open(mask),
                geometry=Geometry.from_affine(
                    opened.shape, AFFINE @ np.diag([pair.slice_mm, 1.0, 1.0, 1.0])
                ),
                modality="MR",
            )
        )
    return found


def write_nnunet(folder: Path, pairs: list[Pair], *, validation: list[str]) -> None:
    """Write pairs as a raw folder of nnU-Net, with its split of one fold."""
    raw = folder / "raw" / NNUNET_NAME
    for part in ("imagesTr", "labelsTr"):
        (raw / part).mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        for part, suffix, values in (
            ("imagesTr", "_0000", pair.image),
            ("labelsTr", "", pair.mask),
        ):
            image = nib.Nifti1Image(values.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]))
            nib.save(image, raw / part / f"{pair.name}{suffix}.nii.gz")
    content = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, CLASSES[0]: 1, CLASSES[1]: 2},
        "numTraining": len(pairs),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(content))
    names = [pair.name for pair in pairs]
    split = [{"train": [name for name in names if name not in validation], "val": validation}]
    prepared = folder / "preprocessed" / NNUNET_NAME
    prepared.mkdir(parents=True, exist_ok=True)
    (prepared / "splits_final.json").write_text(json.dumps(split))


def recipe_of(**training: object) -> Recipe:
    """Return the hippocampus recipe's kind of recipe with another schedule."""
    return Recipe.model_validate(
        {
            "name": "work",
            "title": "Two parts",
            "accepts": {"modality": "MR", "min_slices": 1},
            "task": {"classes": list(CLASSES)},
            "training": training,
        }
    )
