"""A series of several volumes is predicted where exactly one of them fits, and never by guessing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.errors import UnsoundSeries
from sightline.formats.dicom_image import read_volumes
from sightline.formats.seg import read_seg
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.serve.engine import Engine, Ran
from sightline.serve.predicting import predict_series
from sightline.values.answer import Answer
from sightline.values.arrival import Source
from sightline.values.identity import SeriesUid
from sightline.values.model import ModelRecord
from sightline.values.volume import Segmentation, Volume
from tests.hubs import CLASSES, add_trained
from tests.instances import SERIES, part10_of, slice_of

Change = Callable[[int], dict[str, object]]


class Marker(Engine):
    """An engine that marks one voxel a slice, and remembers what it was given."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, threads=1)
        self.given: list[Volume] = []

    @staticmethod
    def familiar(_record: ModelRecord, _digest: str | None = None) -> tuple[str, None]:
        return "", None

    def ran(self, record: ModelRecord, *, back_end: str = "") -> Ran:
        return Ran(back_end=back_end, machine=record.name, software={"marker": "1"})

    def answer(self, record: ModelRecord, volume: Volume, **_: object) -> Answer:
        self.given.append(volume)
        mask = np.zeros(volume.geometry.shape, np.uint8)
        mask[:, 3, 5] = 1
        drawn = Segmentation(
            mask=mask, geometry=volume.geometry, classes=CLASSES, author=record.name
        )
        return Answer(segmentation=drawn)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.at(tmp_path / "archive")


@pytest.fixture
def predict(
    archive: Archive, hub: Hub, tmp_path: Path, fill: Callable[..., None]
) -> Callable[..., object]:
    """Receive a series of `count` slices and predict it; give engine, files and what was made."""

    def run(count: int, change: Change) -> tuple[Marker, list[Path], list[Path]]:
        files = []
        for number in range(1, count + 1):
            path = tmp_path / f"{number:03}.dcm"
            path.write_bytes(part10_of(slice_of(number, **change(number))))
            keep(archive, path.read_bytes(), Source(name="test"))
            files.append(path)
        fill(1)
        learned = make_version(hub, "chest", Criteria(modality="CT", classes=CLASSES))
        record = add_trained(hub, "chest", collection=learned.label)
        engine = Marker(hub)
        made = predict_series(
            archive, engine, hub, series_uid=SeriesUid(SERIES), model_id=record.lineage_id
        )
        assert made is not None
        objects = [archive.objects.blobs.path(digest) for _, digest in made.objects]
        return engine, files, [path for path in objects if path is not None]

    return run


def _with_scouts(number: int) -> dict[str, object]:
    """Twelve axial slices, and after them two scouts of another direction."""
    if number <= 12:
        return {}
    return {
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
        "ImagePositionPatient": [0, 10 * number, 0],
    }


def test_the_one_volume_that_fits_is_predicted(predict: Callable[..., object]) -> None:
    engine, files, objects = predict(14, _with_scouts)
    (given,) = engine.given
    assert (given.stack, given.geometry.shape) == ("axial", (12, 16, 16))
    axial = read_volumes(files).volumes[0]
    assert np.array_equal(given.voxels, axial.voxels)
    drawn = read_seg(objects[0].read_bytes(), axial.geometry)
    assert np.argwhere(drawn.mask).tolist() == [[k, 3, 5] for k in range(12)]
    sources = {str(pydicom.dcmread(path).SOPInstanceUID) for path in files[:12]}
    for path in objects[:2]:
        text = str(pydicom.dcmread(path))
        assert not any(f"{SERIES}.{scout}\n" in text for scout in (13, 14))
    seg = pydicom.dcmread(objects[0]).ReferencedSeriesSequence[0]
    assert {each.ReferencedSOPInstanceUID for each in seg.ReferencedInstanceSequence} == sources


def _two_echoes(number: int) -> dict[str, object]:
    echo, slice_ = divmod(number - 1, 10)
    return {"EchoTime": 2.5 * (echo + 1), "ImagePositionPatient": [-10, -20, 2.0 * slice_]}


def test_two_volumes_that_fit_are_no_choice(predict: Callable[..., object]) -> None:
    with pytest.raises(
        UnsoundSeries, match=r"makes 2 volumes, and 2 of them fit recipe chest: echo time 2.5; echo"
    ) as caught:
        predict(20, _two_echoes)
    assert "series of its own" in caught.value.hint


def test_volumes_that_do_not_fit_are_refused(predict: Callable[..., object]) -> None:
    with pytest.raises(UnsoundSeries, match="makes 2 volumes, and none of them fit"):
        predict(8, lambda n: {"EchoTime": 1 + (n > 4), "ImagePositionPatient": [0, 0, 2 * (n % 4)]})


def test_slices_of_unequal_rescale_are_predicted_in_their_unit(
    predict: Callable[..., object],
) -> None:
    engine, files, _ = predict(
        10, lambda n: {"RescaleSlope": 1 + n / 4, "RescaleIntercept": -1000 - n}
    )
    (given,) = engine.given
    stored = read_volumes(files).volumes[0]
    assert given.voxels.dtype == np.float32
    assert np.array_equal(given.voxels, stored.evened().voxels)
    expected = stored.voxels[2, 0, 0] * 1.75 - 1003
    assert given.voxels[2, 0, 0] == np.float32(expected)
