"""Series of every kind that results are drawn on, as phantoms make them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sightline.phantoms.enhanced import write_enhanced
from sightline.phantoms.people import visit
from sightline.phantoms.series import SeriesNames, WrittenSeries, write_series
from sightline.values.geometry import Geometry
from sightline.values.identity import InstanceUid, LineageId, SeriesUid
from sightline.values.result import ResultIdentity
from sightline.values.volume import Segmentation, Volume

CLASSES = ("ground_glass", "anterior", "something else")

IDENTITY = ResultIdentity(
    instance_uid=InstanceUid("2.25.1001"),
    series_uid=SeriesUid("2.25.1000"),
    series_number=9001,
    series_description="lung@3 SEG",
    author="lung",
    created_at="2026-11-01T10:00:00+00:00",
    model_version="lung@3",
    model_digest="ab" * 32,
    lineage_id=LineageId("result-0123-seg"),
)
BY_HAND = dataclasses.replace(
    IDENTITY, author="Reader^One", model_version="", model_digest="", lineage_id=None
)

_NAMES = SeriesNames(description="T1", body_part="BRAIN", study_description="MR BRAIN")


def _volume(modality: str, directions: np.ndarray) -> Volume:
    shape = (6, 9, 11)
    affine = np.eye(4)
    affine[:3, :3] = directions @ np.diag([2.5, 0.7, 0.9])
    affine[:3, 3] = [-33.3, 12.25, 101.5]
    voxels = np.random.default_rng(3).integers(0, 2000, shape, dtype=np.int16)
    return Volume(
        voxels=voxels,
        geometry=Geometry.from_affine(shape, affine),
        modality=modality,
        intercept=-1024.0 if modality == "CT" else 0.0,
        unit="HU" if modality == "CT" else "",
    )


# Columns: the way from slice to slice, down the column, along the row; LPS.
_AXIAL = np.array([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]])
_SAGITTAL = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
_TURN = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
_LEAN = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
_OBLIQUE = _TURN @ _LEAN @ _AXIAL

KINDS: dict[str, Callable[[Path], WrittenSeries]] = {
    "axial CT": lambda folder: write_series(_volume("CT", _AXIAL), folder, visit=visit(1)),
    "sagittal MR": lambda folder: write_series(
        _volume("MR", _SAGITTAL), folder, visit=visit(2), names=_NAMES
    ),
    "oblique MR": lambda folder: write_series(
        _volume("MR", _OBLIQUE), folder, visit=visit(3), names=_NAMES
    ),
    "enhanced CT": lambda folder: write_enhanced(_volume("CT", _AXIAL), folder, visit=visit(4)),
    "enhanced oblique MR": lambda folder: write_enhanced(
        _volume("MR", _OBLIQUE), folder, visit=visit(5), names=_NAMES
    ),
}


def drawn_on(series: WrittenSeries, *, seed: int = 1) -> Segmentation:
    """Draw the first two of three classes at random; the first two slices stay empty."""
    rng = np.random.default_rng(seed)
    geometry = series.volume.geometry
    mask = rng.integers(0, 3, geometry.shape, dtype=np.uint8)
    mask[:2] = 0
    return Segmentation(mask=mask, geometry=geometry, classes=CLASSES, author="lung")
