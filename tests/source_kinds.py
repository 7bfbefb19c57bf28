"""Five kinds of source series that results are drawn on, or that are refused with a reason."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.hub.admission import admit
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.phantoms.chest import chest_ct
from sightline.phantoms.enhanced import write_enhanced
from sightline.phantoms.people import visit
from sightline.phantoms.series import WrittenSeries, write_series
from sightline.serve.engine import Engine
from sightline.serve.predicting import predict_series
from sightline.serve.publishing import publish_prediction
from sightline.values.arrival import Source
from sightline.values.geometry import Geometry
from sightline.values.identity import LineageId
from sightline.values.model import ModelRecord
from sightline.values.volume import Volume
from tests.hubs import CLASSES, study_of
from tests.models import RECIPE, add_drawing

SHAPE = (12, 96, 96)


def _chest(slices: int = SHAPE[0]) -> Volume:
    phantom = chest_ct(4, shape=SHAPE).volume
    middle = (SHAPE[0] - slices) // 2
    voxels = phantom.voxels[middle : middle + slices]
    return dataclasses.replace(
        phantom,
        voxels=voxels,
        geometry=Geometry.from_affine(voxels.shape, phantom.geometry.matrix),
    )


def _signed(folder: Path) -> WrittenSeries:
    """Write HU as they are, below zero too, without an intercept."""
    chest = _chest()
    values = chest.voxels.astype(np.float64) * chest.slope + chest.intercept
    signed = dataclasses.replace(
        chest, voxels=values.round().astype(np.int16), slope=1.0, intercept=0.0
    )
    return write_series(signed, folder, visit=visit(21))


def _tilted(folder: Path) -> WrittenSeries:
    """Write planes that lean, as with a tilted gantry: each lies a little further back."""
    written = write_series(_chest(), folder, visit=visit(22))
    for number, path in enumerate(written.files):
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient[1] = float(dataset.ImagePositionPatient[1]) + 2.0 * number
        dataset.GantryDetectorTilt = 18
        dataset.save_as(path)
    return written


def _with_a_gap(folder: Path) -> WrittenSeries:
    written = write_series(_chest(), folder, visit=visit(23))
    files = written.files[:5] + written.files[6:]
    return dataclasses.replace(written, files=files)


KINDS: dict[str, Callable[[Path], WrittenSeries]] = {
    "enhanced": lambda folder: write_enhanced(_chest(), folder, visit=visit(24)),
    "single slice": lambda folder: write_series(_chest(1), folder, visit=visit(25)),
    "signed 16-bit": _signed,
}
"""What results are drawn on."""

REFUSED: dict[str, tuple[Callable[[Path], WrittenSeries], str]] = {
    "gantry tilt": (_tilted, "gantry tilt"),
    "missing slice": (_with_a_gap, "1 slice is missing"),
}
"""What makes no volume, and what is said of it."""


def add_drawing_of_any(hub: Hub, folder: Path) -> ModelRecord:
    """Enter a model that draws something on any of these kinds."""
    admit(hub, study_of(1, folder))
    chosen = make_version(hub, "any", Criteria(classes=CLASSES))
    accepts = RECIPE.accepts.model_copy(update={"min_slices": 1})
    return add_drawing(hub, chosen.label, recipe=RECIPE.model_copy(update={"accepts": accepts}))


def receive(archive: Archive, written: WrittenSeries) -> None:
    """Take a series in."""
    for path in written.files:
        keep(archive, path.read_bytes(), Source(name="test"))


def publish_on(
    archive: Archive, hub: Hub, record: ModelRecord, written: WrittenSeries
) -> LineageId:
    """Publish what a model draws on a series, and return the prediction."""
    made = predict_series(
        archive,
        Engine(hub, threads=1),
        hub,
        series_uid=written.series_uid,
        model_id=record.lineage_id,
    )
    assert made is not None
    publish_prediction(archive, hub, made, pacs="")
    return made.prediction.lineage_id
