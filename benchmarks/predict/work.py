"""A network that learnt a phantom's lesions, and a CT-like series with known truth to look at."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from safetensors.torch import load_file

from sightline.feed.example import Example
from sightline.phantoms.chest import CLASSES, Phantom, chest_ct
from sightline.phantoms.people import visit
from sightline.phantoms.scanner import AURORA, Scanner
from sightline.phantoms.series import write_series
from sightline.predict.model import ModelManifest
from sightline.store.arrays import StoredArray, write_array
from sightline.train.run import Progress, Splits, fit
from sightline.values.plan import Intensity, Plan, Triple
from sightline.values.recipe import Recipe

SPACING_MM = 1.5
HEIGHT_MM = 300.0
WINDOW = (-1000.0, 300.0)
_FIRST_SEED, _ASKED = 100, 7
_TAUGHT_PATCH = (80, 80, 80)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What every contender is given.

    Attributes:
        folder: holds `dicom`, `image.nii.gz`, `truth.npy`, `network.safetensors`, `asked.json`.
        truth: uint8 (slices, rows, columns).
    """

    folder: Path
    truth: np.ndarray
    manifest: ModelManifest


def plan_of(patch: Triple, channels: tuple[int, ...], *, overlap: float) -> Plan:
    """Return the plan of nnU-Net's plain U-Net for these patches."""
    levels = len(channels)
    return Plan(
        task="segment",
        classes=CLASSES,
        modality="CT",
        spacing_mm=(SPACING_MM,) * 3,
        patch=patch,
        batch=1,
        intensity=Intensity(scheme="window", window=WINDOW),
        network="plain_unet",
        channels=channels,
        strides=((1, 1, 1), *(((2, 2, 2),) * (levels - 1))),
        kernels=((3, 3, 3),) * levels,
        overlap=overlap,
        memory_mb=0,
        reasons={},
        learning_rate=0.01,
    )


def recipe_of(steps: int) -> Recipe:
    """Return a recipe of plain training on whole-lung phantoms."""
    return Recipe.model_validate(
        {
            "name": "bench-chest",
            "title": "Ground glass and consolidation of a phantom",
            "accepts": {"modality": "CT", "min_slices": 1},
            "task": {"classes": list(CLASSES)},
            "inputs": {"window": list(WINDOW)},
            "training": {"steps": steps, "batch": 1, "class_balance": 0.5},
        }
    )


def make(folder: Path, *, size: Triple, plan: Plan, steps: int, lessons: int) -> Work:
    """Train the network on smaller phantoms, and write the series that it will be asked about.

    What lies in the folder already is kept: a network is taught once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights, record = folder / "network.safetensors", folder / "manifest.json"
    if not record.exists():
        found = _taught(folder / "lessons", plan, steps=steps, lessons=lessons)
        weights.write_bytes(found[0])
        record.write_text(json.dumps(found[1].to_json()))
    learnt = ModelManifest.from_json(json.loads(record.read_text()))
    manifest = dataclasses.replace(learnt, plan=plan)
    torch.save(load_file(weights), folder / "network.pt")
    phantom = chest_ct(_ASKED, shape=size, scanner=scanner_of(size[0]))
    np.save(folder / "truth.npy", phantom.truth.mask)
    write_series(phantom.volume, folder / "dicom", visit=visit(_ASKED))
    _write_nifti(folder / "image.nii.gz", phantom)
    (folder / "asked.json").write_text(json.dumps(manifest.to_json()))
    return Work(folder=folder, truth=phantom.truth.mask, manifest=manifest)


def scanner_of(slices: int) -> Scanner:
    """Return a scanner whose slices together are as high as every phantom here."""
    return dataclasses.replace(AURORA, slice_spacing_mm=HEIGHT_MM / slices)


def dice(drawn: np.ndarray, truth: np.ndarray) -> float:
    """Average the Dice of the classes."""
    scores = []
    for number in range(1, len(CLASSES) + 1):
        one, other = drawn == number, truth == number
        scores.append(2 * int((one & other).sum()) / max(int(one.sum()) + int(other.sum()), 1))
    return float(np.mean(scores))


def _taught(folder: Path, plan: Plan, *, steps: int, lessons: int) -> tuple[bytes, ModelManifest]:
    folder.mkdir(parents=True, exist_ok=True)
    slices = round(HEIGHT_MM / SPACING_MM)
    side = round(AURORA.field_of_view_mm / SPACING_MM)
    examples = []
    for seed in range(_FIRST_SEED, _FIRST_SEED + lessons):
        phantom = chest_ct(seed, shape=(slices, side, side), scanner=scanner_of(slices))
        examples.append(_stored(folder / str(seed), phantom))
    lesson = dataclasses.replace(plan, patch=tuple(map(min, _TAUGHT_PATCH, plan.patch)))
    recipe = recipe_of(steps)
    fitted = fit(
        recipe,
        dataclasses.replace(lesson, steps=steps),
        Splits(training=examples, validation=[]),
        workdir=folder / "run",
        device="cpu",
        on_progress=_say,
    )
    return fitted.weights, fitted.manifest


def _say(progress: Progress) -> None:
    if progress.step % 50 == 0:
        print(f"step {progress.step}", flush=True)


def _stored(path: Path, phantom: Phantom) -> Example:
    attributes: dict[str, Any] = {}
    write_array(path.with_name(f"{path.name}-volume"), phantom.volume.voxels, attributes)
    write_array(path.with_name(f"{path.name}-mask"), phantom.truth.mask, attributes)
    return Example(
        series_uid=path.name,
        subject_id=path.name,
        volume=StoredArray.open(path.with_name(f"{path.name}-volume")),
        mask=StoredArray.open(path.with_name(f"{path.name}-mask")),
        geometry=phantom.volume.geometry,
        modality="CT",
        intercept=phantom.volume.intercept,
    )


def _write_nifti(path: Path, phantom: Phantom) -> None:
    """Write the image in HU, as converters of others write it; its axes are (x, y, z)."""
    volume = phantom.volume
    values = (volume.voxels.astype(np.int16) + np.int16(volume.intercept)).transpose(2, 1, 0)
    affine = volume.geometry.matrix[:, [2, 1, 0, 3]].copy()
    affine[:2] *= -1  # NIfTI counts to the right and to the front
    nib.save(nib.Nifti1Image(values, affine), path)
